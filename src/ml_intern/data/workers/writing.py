"""Write the parts: what code may see, and what only the runtime may see."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
from columns import Mapping, clean, kind
from datasets import ClassLabel, Dataset, Features, Value
from masks import most_frequent_pixel
from reading import image_bytes


def mapped(pool: Dataset, mapping: Mapping, labels: list[float | str | None], classes: dict[object, str]) -> Dataset:
    """Keep inputs and target; put images into the table without their file names, which may give the class away."""
    is_mask = kind(pool.features[mapping.target]) == "image"
    kept = [*mapping.inputs, mapping.target] if is_mask else list(mapping.inputs)
    inputs = pool.select_columns(kept)
    images = [name for name in kept if kind(pool.features[name]) == "image"]
    if images:
        stored = inputs.with_format("arrow")
        inputs = stored.map(
            lambda table: _embedded(table, images), batched=True, batch_size=100, features=inputs.features
        ).with_format(None)
    if is_mask:
        return inputs
    is_text = kind(pool.features[mapping.target]) == "text"
    feature = ClassLabel(names=list(classes.values())) if classes else Value("string" if is_text else "float64")
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


def write(
    table: Dataset, parts: dict[str, list[int]], target: str, labels: list[float | str | None], output: Path
) -> float | str:
    """Write the parts below `output`; give the best constant prediction that the search part suggests.

    Only search is visible with its target. Of selection the inputs are; they lie among the hidden files once more, in
    a folder of the same form as the final part's, for the evaluation that answers queries.
    """
    _save(table.select(parts["search"]), output / "visible" / "search.parquet")
    search = [labels[n] for n in parts["search"]]
    constant = _constant(search, kind(table.features[target]))
    without = table.remove_columns([target])
    _save(without.select(parts["selection"]), output / "visible" / "selection.parquet")
    for part, folder in (("final", output / "hidden"), ("selection", output / "hidden" / "selection")):
        _save(without.select(parts[part]), folder / "inputs" / "final.parquet")
        file = folder / "labels" / "final.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        truth = {"labels": [labels[n] for n in parts[part]], "constant": constant}
        file.write_text(json.dumps(truth), encoding="utf-8")
    return constant


def _constant(labels: list, of: str) -> float | str:
    """Give the best answer that does not look at the row: of masks, the class of all pixels."""
    if of == "image":
        return most_frequent_pixel(labels)
    return sum(labels) / len(labels) if of == "number" else Counter(labels).most_common(1)[0][0]


def _save(dataset: Dataset, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    dataset.to_parquet(str(file))


def column(table: Dataset, name: str, search: list[int]) -> dict:
    """Describe an input column by the first rows of the search part."""
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
