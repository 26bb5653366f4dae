"""Map the columns of a data set, split it and write its parts: search, selection, and final without its labels."""

from __future__ import annotations

import io
import json
import math
import sys
from collections import Counter
from pathlib import Path

# Behind the standard library, so that no module here can take the place of one there.
sys.path.append(str(Path(__file__).parent))

import pyarrow as pa
from channel import RefusedError, serve
from columns import Mapping, choose, classes_of, clean, kind
from datasets import ClassLabel, Dataset, Features, Value, concatenate_datasets
from PIL import Image as Pillow
from reading import READ_ERRORS, fingerprint, image_bytes, kinds_of, load, rows_of
from splitting import OFFICIAL, Assignment, Row, assign

SELECTION_FRACTION = 0.1


def prepare(request: dict) -> dict:
    """Write the parts below `request["output"]` and describe them."""
    loaded = load(request["source"])
    notes = list(loaded.notes)
    pool, official = _pool(loaded.splits, notes)
    mapping = choose(pool, request["inputs"], request["target"])
    classes = classes_of(pool, mapping.target)
    labels = _labels(pool, mapping.target, classes)
    rows, kept, dropped = _usable(pool, mapping, labels, official)
    if len({labels[n] for n in kept}) < 2:
        raise RefusedError(f"column {mapping.target!r} has fewer than two different values; nothing can be learned")
    assignment = assign(rows, final=request["final_fraction"], selection=SELECTION_FRACTION, seed=request["seed"])
    parts = {part: [kept[n] for n in members] for part, members in assignment.parts.items()}
    _require_rows(parts)
    table = _mapped(pool, mapping, labels, classes)
    written = _write(table, parts, mapping.target, labels, Path(request["output"]))
    return {
        "revision": loaded.revision,
        "task": "classification" if classes else "regression",
        "target": mapping.target,
        "classes": list(classes.values()),
        "inputs": [_column(table, name, parts["search"]) for name in mapping.inputs],
        "rows": {part: len(members) for part, members in parts.items()},
        "split": _how(rows),
        "removed": _removed(assignment, dropped),
        "baseline": written,
        "notes": [clean(note, 300) for note in [*notes, *_warnings(parts, labels, classes)]],
    }


def _pool(splits: dict[str, Dataset], notes: list[str]) -> tuple[Dataset, list[str]]:
    """Join the splits that have a role; a single split of any name has none and stays open."""
    if len(splits) == 1:
        only = next(iter(splits.values()))
        return only, ["search"] * len(only)
    roles = {name: OFFICIAL[name.lower()] for name in splits if name.lower() in OFFICIAL}
    if "search" not in roles.values():
        rest = [name for name in splits if name not in roles] or list(roles)
        roles[max(rest, key=lambda name: len(splits[name]))] = "search"
    ignored = [name for name in splits if name not in roles]
    if ignored:
        notes.append(f"these splits were not used: {', '.join(ignored[:10])}")
    first = splits[next(name for name, part in roles.items() if part == "search")]
    used = [(part, splits[name]) for name, part in roles.items()]
    if any(sorted(split.column_names) != sorted(first.column_names) for _, split in used):
        raise RefusedError("the splits have different columns; prepare one file or folder with one set of columns")
    joined = concatenate_datasets([split.select_columns(first.column_names).cast(first.features) for _, split in used])
    return joined, [part for part, split in used for _ in range(len(split))]


def _labels(pool: Dataset, target: str, classes: dict[object, str]) -> list[float | None]:
    """Give each row's class number or value; None where it has none, which an official test often has as -1."""
    values = pool.data.column(target).to_pylist()
    if classes:
        number = {value: position for position, value in enumerate(classes)}
        return [number.get(value) for value in values]
    return [float(v) if v is not None and math.isfinite(v) else None for v in values]


def _usable(
    pool: Dataset, mapping: Mapping, labels: list[float | None], official: list[str]
) -> tuple[list[Row], list[int], Counter]:
    """Keep rows that have a target and readable inputs; give them, their numbers and what was dropped."""
    kinds = kinds_of(pool, list(mapping.inputs))
    rows: list[Row] = []
    kept: list[int] = []
    dropped: Counter = Counter()
    official = _with_labelled_final(official, labels)
    for n, stored in enumerate(rows_of(pool, list(mapping.inputs))):
        if labels[n] is None:
            dropped["without_target"] += 1
        elif not all(_readable(stored[name], of) for name, of in kinds.items()):
            dropped["unreadable"] += 1
        else:
            inputs = fingerprint(stored, kinds)
            stratum = labels[n] if isinstance(labels[n], int) else 0
            whole = inputs + repr(labels[n]).encode()
            rows.append(Row(inputs=inputs, whole=whole, stratum=stratum, official=official[n]))
            kept.append(n)
    return rows, kept, dropped


