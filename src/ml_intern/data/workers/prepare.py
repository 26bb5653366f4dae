"""Map the columns of a data set, split it, check the parts against each other, and write them."""

from __future__ import annotations

import io
import math
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

# Behind the standard library, so that no module here can take the place of one there.
sys.path.append(str(Path(__file__).parent))

from channel import RefusedError, serve
from columns import Mapping, choose, classes_of, clean, kind, propose, task_of
from contamination import Data, Report, check_columns, check_duplicates, require_enough
from datasets import Dataset, concatenate_datasets
from masks import read_mask
from PIL import Image as Pillow
from reading import READ_ERRORS, fingerprint, image_bytes, kinds_of, load, rows_of
from roles import group_column, groups_of, moments_of, time_columns
from splitting import OFFICIAL, Assignment, By, Row, assign
from writing import column, mapped, write

SELECTION_FRACTION = 0.1
MOST_FLOOR = 100
"""Rows of the final part that are enough for an interval of about ±0.1; of small data a fifth must do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """All rows of the splits that have a role, the part that each split fixes, and how to name a row."""

    table: Dataset
    official: list[str]
    name_of: Callable[[int], str]


def prepare(request: dict) -> dict:
    """Write the parts below `request["output"]` and describe them."""
    loaded = load(request["source"])
    notes, report = list(loaded.notes), Report(allowed=request["allow"])
    pool = _pool(loaded.splits, notes)
    group = _group(pool.table, request)
    mapping = choose(pool.table, request["inputs"], request["target"], [c for c in (group, request["time"]) if c])
    classes = classes_of(pool.table, mapping.target)
    task = task_of(pool.table, mapping, classes)
    labels = _labels(pool.table, mapping.target, classes)
    kinds = kinds_of(pool.table, list(mapping.inputs))
    rows, kept, dropped = _usable(pool, kinds, labels)
    if len({labels[n] for n in kept}) < 2:
        raise RefusedError(f"column {mapping.target!r} has fewer than two different values; nothing can be learned")
    rows, by = _bound(rows, kept, pool, request, group)
    rows, kept = _with_moments(rows, kept, by, dropped)
    data = Data(
        pool=pool.table, kinds=kinds, task=task, labels=labels, classes=tuple(classes.values()), name_of=pool.name_of
    )
    check_columns(data, report, kept)
    assignment = _assigned(rows, request, by, report)
    assignment = _with_groups_kept(assignment, rows, request, by, group, report)
    removed = {reason: [kept[n] for n in members] for reason, members in assignment.removed.items()}
    require_enough(report, _before(assignment), removed, pool.name_of)
    parts = {part: [kept[n] for n in members] for part, members in assignment.parts.items()}
    _require_rows(parts)
    parts = check_duplicates(data, report, parts)
    _require_rows(parts)
    table = mapped(pool.table, mapping, labels, classes)
    notes += [*_warnings(parts, labels, classes), *_unused_roles(pool.table, mapping, request, by)]
    return {
        "revision": loaded.revision,
        "task": task,
        "target": mapping.target,
        "classes": list(classes.values()),
        "inputs": [column(table, name, parts["search"]) for name in mapping.inputs],
        "rows": {part: len(members) for part, members in parts.items()},
        "split": _how(rows, by, request, group),
        "removed": _removed(removed, dropped),
        "findings": report.findings,
        "baseline": write(table, parts, mapping.target, labels, Path(request["output"])),
        "notes": [clean(note, 300) for note in notes],
    }


def _pool(splits: dict[str, Dataset], notes: list[str]) -> Pool:
    """Join the splits that have a role; a single split of any name has none and stays open."""
    if len(splits) == 1:
        name, only = next(iter(splits.items()))
        return Pool(table=only, official=["search"] * len(only), name_of=lambda n: f"{name}[{n}]")
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
    official = [part for part, split in used for _ in range(len(split))]
    return Pool(table=joined, official=official, name_of=_naming(list(roles), [len(split) for _, split in used]))


def _naming(names: Sequence[str], sizes: Sequence[int]) -> Callable[[int], str]:
    starts = [0, *accumulate(sizes)]

    def name_of(n: int) -> str:
        split = bisect_right(starts, n) - 1
        return f"{names[split]}[{n - starts[split]}]"

    return name_of


def _group(table: Dataset, request: dict) -> str:
    """Give the column that groups the rows; a split by time needs none."""
    if request["time"] and request["group"]:
        raise RefusedError("a split goes by `group` or by `time`, not by both; name the one that matters more")
    if request["time"]:
        return ""
    guess = propose(table, request["target"])
    found = group_column(table, request["group"], request["target"] or (guess.target if guess else ""))
    return found if request["group"] or found not in request["inputs"] else ""


def _labels(pool: Dataset, target: str, classes: dict[object, str]) -> list[float | str | None]:
    """Give each row's class number, value, text or mask; None where it has none, as -1 in many an official test."""
    values = [] if kind(pool.features[target]) == "image" else pool.data.column(target).to_pylist()
    if classes:
        number = {value: position for position, value in enumerate(classes)}
        return [number.get(value) for value in values]
    if kind(pool.features[target]) == "image":
        return [read_mask(image_bytes(row[target])) for row in rows_of(pool, [target])]
    if kind(pool.features[target]) == "text":
        return [v.encode("utf-8", "replace").decode() if v and v.strip() else None for v in values]
    return [float(v) if v is not None and math.isfinite(v) else None for v in values]


