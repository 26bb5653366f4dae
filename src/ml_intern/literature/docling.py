"""Read a PDF with docling, where the person named a folder that holds its models; nothing is ever downloaded.

docling runs as a command of its own, so that what it brings with it (torch) is never loaded here.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import TypeAlias

from pydantic import BaseModel, Field, ValidationError

from ml_intern.core.errors import ConfigError
from ml_intern.literature.clean import clean
from ml_intern.literature.document import Block, BlockKind, Content, Refusal, Section
from ml_intern.literature.layout.marks import APPENDIX, NUMBERED, NUMBERED_LOW, REFERENCES, ROMAN
from ml_intern.literature.tables import markdown

Converter: TypeAlias = Callable[[Path, Path], str | None]
"""Reads the first file into a file of JSON in the second, a folder; gives what went wrong, None if nothing did."""
TIMEOUT = 1_800.0
"""Seconds for one file; docling takes one or two for a page."""
_KINDS: dict[str, BlockKind] = {
    "caption": "caption", "footnote": "footnote", "formula": "equation", "list_item": "item", "code": "code",
}  # fmt: skip
NOTE = "This was read by docling. Check a number against its context before you rely on it."


class _Ref(BaseModel):
    ref: str = Field(alias="$ref")


class _Place(BaseModel):
    page_no: int


class _Cell(BaseModel):
    text: str


class _Data(BaseModel):
    grid: list[list[_Cell]] = []


class _Node(BaseModel):
    self_ref: str
    label: str = ""
    content_layer: str = "body"
    text: str = ""
    level: int = 1
    children: list[_Ref] = []
    prov: list[_Place] = []
    data: _Data | None = None


class _Document(BaseModel):
    """What is used of docling's JSON (docling-core 2.104, schema 1.10)."""

    body: _Node
    texts: list[_Node] = []
    tables: list[_Node] = []
    pictures: list[_Node] = []
    groups: list[_Node] = []


def converter(models: Path) -> Converter:
    """Give docling's command with the models in `models`.

    Raises:
        ConfigError: docling is not installed, or the folder has no models.
    """
    command = which("docling") or which("docling", path=str(Path(sys.executable).parent))
    if command is None:
        raise ConfigError(
            "ML_INTERN_DOCLING is set, but the extra is not installed: pip install 'open-ml-intern[docling]'"
        )
    if not models.is_dir() or not any(models.iterdir()):
        raise ConfigError(
            f"ML_INTERN_DOCLING is {models}, which holds no models;"
            f" `docling-tools models download -o {models}` fetches them"
        )

    def convert(pdf: Path, folder: Path) -> str | None:
        asked = [
            command,
            str(pdf),
            "--to",
            "json",
            "--output",
            str(folder),
            "--artifacts-path",
            str(models),
            "--no-ocr",
        ]
        try:
            done = subprocess.run(asked, capture_output=True, timeout=TIMEOUT, check=False, env={"HF_HUB_OFFLINE": "1"})
        except subprocess.TimeoutExpired:
            return f"it took more than {TIMEOUT:.0f} s"
        return None if done.returncode == 0 else done.stderr.decode(errors="replace").strip()[-300:]

    return convert


def read_docling(pdf: bytes, convert: Converter) -> Content | Refusal:
    """Read a file, or say why docling gave nothing for it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "paper.pdf"
        file.write_bytes(pdf)
        problem = convert(file, Path(folder))
        answer = Path(folder) / "paper.json"
        if problem is not None or not answer.exists():
            return Refusal(reason=f"docling gave nothing: {problem or 'no file'}", lasting=False)
        try:
            return _content(_Document.model_validate_json(answer.read_bytes()))
        except ValidationError as error:
            return Refusal(reason=f"docling's answer is not understood: {error.errors()[0]['msg']}", lasting=False)


def _content(document: _Document) -> Content:
    sections = [Section(number="", title="", level=1, blocks=())]
    references: list[Block] = []
    for node in _walked(document):
        if node.label == "section_header":
            sections.append(_opened(node))
        elif (block := _block(node)) is not None:
            if sections[-1].title.casefold() in REFERENCES and block.kind in {"paragraph", "item"}:
                references.append(Block(kind="reference", text=block.text, page=block.page))
            else:
                sections[-1] = replace(sections[-1], blocks=(*sections[-1].blocks, block))
    kept = tuple(s for s in sections if s.blocks or (s.title and s.title.casefold() not in REFERENCES))
    return Content(sections=kept, references=tuple(references), notes=(NOTE,))


def _walked(document: _Document) -> Iterator[_Node]:
    """Give the nodes of the body in their order; running heads are no part of it."""
    known = {n.self_ref: n for n in (*document.texts, *document.tables, *document.pictures, *document.groups)}
    waiting = [document.body]
    while waiting:
        node = waiting.pop()
        if node.content_layer == "body":
            yield node
            waiting += [known[child.ref] for child in reversed(node.children) if child.ref in known]


def _opened(node: _Node) -> Section:
    text = clean(node.text)
    for form in (APPENDIX, NUMBERED, NUMBERED_LOW, ROMAN):
        if match := form.match(text):
            number, title = match["number"], text[match.end() :].strip(" .:")
            return Section(number=number, title=title or text, level=1 + number.count("."), blocks=())
    return Section(number="", title=text, level=node.level, blocks=())


def _block(node: _Node) -> Block | None:
    page = node.prov[0].page_no if node.prov else None
    if node.data is not None and node.data.grid:
        rows = tuple(tuple(clean(cell.text) for cell in row) for row in node.data.grid)
        return Block(kind="table", text=markdown(rows), page=page, rows=rows)
    if node.label == "picture":
        return Block(kind="figure", text="", page=page)
    if not node.text.strip():
        return None
    kind = _KINDS.get(node.label, "paragraph")
    text = clean(node.text)
    return Block(kind=kind, text=f"$${text}$$" if kind == "equation" else text, page=page)
