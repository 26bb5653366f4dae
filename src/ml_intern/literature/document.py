"""The one model of a paper's content that every source fills and every reader reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ml_intern.literature.paper import Paper

BlockKind: TypeAlias = Literal[
    "paragraph", "equation", "table", "caption", "figure", "item", "code", "lines", "footnote", "reference"
]
"""`lines` is text as it stands on a page, where the source knows no paragraphs; a `figure` has no text."""
SourceName: TypeAlias = Literal["html", "ar5iv", "tex", "pdf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle on a page. Origin top left with the text upright, `y` grows downwards, unit 1/72 inch."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of text in Markdown that is not torn apart without need; `page` is counted from 1, if there are pages.

    `box` is its place on that page, of a paragraph that goes on elsewhere the place of its beginning. `rows` are the
    cells of a table, the first row its head; `text` shows them as well.
    """

    kind: BlockKind
    text: str
    page: int | None = None
    rows: tuple[tuple[str, ...], ...] = ()
    box: Box | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what stands under it before the next one.

    `number` is as printed, without the last dot (`3.2.1`, `A`), empty where there is none; `level` is 1 for the
    outermost. The text before the first heading is a section without number and title.
    """

    number: str
    title: str
    level: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a source got out of a paper; `notes` warn of what it may have got wrong."""

    sections: tuple[Section, ...]
    references: tuple[Block, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a source gives nothing for a paper; `lasting` says that asking again later is useless."""

    reason: str
    lasting: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One version of a paper, read.

    Attributes:
        paper: what the catalogue says of it.
        source: where the content comes from.
        passed_over: why each better source was not used, a phrase each.
        is_settled: false where a better source failed only in passing.
        content: sections, references and warnings.
    """

    paper: Paper
    source: SourceName
    passed_over: tuple[str, ...]
    is_settled: bool
    content: Content
