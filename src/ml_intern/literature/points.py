"""Make points of a contract of what a sweep found: the values a paper states, with its words and their section."""

from __future__ import annotations

from collections.abc import Sequence

from ml_intern.core.followed import PaperPoint
from ml_intern.literature.stated import under, values
from ml_intern.literature.sweep import Facet, Finding, facets

MOST_VALUES = 8
"""Values of one point: a table of variants has a few, one of ablations many."""


def points(findings: Sequence[Finding]) -> tuple[PaperPoint, ...]:
    """Give a point for each facet that is one and that the paper states; `values` may be several, as of variants."""
    known = {facet.name: facet for facet in facets() if facet.point}
    tables = dict.fromkeys(h.passage.text for f in findings for h in f.hits if h.passage.kind == "table")
    made = (_point(known[finding.facet], finding, list(tables)) for finding in findings if finding.facet in known)
    return tuple(point for point in made if point is not None)


def _point(facet: Facet, finding: Finding, tables: Sequence[str]) -> PaperPoint | None:
    """Quote the first sentence that has a value, else the first that states the fact at all."""
    stated = [
        (quotation, tuple(values(facet.values, facet.column, quotation.text))) for quotation in finding.quotations
    ]
    if not stated:
        return None
    quotation, _ = next(((q, found) for q, found in stated if found), stated[0])
    listed = [value for table in tables for value in under(facet.column, table)]
    read = dict.fromkeys([*(value for _, found in stated for value in found), *listed])
    return PaperPoint(
        name=facet.point, values=tuple(read)[:MOST_VALUES], quotation=quotation.text, anchor=quotation.anchor
    )
