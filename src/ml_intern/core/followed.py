"""What a paper says that a run follows, and how the run stands to it: facts like those of `facts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPoint:
    """What a paper says on one point: `values` that code read in it, the words themselves, and the section."""

    name: str
    values: tuple[str, ...]
    quotation: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSwept:
    """A paper was swept for what an implementation needs, so the run follows it; `paper` names its version."""

    paper: str
    title: str
    source: str
    points: tuple[PaperPoint, ...]
    type: Literal["paper_swept"] = "paper_swept"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointCompared:
    """A point of a paper against what was built; `open` where code cannot tell. `ours` is empty then."""

    point: PaperPoint
    ours: str
    verdict: Literal["same", "differs", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperCompared:
    """What a swept paper says was held against one training and its network."""

    train_call_id: str
    paper: str
    points: tuple[PointCompared, ...]
    type: Literal["paper_compared"] = "paper_compared"
