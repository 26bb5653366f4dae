"""Make points of a contract of what a sweep found: the values a paper states, with its words and their section."""

from __future__ import annotations

from collections.abc import Sequence

from ml_intern.core.followed import PaperPoint
from ml_intern.literature.chunks import Passage
from ml_intern.literature.stated import under
from ml_intern.literature.sweep import Facet, Finding, facets, is_beside

MOST_VALUES = 8
"""Values of one point: a table of variants has a few, one of ablations many."""


def points(findings: Sequence[Finding]) -> tuple[PaperPoint, ...]:
    """Give a point for each facet that is one and that the paper states; `values` may be several, as of variants.

    What is only denied, compared with, or said of another's method is no point.
    """
    known = {facet.name: facet for facet in facets() if facet.point}
    tables = dict.fromkeys(h.passage.text for f in findings for h in f.hits if _is_own_table(h.passage))
    made = (_point(known[finding.facet], finding, list(tables)) for finding in findings if finding.facet in known)
    return tuple(point for point in made if point is not None)


def _is_own_table(passage: Passage) -> bool:
    caption = "\n".join(line for line in passage.text.split("\n") if not line.startswith("|"))
    return passage.kind == "table" and not is_beside((*passage.path, caption))


def _point(facet: Facet, finding: Finding, tables: Sequence[str]) -> PaperPoint | None:
    """Quote the first sentence that has a value, else the first that states the fact at all."""
    stated = [quotation for quotation in finding.quotations if not quotation.is_aside]
    if not stated:
        return None
    quotation = next((q for q in stated if q.values), stated[0])
    rows, sentences = (
        [v for q in stated if q.text.startswith("|") is are_rows for v in q.values] for are_rows in (True, False)
    )
    listed = [value for table in tables for value in under(facet.column, table)]
    read = dict.fromkeys([*rows, *listed, *sentences] if rows else [*sentences, *listed])
    return PaperPoint(
        name=facet.point, values=tuple(read)[:MOST_VALUES], quotation=quotation.text, anchor=quotation.anchor
    )
