"""Turn the bytes of a PDF into content: by the layout of its pages where that holds, else as plain text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import pypdfium2  # type: ignore[import-untyped]

from ml_intern.literature import plain_text
from ml_intern.literature.clean import clean
from ml_intern.literature.document import Block, BlockKind, Content, Section
from ml_intern.literature.layout import recognition
from ml_intern.literature.layout.extraction import read_page
from ml_intern.literature.layout.flow import Item
from ml_intern.literature.layout.fonts import is_math
from ml_intern.literature.layout.marks import APPENDIX, ITEM, NUMBERED, NUMBERED_LOW, REFERENCES, ROMAN
from ml_intern.literature.layout.page import RawPage
from ml_intern.literature.layout.reading import Paper, read_pages
from ml_intern.literature.layout.second_reader import formulas

MAX_PAGES = 1_500
MAX_CHARACTERS = 12_000_000
MOST_RECOGNISED = 60
"""Pages whose pictures are read; each takes ten seconds of a processor."""
CONSERVED = 0.93
"""Share of the words of the plain text that the layout must give back; labels in figures are rightly left out."""
NOTE = (
    "This was read from the places of words in a PDF. Equations on lines of their own are LaTeX; some within the text"
    " show raised and lowered signs as ^{} and _{}, and may be garbled. Cells of tables may stand in the wrong"
    " column. Check a number against its context before you rely on it."
)


class UnreadableError(Exception):
    """The file gives no text; the message says why in one line."""


def read_content(pdf: bytes) -> Content:
    """Read a file.

    Raises:
        UnreadableError: damaged, encrypted, too long, or without a text layer.
    """
    pages, recognised = _pages(pdf)
    texts = [page.text for page in pages]
    letters = sum(sum(map(str.isalpha, text)) for text in texts)
    pictures = sum(map(recognition.is_picture, pages))
    if letters < recognition.FEWEST_LETTERS * len(pages):
        raise UnreadableError(_without_text(pictures, len(pages)))
    paper = read_pages(pages, formulas(pdf, [number for number, page in enumerate(pages, 1) if _has_formulas(page)]))
    share = _conserved(texts, paper)
    if share < CONSERVED:
        return plain_text.content_of(texts, why=f"the layout gave back only {share:.0%} of the words")
    return content_of(paper, tuple(_notes(texts, pictures, recognised)))


def _notes(texts: Sequence[str], pictures: int, recognised: int) -> Iterator[str]:
    yield NOTE
    yield from plain_text.garbled(texts)
    if recognised:
        yield f"The text of {recognised} pages was read from pictures; signs that look alike may be confused."
    if pictures:
        yield f"{pictures} pages have no text that can be read."


def _without_text(pictures: int, pages: int) -> str:
    problem = f"the PDF has no text layer ({pictures} of its {pages} pages are pictures)"
    if recognition.is_available():
        return f"{problem}, and nothing was recognised on them"
    return f"{problem}; install the extra open-ml-intern[ocr] to read pictures of pages"


def _pages(pdf: bytes) -> tuple[list[RawPage], int]:
    """Give the pages, and how many of them were read from their pictures."""
    try:
        document = pypdfium2.PdfDocument(pdf)
    except pypdfium2.PdfiumError as error:
        # the library finds no error in a file without pages, and says so
        why = "it has no page" if "Success" in str(error) else f"it is damaged or encrypted ({error})"
        raise UnreadableError(why) from error
    if len(document) > MAX_PAGES:
        raise UnreadableError(f"it has {len(document)} pages; at most {MAX_PAGES} are read")
    pages: list[RawPage] = []
    room = MAX_CHARACTERS
    can_recognise, recognised = recognition.is_available(), 0
    for number in range(len(document)):
        try:
            page = document[number]
        except pypdfium2.PdfiumError as error:
            raise UnreadableError(f"its page {number + 1} cannot be opened ({error})") from error
        pages.append(read_page(page))
        if can_recognise and recognised < MOST_RECOGNISED and recognition.is_picture(pages[-1]):
            pages[-1] = recognition.recognised(page, pages[-1], recognition.rapid())
            recognised += 1
        page.close()
        room -= len(pages[-1].text)
        if room < 0:
            raise UnreadableError(f"it has more than {MAX_CHARACTERS} characters of text")
    return pages, recognised


def _has_formulas(page: RawPage) -> bool:
    """Whether something is set in a font for formulas; the second reader need not see other pages."""
    return any(is_math(run.font) for word in page.words for run in word)


def _conserved(texts: Iterable[str], paper: Paper) -> float:
    """Give the share of words of four letters and more, counted as often as they stand, that are in the result."""
    given = Counter(word for item in (*paper.items, *paper.footnotes) for word in _long_words(item.text))
    there = Counter(word for text in texts for word in _long_words(re.sub(r"[\ufffe\x02]\r?\n?|-\r?\n", "", text)))
    total = sum(there.values())
    return 1.0 if not total else sum(min(count, given[word]) for word, count in there.items()) / total


def _long_words(text: str) -> list[str]:
    return re.findall(r"[a-z]{4,}", text.lower())


def content_of(paper: Paper, notes: tuple[str, ...] = ()) -> Content:
    """Divide what was read into sections, and set the references apart."""
    sections: list[Section] = []
    references: list[Block] = []
    here = Section(number="", title="", level=1, blocks=())
    blocks: list[Block] = []
    for item in paper.items:
        if item.kind == "heading" and item.level > 0:
            sections.append(_closed(here, blocks))
            here, blocks = _opened(item), []
        elif here.title.casefold() in REFERENCES and item.kind == "paragraph":
            references.append(_block(item, kind="reference"))
        else:
            blocks.append(_block(item))
    sections.append(_closed(here, blocks))
    if paper.footnotes:
        notes_below = tuple(_block(item, kind="footnote") for item in paper.footnotes)
        sections.append(Section(number="", title="Footnotes", level=1, blocks=notes_below))
    kept = (s for s in sections if s.blocks or (s.title and s.title.casefold() not in REFERENCES))
    return Content(sections=tuple(kept), references=tuple(references), notes=notes)


def _opened(item: Item) -> Section:
    text = clean(item.text)
    for form in (APPENDIX, NUMBERED, NUMBERED_LOW, ROMAN):
        if match := form.match(text):
            title = text[match.end() :].strip(" .:")
            return Section(number=match["number"], title=title or text, level=item.level, blocks=())
    return Section(number="", title=text.strip(" ."), level=item.level, blocks=())


def _closed(section: Section, blocks: Sequence[Block]) -> Section:
    return Section(number=section.number, title=section.title, level=section.level, blocks=tuple(blocks))


def _block(item: Item, kind: BlockKind | None = None) -> Block:
    match item.kind:
        case "equation":
            text = item.text if "$" in item.text else f"$${item.text}$$"
            return Block(kind="equation", text=clean(text), page=item.page, box=item.box)
        case "heading":  # the title of the paper
            return Block(kind="paragraph", text=clean(item.text), page=item.page, box=item.box)
        case "paragraph" if ITEM.match(item.text):
            return Block(kind=kind or "item", text=clean(item.text), page=item.page, box=item.box)
        case other:
            return Block(kind=kind or other, text=clean(item.text), page=item.page, rows=item.rows, box=item.box)
