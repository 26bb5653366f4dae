"""Cut a document into passages that can be found: within one section, tables with their captions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ml_intern.literature.document import Block, Document, Section
from ml_intern.literature.rendering import anchored

LIMIT = 1_400
"""Characters of a passage; a table may have twice as many, as its rows mean nothing without their head."""
SMALL = 350
"""Characters below which a passage joins the one before it in the same section."""
_BREAK = "\n\n"
"""Between two blocks of a passage."""

PassageKind: TypeAlias = Literal["text", "table"]
OF_TABLE = re.compile(r"^\**(table\s*[A-Z]?\d+)", re.IGNORECASE | re.MULTILINE)
"""How the caption of a table begins, and what it calls it."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z(])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of a paper. `anchor` names its section; `path` are the headings above, outermost first."""

    anchor: str
    path: tuple[str, ...]
    kind: PassageKind
    text: str
    page: int | None = None


def passages(document: Document) -> tuple[Passage, ...]:
    """Give the passages in order; the references are left out."""
    found: list[Passage] = []
    path: list[Section] = []
    sections = anchored(document)
    for anchor, section in sections[:-1] if document.content.references else sections:
        path = [*(outer for outer in path if outer.level < section.level), section]
        names = tuple(f"{outer.number} {outer.title}".strip() for outer in path)
        found += _merged([replace(p, anchor=anchor, path=names) for p in _cut(section.blocks)])
    return tuple(found)


def _cut(blocks: Sequence[Block]) -> Iterator[Passage]:
    blocks = [block for block in blocks if block.text]
    text: list[Block] = []
    place = 0
    while place < len(blocks):
        group = _table_group(blocks, place)
        if group:
            yield from _packed(text)
            yield from _table(group)
            text = []
        else:
            text.append(blocks[place])
        place += max(len(group), 1)
    yield from _packed(text)


def _table_group(blocks: Sequence[Block], place: int) -> Sequence[Block]:
    """Give a table with the captions before and after it that are its own."""
    end = place
    has_caption = has_table = False
    while end < len(blocks) and end - place < 4:
        block = blocks[end]
        if block.kind == "table":
            has_table = True
        elif block.kind == "caption" and OF_TABLE.match(block.text) and not has_caption:
            has_caption = True
        else:
            break
        end += 1
    return blocks[place:end] if has_table else ()


def _table(group: Sequence[Block]) -> Iterator[Passage]:
    """Keep a table whole, or repeat its caption and head over each part of its rows."""
    page = group[0].page
    lines = "\n".join(block.text for block in group).split("\n")
    if sum(map(len, lines)) <= 2 * LIMIT:
        yield _passage("table", "\n".join(lines), page)
        return
    above = [line for line in lines if not line.startswith("|")]
    rows = [line for line in lines if line.startswith("|")]
    head, part = [*above, *rows[:2]], list[str]()
    for row in rows[2:]:
        part.append(row)
        if sum(map(len, part)) > LIMIT:
            yield _passage("table", "\n".join([*head, *part]), page)
            part = []
    if part:
        yield _passage("table", "\n".join([*head, *part]), page)


def _packed(blocks: Sequence[Block]) -> Iterator[Passage]:
    """Fill passages with whole blocks, and cut a block that is too long between its sentences."""
    held = ""
    page: int | None = None
    for block in blocks:
        for piece in _pieces(block.text):
            joined = f"{held}{_BREAK}{piece}"
            if held and len(joined) > LIMIT:
                yield _passage("text", held, page)
                held = ""
            held, page = (joined, page) if held else (piece, block.page)
    if held:
        yield _passage("text", held, page)


def _pieces(text: str) -> Iterator[str]:
    if len(text) <= LIMIT:
        yield text
        return
    piece = ""
    for sentence in _SENTENCE.split(text):
        for part in (sentence[start : start + LIMIT] for start in range(0, max(len(sentence), 1), LIMIT)):
            joined = f"{piece} {part}" if piece else part
            if piece and len(joined) > LIMIT:
                yield piece
                joined = part
            piece = joined
    if piece:
        yield piece


def _passage(kind: PassageKind, text: str, page: int | None) -> Passage:
    return Passage(anchor="", path=(), kind=kind, text=text, page=page)


def _merged(found: Sequence[Passage]) -> list[Passage]:
    """Join what is too short to be found on its own to the text before it."""
    merged: list[Passage] = []
    for passage in found:
        last = merged[-1] if merged else None
        fits = last is not None and len(last.text) + len(_BREAK) + len(passage.text) <= LIMIT
        if last is not None and fits and len(passage.text) < SMALL and last.kind == passage.kind == "text":
            merged[-1] = replace(last, text=f"{last.text}{_BREAK}{passage.text}")
        else:
            merged.append(passage)
    return merged