def _usable(
    pool: Pool, kinds: dict[str, str], labels: list[float | str | None]
) -> tuple[list[Row], list[int], Counter]:
    """Keep rows that have a target and readable inputs; give them, their numbers and what was dropped."""
    rows: list[Row] = []
    kept: list[int] = []
    dropped: Counter = Counter()
    official = _with_labelled_final(pool.official, labels)
    for n, stored in enumerate(rows_of(pool.table, list(kinds))):
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


def _with_labelled_final(official: list[str], labels: list[float | str | None]) -> list[str]:
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


def _bound(rows: list[Row], kept: list[int], pool: Pool, request: dict, group: str) -> tuple[list[Row], By]:
    """Give the rows their group or moment, where the split goes by one."""
    if group:
        groups = groups_of(pool.table, group)
        return [replace(row, group=groups[n]) for row, n in zip(rows, kept, strict=True)], "group"
    if request["time"]:
        moments = moments_of(pool.table, request["time"], request["target"])
        return [replace(row, moment=moments[n]) for row, n in zip(rows, kept, strict=True)], "time"
    return rows, "rows"


def _with_moments(rows: list[Row], kept: list[int], by: By, dropped: Counter) -> tuple[list[Row], list[int]]:
    """Drop rows that no time can be told of, where time decides."""
    if by != "time":
        return rows, kept
    usable = [place for place, row in enumerate(rows) if not math.isnan(row.moment)]
    dropped["without_time"] = len(rows) - len(usable)
    return [rows[place] for place in usable], [kept[place] for place in usable]


def _assigned(rows: list[Row], request: dict, by: By, report: Report) -> Assignment:
    """Split, with enough rows in the final part for a useful interval; say so where that raises the fraction."""
    floor = min(MOST_FLOOR, len(rows) // 5)
    official = sum(row.official == "final" for row in rows)
    asked = request["final_fraction"] * len(rows)
    if official and official < floor:
        detail = f"the official test has only {official} rows with labels: its interval will be wide."
        report.note("small_final", "noted", official, detail)
    elif not official and round(asked) < floor:
        detail = (
            f"a final fraction of {request['final_fraction']:g} would leave {round(asked)} rows, too few for a useful "
            f"interval; raised to {floor}."
        )
        report.note("small_final", "raised", floor, detail)
    return assign(
        rows,
        final=request["final_fraction"],
        selection=SELECTION_FRACTION,
        seed=request["seed"],
        floor=floor,
        by=by,
    )


def _before(assignment: Assignment) -> int:
    """Count the rows of search and selection before any was left out."""
    removed = sum(map(len, assignment.removed.values()))
    return len(assignment.parts["search"]) + len(assignment.parts["selection"]) + removed


def _with_groups_kept(
    assignment: Assignment, rows: list[Row], request: dict, by: By, group: str, report: Report
) -> Assignment:
    """Where official parts share most groups by design, keep them as they are, unless the group was named."""
    shared = len(assignment.removed.get("group_of_final", ()))
    if by != "group" or request["group"] or shared <= _before(assignment) / 2:
        return assignment
    detail = (
        f"{shared} rows of search and selection share their {group!r} with a final row; the official parts mix them."
    )
    report.note("group_overlap", "noted", shared, detail)
    return _assigned([replace(row, group="") for row in rows], request, "rows", Report(allowed={}))


def _require_rows(parts: dict[str, list[int]]) -> None:
    empty = [part for part, members in parts.items() if not members]
    if empty:
        raise RefusedError(
            f"no rows are left for {' and '.join(empty)}: there are too few, or all have the same inputs as rows of "
            "another part. Name more input columns or another data set."
        )


def _how(rows: list[Row], by: By, request: dict, group: str) -> str:
    base = "official" if "final" in {row.official for row in rows} else "by seed"
    ways = {"rows": base, "group": f"{base}, grouped by {group}", "time": f"{base}, by {request['time']}"}
    return clean(ways[by], 120)


def _removed(removed: dict[str, list[int]], dropped: Counter) -> dict[str, int]:
    known = ("repeats", "group_of", "not_before")
    counts = {
        f"{why}_{part}": len(removed.get(f"{why}_{part}", ())) for why in known for part in ("final", "selection")
    }
    return counts | {name: dropped[name] for name in ("without_target", "unreadable", "without_time")}


def _warnings(parts: dict[str, list[int]], labels: list[float | str | None], classes: dict[object, str]) -> list[str]:
    if not classes:
        return []
    names = list(classes.values())
    seen = {part: {labels[n] for n in members} for part, members in parts.items()}
    unseen = [names[label] for label in seen["final"] - seen["search"]]
    return [f"classes of the final part that search lacks: {', '.join(unseen[:10])}"] if unseen else []


def _unused_roles(table: Dataset, mapping: Mapping, request: dict, by: By) -> list[str]:
    """Point at columns that look like times, where the split does not go by one."""
    times = time_columns(table, mapping.target) if by != "time" and not request["group"] else []
    said = ", ".join(repr(name) for name in times[:3])
    return [f"{said} may be a time; to predict the later from the earlier, name it as `time`"] if times else []


if __name__ == "__main__":
    serve(prepare, *READ_ERRORS)
