"""The one model of a paper's content that every source fills and every reader reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ml_intern.literature.paper import Paper

BlockKind: TypeAlias = Literal["paragraph", "equation", "table", "caption", "item", "code", "lines"]
"""`lines` is text as it stands on a page, where the source knows no paragraphs."""
SourceName: TypeAlias = Literal["html", "pdf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of text in Markdown that is not torn apart without need; `page` is counted from 1, if there are pages."""

    kind: BlockKind
    text: str
    page: int | None = None


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
    references: tuple[str, ...]
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