def _with_labelled_final(official: list[str], labels: list[float | None]) -> list[str]:
    """Let the official validation be the final part where the official test has no labels."""
    has_labels = {part for part, label in zip(official, labels, strict=True) if label is not None}
    if "final" in has_labels or "selection" not in has_labels or "final" not in official:
        return official
    return ["final" if part == "selection" else part for part in official]


def _readable(value: object, of: str) -> bool:
    if of == "text":
        return value is not None
    if of != "image":
        return True
    encoded = image_bytes(value)
    try:
        return encoded is not None and min(Pillow.open(io.BytesIO(encoded)).size) > 0
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return False


def _require_rows(parts: dict[str, list[int]]) -> None:
    empty = [part for part, members in parts.items() if not members]
    if empty:
        raise RefusedError(
            f"no rows are left for {' and '.join(empty)}: there are too few, or all have the same inputs as rows of "
            "another part. Name more input columns or another data set."
        )


def _mapped(pool: Dataset, mapping: Mapping, labels: list[float | None], classes: dict[object, str]) -> Dataset:
    """Keep inputs and target; put images into the table without their file names, which may give the class away."""
    inputs = pool.select_columns(list(mapping.inputs))
    images = [name for name in mapping.inputs if kind(pool.features[name]) == "image"]
    if images:
        stored = inputs.with_format("arrow")
        inputs = stored.map(
            lambda table: _embedded(table, images), batched=True, batch_size=100, features=inputs.features
        ).with_format(None)
    feature = ClassLabel(names=list(classes.values())) if classes else Value("float64")
    column = pa.array(labels, type=feature.dtype if isinstance(feature, Value) else "int64")
    schema = Features({**inputs.features, mapping.target: feature})
    return inputs.add_column(mapping.target, column, feature=feature).cast(schema)


def _embedded(table: pa.Table, images: list[str]) -> pa.Table:
    for name in images:
        stored = table.column(name).to_pylist()
        columns = [{"bytes": image_bytes(value), "path": None} for value in stored]
        of = pa.struct({"bytes": pa.binary(), "path": pa.string()})
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(columns, type=of))
    return table


def _write(table: Dataset, parts: dict[str, list[int]], target: str, labels: list[float | None], output: Path) -> float:
    """Write the four files; give the best constant prediction that the search part suggests."""
    for part in ("search", "selection"):
        _save(table.select(parts[part]), output / "visible" / f"{part}.parquet")
    _save(table.remove_columns([target]).select(parts["final"]), output / "hidden" / "inputs" / "final.parquet")
    search = [labels[n] for n in parts["search"]]
    is_classification = isinstance(table.features[target], ClassLabel)
    constant = Counter(search).most_common(1)[0][0] if is_classification else sum(search) / len(search)
    truth = {"labels": [labels[n] for n in parts["final"]], "constant": constant}
    file = output / "hidden" / "labels" / "final.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(truth), encoding="utf-8")
    return constant


def _save(dataset: Dataset, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    dataset.to_parquet(str(file))


def _column(table: Dataset, name: str, search: list[int]) -> dict:
    of = kind(table.features[name])
    return {"name": name, "kind": of, "detail": clean(_detail(table.select(search[:200])[:][name], of), 120)}


def _detail(values: list, of: str) -> str:
    present = [value for value in values if value is not None]
    if of == "image":
        shapes = Counter((f"{image.width}x{image.height}", image.mode) for image in present)
        common = ", ".join(f"{size} mode {mode}" for (size, mode), _ in shapes.most_common(2))
        return f"{common}{f' and {len(shapes) - 2} more forms' if len(shapes) > 2 else ''}"
    if of == "text":
        lengths = sorted(len(text) for text in present)
        return f"{lengths[len(lengths) // 2]} characters in the median, {lengths[-1]} at most" if lengths else ""
    if of in {"integer", "number"} and present:
        return f"{min(present):g} to {max(present):g}"
    return f"like {present[0]!r}" if present and of == "list" else ""


def _how(rows: list[Row]) -> str:
    official = {row.official for row in rows}
    return "official" if "final" in official else "by seed"


def _removed(assignment: Assignment, dropped: Counter) -> dict[str, int]:
    return {
        "repeats_final": assignment.repeats_final,
        "repeats_selection": assignment.repeats_selection,
        "without_target": dropped["without_target"],
        "unreadable": dropped["unreadable"],
    }


def _warnings(parts: dict[str, list[int]], labels: list[float | None], classes: dict[object, str]) -> list[str]:
    if not classes:
        return []
    names = list(classes.values())
    seen = {part: {labels[n] for n in members} for part, members in parts.items()}
    unseen = [names[label] for label in seen["final"] - seen["search"]]
    return [f"classes of the final part that search lacks: {', '.join(unseen[:10])}"] if unseen else []


if __name__ == "__main__":
    serve(prepare, *READ_ERRORS)
