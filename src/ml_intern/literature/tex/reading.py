"""Turn an e-print into a paper's content, or say why it is not good enough."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from pydantic import BaseModel, ValidationError

from ml_intern.literature.clean import letters
from ml_intern.literature.document import Block, Content, Refusal, Section
from ml_intern.literature.tex.archive import Files, unpack
from ml_intern.literature.tex.bibliography import Bibliography, read_bibliography
from ml_intern.literature.tex.builder import Builder, commands_before
from ml_intern.literature.tex.macros import Expander, TexError
from ml_intern.literature.tex.nodes import Node, parse
from ml_intern.literature.tex.words import Words

FEWEST_SECTIONS = 3
ALIKE = 0.8
"""How similar (0 to 1) the titles of source and catalogue must be."""
FEW_BROKEN = 5
MOST_BROKEN = 0.25
"""Share of blocks with a command nobody told us of; its text is kept, so that it is worse for looks than for facts."""
NOTE = (
    "This was read from the authors' LaTeX without typesetting it: numbers of sections, equations, tables and figures"
    " are counted as the standard classes count them."
)


class _ListedFile(BaseModel):
    filename: str = ""
    usage: str = ""


class _Listing(BaseModel):
    """What arXiv's `00README.json` says of the files."""

    sources: list[_ListedFile] = []


_BEGIN = r"\begin{document}"
_REFERENCES = frozenset({"references", "bibliography"})


def read_tex(body: bytes, title: str) -> Content | Refusal:
    """Read the e-print of the paper called `title`."""
    files = unpack(body)
    if isinstance(files, Refusal):
        return files
    main = main_file(files)
    if main is None:
        return Refusal(reason="the source has no LaTeX document")
    try:
        return _read(files, main, title)
    except (TexError, RecursionError) as error:
        return Refusal(reason=f"the source cannot be resolved: {error}")


def main_file(files: Files) -> str | None:
    """Give the path of the document: the one that arXiv's own list names, else the one that no other reads in."""
    heads = [path for path, text in files.items() if _is_document(path, text)]
    named = _named(files)
    if named in heads:
        return named
    inputs = {
        name.removesuffix(".tex")
        for text in files.values()
        for name in re.findall(r"\\(?:input|include|subfile)\s*\{\s*(?:\./)?([^}\s]+)", text)
    }
    roots = [path for path in heads if path.removesuffix(".tex") not in inputs] or heads
    return max(roots, key=lambda path: (_usual(path), _weight(files, path)), default=None)


def _is_document(path: str, text: str) -> bool:
    if not path.lower().endswith((".tex", ".ltx", ".latex")):
        return False
    plain = re.sub(r"(?<!\\)%.*", "", text)
    return _BEGIN in plain and re.search(r"\\document(?:class|style)", plain) is not None


def _named(files: Files) -> str | None:
    """Read which file is the top one; source: info.arxiv.org/help/00README."""
    for path, text in files.items():
        if path.lower() == "00readme.json":
            return _top_level(text)
        if path.lower() == "00readme.xxx":
            match = re.search(r"^(\S+)\s+toplevelfile", text, re.MULTILINE)
            return match[1] if match else None
    return None


def _top_level(text: str) -> str | None:
    try:
        listed = _Listing.model_validate_json(text)
    except ValidationError:
        return None
    return next((source.filename for source in listed.sources if source.usage == "toplevel"), None)


def _usual(path: str) -> bool:
    return re.search(r"(?:^|/)(?:main|ms|paper|arxiv\w*)\.tex$", path, re.IGNORECASE) is not None


def _weight(files: Files, path: str) -> int:
    """Give the length of a document with the files that it reads in."""
    named = re.findall(r"\\(?:input|include|subfile)\s*\{\s*(?:\./)?([^}\s]+)", files[path])
    return len(files[path]) + sum(len(files.get(name, files.get(f"{name}.tex", ""))) for name in named)


def _read(files: Files, main: str, title: str) -> Content | Refusal:
    tree = parse(Expander(files=files, main=main).expand())
    place = next((n for n, node in enumerate(tree) if node.kind == "environment" and node.text == "document"), None)
    if place is None:
        return Refusal(reason="the source has no text")
    document = tree[place]
    bibliography = _bibliography(document)
    builder = Builder(words=Words(cite=bibliography.cite))
    builder.has_chapters = any(node.text == r"\chapter" for node in _walk(document))
    commands_before(tree[:place], builder)
    builder.flow(document.children)
    sections = builder.finished()
    references = tuple(Block(kind="reference", text=builder.numbers.resolved(text)) for text in bibliography.entries)
    if not _is_titled(builder.titles, sections, title):
        return Refusal(reason="the source has the title of another paper")
    return _judged(sections, references, builder)


def _bibliography(document: Node) -> Bibliography:
    """Read all lists of references as one."""
    found = Bibliography()
    for node in _walk(document):
        if node.kind == "environment" and node.name == "thebibliography":
            more = read_bibliography(node)
            found.entries += more.entries
            found.names |= more.names
    return found


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _is_titled(titles: Sequence[str], sections: Sequence[Section], title: str) -> bool:
    """Whether a title that the source gives, or its beginning, is the paper's."""
    known = letters(title)
    if any(
        known in letters(t) or SequenceMatcher(None, letters(t), known, autojunk=False).ratio() >= ALIKE for t in titles
    ):
        return True
    return known in letters(" ".join(block.text for block in sections[0].blocks))


def _judged(sections: Sequence[Section], references: tuple[Block, ...], builder: Builder) -> Content | Refusal:
    kept = tuple(
        s for s in sections if s.blocks or (s.title and not (references and s.title.casefold() in _REFERENCES))
    )
    count = sum(bool(section.title) and section.title != "Abstract" for section in kept)
    if count < FEWEST_SECTIONS:
        return Refusal(reason=f"the source has only {count} sections")
    blocks = sum(len(section.blocks) for section in kept)
    if builder.broken > max(FEW_BROKEN, MOST_BROKEN * blocks):
        return Refusal(reason=f"{builder.broken} of {blocks} paragraphs have a command that is not known")
    return Content(sections=kept, references=references, notes=(NOTE, *_warnings(builder, blocks)))


def _warnings(builder: Builder, blocks: int) -> Iterator[str]:
    unknown: Mapping[str, int] = builder.words.unknown
    if unknown:
        most = sorted(unknown, key=lambda name: -unknown[name])[:5]
        named = ", ".join(f"\\{name}" for name in most)
        yield f"{builder.broken} of {blocks} paragraphs have a command that is not known ({named}); its text was kept."
