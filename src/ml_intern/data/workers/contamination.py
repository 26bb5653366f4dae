"""Check the parts against each other, and the inputs against the target, before anybody trains on them.

What can be put right is: rows are left out of the earlier part. What cannot is refused, unless it was allowed with a
reason, and then it is on record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from channel import RefusedError
from columns import clean, is_prose
from datasets import Dataset
from leaks import SAMPLE, giving_away, named_in
from reading import image_bytes, rows_of
from similar import MOST, Similar, similar_images, similar_texts

_LEAST_LEFT = 0.5
"""Share of the rows of search that must be left when all was removed that should be."""
_NAMED = 0.95
_COPIED = 0.98
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The pool of all rows as it is checked: `names` tell a row's place in the raw data."""

    pool: Dataset
    kinds: dict[str, str]
    task: str
    labels: Sequence[float | str | None]
    classes: tuple[str, ...]
    name_of: Callable[[int], str]


@dataclass
class Report:
    """What was found, in the order of the checks; `allowed` maps checks to reasons."""

    allowed: dict[str, str]
    findings: list[dict] = field(default_factory=list)

    def note(self, check: str, outcome: str, rows: int, detail: str) -> None:
        """Add a finding: `removed`, `noted` or `allowed`."""
        self.findings.append({"check": check, "outcome": outcome, "rows": rows, "detail": clean(detail, 400)})

    def refuse(self, check: str, rows: int, detail: str, remedy: str) -> None:
        """Refuse, unless this check was allowed.

        Raises:
            RefusedError: it was not.
        """
        if check not in self.allowed:
            raise RefusedError(f"{check}: {detail} {remedy} Or, if it is meant, allow={{{check!r}: REASON}}.")
        self.note(check, "allowed", rows, detail)


def check_columns(data: Data, report: Report, rows: Sequence[int]) -> None:
    """Look for inputs that give the label away, in at most 4,000 of `rows`.

    Raises:
        RefusedError: one does, beyond doubt.
    """
    chosen = sorted(list(rows)[:SAMPLE])
    sample = data.pool.select(chosen)
    labels = [data.labels[n] for n in chosen]
    if data.task in {"generation", "segmentation"}:
        _check_copies(data, sample, labels, report)
        return
    tables, texts = _tabular(data, sample), _texts(data, sample)
    has_more = len(tables) < len(data.kinds)
    for leak in giving_away(tables, labels, is_classification=bool(data.classes), has_more=has_more):
        detail = f"column {leak.column!r} alone tells the target ({leak.score:.1%} right): {leak.how}."
        if leak.is_gross:
            report.refuse("label_in_column", len(labels), detail, f"Leave {leak.column!r} out of `inputs`.")
        else:
            report.note("label_in_column", "noted", len(labels), detail)
    for name, values in texts.items() if data.classes else ():
        share = named_in(values, labels, data.classes, is_prose=is_prose(data.pool, name))
        if share >= _NAMED:
            detail = f"the text of {name!r} names the row's own class in {share:.1%} of the rows."
            report.refuse("label_in_text", round(share * len(values)), detail, f"Leave {name!r} out of `inputs`.")


def _check_copies(data: Data, sample: Dataset, labels: Sequence[str], report: Report) -> None:
    """Look for a text that is the one to be written."""
    for name, values in _texts(data, sample).items():
        equal = sum(a.split() == b.split() for a, b in zip(values, labels, strict=True))
        if equal >= _COPIED * len(labels):
            detail = f"column {name!r} is the text to be written in {equal / len(labels):.1%} of the rows."
            report.refuse("label_in_column", equal, detail, f"Leave {name!r} out of `inputs`.")


def _tabular(data: Data, sample: Dataset) -> dict[str, list]:
    wanted = [name for name, of in data.kinds.items() if of in {"integer", "number", "label"}]
    wanted += [name for name, of in data.kinds.items() if of == "text" and not is_prose(data.pool, name)]
    return dict(sample.select_columns(wanted)[:]) if wanted else {}


def _texts(data: Data, sample: Dataset) -> dict[str, list[str]]:
    wanted = [name for name, of in data.kinds.items() if of == "text"]
    return {name: [str(v) for v in sample.select_columns([name])[:][name]] for name in wanted}


def check_duplicates(data: Data, report: Report, parts: dict[str, list[int]]) -> dict[str, list[int]]:
    """Leave near duplicates of a later part out of the earlier ones; give the parts that remain."""
    find = _finder(data)
    if find is None:
        return parts
    kept = dict(parts)
    removed: list[tuple[int, int]] = []
    crowd = 0
    for later, earlier in (("final", "search"), ("final", "selection"), ("selection", "search")):
        found = find(kept[later], kept[earlier])
        removed += [(kept[earlier][place], kept[later][asked]) for place, asked in found.pairs.items()]
        kept[earlier] = [n for place, n in enumerate(kept[earlier]) if place not in found.pairs]
        crowd += len(found.crowded) if (later, earlier) == ("final", "search") else 0
    if removed:
        _tell_removed(data, report, removed)
    if crowd:
        report.note(
            "near_duplicates",
            "noted",
            crowd,
            f"{crowd} final rows are almost like many search rows each (one scene, a form letter, or drawings that all "
            "look alike). If rows belong together, name the column that says so as `group`.",
        )
    return kept


def _tell_removed(data: Data, report: Report, removed: Sequence[tuple[int, int]]) -> None:
    shown = ", ".join(f"{data.name_of(n)} like {data.name_of(other)}" for n, other in removed[:_SHOWN])
    detail = f"{len(removed)} rows almost like a row of a later part were left out: {shown}."
    report.note("near_duplicates", "removed", len(removed), detail)


def _finder(data: Data) -> Callable[[Sequence[int], Sequence[int]], Similar] | None:
    """Give how near duplicates are found among these inputs; None: a table of values has only equal rows."""
    names, kinds = list(data.kinds), set(data.kinds.values())
    if kinds == {"image"} and len(names) == 1:
        return lambda later, earlier: similar_images(_images(data, names[0], later), _images(data, names[0], earlier))
    if kinds == {"text"} and all(is_prose(data.pool, name) for name in names):
        return lambda later, earlier: similar_texts(_joined(data, names, later), _joined(data, names, earlier))
    return None


def _images(data: Data, name: str, rows: Sequence[int]) -> list[bytes]:
    stored = rows_of(data.pool.select(list(rows)[:MOST]), [name])
    return [image_bytes(row[name]) or b"" for row in stored]


def _joined(data: Data, names: Sequence[str], rows: Sequence[int]) -> list[str]:
    return ["\n".join(str(row[name]) for name in names) for row in rows_of(data.pool.select(list(rows)[:MOST]), names)]


def require_enough(report: Report, before: int, removed: dict[str, list[int]], name_of: Callable[[int], str]) -> None:
    """Refuse where leaving out what other parts share takes most of search with it.

    Raises:
        RefusedError: it does, and it was not allowed.
    """
    gone = {reason: rows for reason, rows in removed.items() if rows}
    total = sum(map(len, gone.values()))
    if total <= (1 - _LEAST_LEFT) * before:
        return
    reason, rows = max(gone.items(), key=lambda item: len(item[1]))
    shown = ", ".join(map(name_of, rows[:_SHOWN]))
    detail = f"{total} of {before} rows of search and selection are also in a later part ({reason}: {shown} …)."
    report.refuse("parts_overlap", total, detail, "The parts of this data set are hardly separate.")
