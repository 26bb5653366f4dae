"""Read arXiv's HTML of a paper (made by LaTeXML) into sections, equations, tables and references."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

from ml_intern.literature.clean import clean, letters
from ml_intern.literature.document import Block, BlockKind, Content, Refusal, Section
from ml_intern.literature.inline import inline, is_silent, latex
from ml_intern.literature.markup import Element, MarkupError, Node, parse_html
from ml_intern.literature.tables import cells, is_table, markdown

FEWEST_SECTIONS = 3
ALIKE = 0.8
"""How similar (0 to 1) the titles of page and catalogue must be."""
MOST_ERRORS = 0.05
"""Share of blocks with a macro that LaTeXML could not convert. A quarter of the pages has some (arXiv 2605.16562);
each is marked in the text, and what is left is still better than the text of a PDF."""
_LEVELS = {
    "ltx_title_part": 1, "ltx_title_chapter": 1, "ltx_title_section": 1, "ltx_title_appendix": 1,
    "ltx_title_abstract": 1, "ltx_title_acknowledgements": 1, "ltx_title_bibliography": 1, "ltx_title_index": 1,
    "ltx_title_subsection": 2, "ltx_title_subsubsection": 3,
}  # fmt: skip
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_EQUATIONS = frozenset({"ltx_equation", "ltx_equationgroup", "ltx_eqn_table"})
_BLOCK_CLASSES = _EQUATIONS | {"ltx_tabular", "ltx_caption", "ltx_listing", "ltx_item", "ltx_bibitem", "ltx_p"}
_BLOCK_TAGS = _HEADINGS | {
    "article", "section", "div", "p", "figure", "figcaption", "table", "ul", "ol", "li", "dl", "dt", "dd", "pre",
    "blockquote",
}  # fmt: skip
_REFERENCES = frozenset({"references", "bibliography"})
_PICTURES = frozenset({"img", "svg", "object"})


_Item: TypeAlias = Section | Block


def read_html(body: bytes, title: str) -> Content | Refusal:
    """Read a page, or say why it is not good enough to stand for the paper called `title`."""
    try:
        page = parse_html(body)
    except MarkupError as error:
        return Refusal(reason=f"the page cannot be parsed: {error}")
    article = next((e for e in page.walk() if e.tag == "article" and "ltx_document" in e.classes), None)
    if article is None:
        return Refusal(reason="the page holds no converted paper")
    if not _is_titled(article, title):
        return Refusal(reason="the page has the title of another paper")
    return _judge(_fold(_items(article)))


def _is_titled(article: Element, title: str) -> bool:
    heading = next((e for e in article.walk() if "ltx_title_document" in e.classes), None)
    if heading is None:
        return False
    shown, known = map(letters, (inline(heading), title))
    return known in shown or SequenceMatcher(None, shown, known, autojunk=False).ratio() >= ALIKE


def _judge(content: Content) -> Content | Refusal:
    count = sum(bool(section.title) and section.title != "Abstract" for section in content.sections)
    if count < FEWEST_SECTIONS:
        return Refusal(reason=f"the page has only {count} sections")
    blocks = [block.text for section in content.sections for block in section.blocks]
    broken = sum("[not converted:" in text for text in blocks)
    if broken > MOST_ERRORS * len(blocks):
        return Refusal(reason=f"the conversion failed in {broken} of {len(blocks)} paragraphs")
    if broken:
        return replace(content, notes=(f"{broken} of {len(blocks)} paragraphs have a macro that was not converted.",))
    return content


def _fold(items: Iterable[_Item]) -> Content:
    sections = [Section(number="", title="", level=1, blocks=())]
    references: list[Block] = []
    blocks: list[Block] = []
    for item in items:
        match item:
            case Section():
                sections[-1] = replace(sections[-1], blocks=tuple(blocks))
                sections.append(item)
                blocks = []
            case Block(kind="reference"):
                references.append(item)
            case Block():
                blocks.append(item)
    sections[-1] = replace(sections[-1], blocks=tuple(blocks))
    # the entries stand apart, which leaves their heading empty
    kept = (s for s in sections if s.blocks or not (references and s.title.casefold() in _REFERENCES))
    return Content(sections=tuple(kept), references=tuple(references))


def _items(element: Element) -> Iterator[_Item]:
    """Give what stands in `element`, in order; whatever is not known is still text and never dropped."""
    if is_silent(element) or "ltx_title_document" in element.classes:
        return
    if element.tag in _HEADINGS and "ltx_title" in element.classes:
        yield from _heading(element)
    elif element.classes & _EQUATIONS:
        yield from _equations(element)
    elif "ltx_bibitem" in element.classes:
        yield Block(kind="reference", text=inline(element))
    elif "ltx_item" in element.classes:
        yield from _list_item(element)
    elif kind := _leaf(element):
        yield from _table(element) if kind == "table" else _block(kind, _LEAVES[kind](element))
    else:
        yield from _figure(element)
        yield from _flow(element.children)


def _figure(element: Element) -> Iterator[Block]:
    if element.tag == "figure" and "ltx_figure" in element.classes and any(e.tag in _PICTURES for e in element.walk()):
        yield Block(kind="figure", text="")


def _leaf(element: Element) -> Literal["table", "caption", "code", ""]:
    """Name the kind of a block that is made by one function of the whole element."""
    if is_table(element):
        return "table"
    if "ltx_caption" in element.classes:
        return "caption"
    return "code" if "ltx_listing" in element.classes or element.tag == "pre" else ""


def _flow(children: Iterable[Node]) -> Iterator[_Item]:
    """Make a paragraph of each run of text between blocks, wherever it stands."""
    run: list[Node] = []
    for child in children:
        if isinstance(child, Element) and _is_block(child):
            yield from _paragraph(run)
            yield from _items(child)
            run = []
        else:
            run.append(child)
    yield from _paragraph(run)


def _is_block(element: Element) -> bool:
    """Whether `element` is, or holds, something that no line of text can hold."""
    if element.tag == "math" or "ltx_note" in element.classes:
        return False
    return (
        element.tag in _BLOCK_TAGS
        or bool(element.classes & _BLOCK_CLASSES)
        or any(_is_block(child) for child in element.elements)
    )


def _paragraph(run: Iterable[Node]) -> Iterator[Block]:
    yield from _block("paragraph", inline(Element(tag="span", attributes={}, children=tuple(run))))


def _block(kind: BlockKind, text: str) -> Iterator[Block]:
    if text:
        yield Block(kind=kind, text=text)


def _table(element: Element) -> Iterator[Block]:
    if rows := cells(element):
        yield Block(kind="table", text=markdown(rows), rows=rows)


def _heading(element: Element) -> Iterator[_Item]:
    tag = next((e for e in element.walk() if "ltx_tag" in e.classes), None)
    number = re.sub(r"^(?:appendix|section|chapter|part|§)\s*", "", inline(tag), flags=re.IGNORECASE) if tag else ""
    title = inline(element, skip=lambda e: is_silent(e) or e is tag).strip()
    level = next((level for name, level in _LEVELS.items() if name in element.classes), None)
    if level is None:  # run-in headings of paragraphs and theorems
        yield from _block("paragraph", f"**{f'{number} {title}'.strip()}**")
    else:
        yield Section(number=number.rstrip(" .:"), title=title, level=level, blocks=())


def _equations(element: Element) -> Iterator[Block]:
    rows = [e for e in element.walk() if e.tag == "tr"] or [element]
    for row in rows:
        tag = next((e for e in row.walk() if "ltx_tag" in e.classes), None)
        formula = " ".join(latex(e) for e in row.walk() if e.tag == "math").strip()
        if formula:
            yield Block(kind="equation", text=f"$${formula}$$ {inline(tag) if tag else ''}".strip())
        yield from _block("paragraph", inline(row, skip=_is_formula))


def _is_formula(element: Element) -> bool:
    return is_silent(element) or element.tag == "math" or "ltx_tag" in element.classes


def _list_item(element: Element) -> Iterator[_Item]:
    tag = next((e for e in element.elements if "ltx_tag" in e.classes), None)
    mark = inline(tag) if tag else ""
    mark = f"{mark} " if any(c.isalnum() for c in mark) else "- "
    items = list(_flow(child for child in element.children if child is not tag))
    match items:
        case [Block(kind="paragraph", text=text), *rest]:
            yield Block(kind="item", text=mark + text)
            yield from rest
        case _:
            yield from _block("item", mark.strip(" -"))
            yield from items


def _listing(element: Element) -> str:
    lines = [e.text() for e in element.walk() if "ltx_listingline" in e.classes]
    lines = lines or [clean(line.rstrip()) for line in element.raw().strip("\n").split("\n")]
    return "\n".join(["```", *lines, "```"]) if any(lines) else ""


_LEAVES = {"caption": inline, "code": _listing}
