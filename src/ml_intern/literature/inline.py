"""Turn the running text of a LaTeXML page into Markdown, formulas as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ml_intern.literature.clean import clean
from ml_intern.literature.markup import Element

SILENT_TAGS = frozenset({"script", "style", "button", "svg", "nav", "template"})
SILENT_CLASSES = frozenset({
    "ltx_page_navbar", "ltx_page_header", "ltx_page_footer", "ltx_pagination", "ltx_dates", "ltx_rule",
    "ltx_note_mark", "ltx_tag_note", "package-alerts",
})  # fmt: skip
_APART = frozenset({"td", "th", "tr", "br", "li", "p", "div"})
"""What does not run on from the text before it."""

_HIDDEN = re.compile(r"\b(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d]))", re.IGNORECASE)
"""A style of what no reader of the page sees: it is not for us either."""


def is_silent(element: Element) -> bool:
    """Whether nothing in `element` belongs to the paper's text."""
    hidden = "hidden" in element.attributes or _HIDDEN.search(element.attributes.get("style", "")) is not None
    return hidden or element.tag in SILENT_TAGS or bool(element.classes & SILENT_CLASSES)


def inline(element: Element, *, skip: Callable[[Element], bool] = is_silent) -> str:
    """Give the text of `element` on one line: formulas in `$`, footnotes in brackets, and nothing that `skip` names."""
    return clean(" ".join("".join(_pieces(element, skip)).split()))


def latex(math: Element) -> str:
    """Give the LaTeX of a formula: its `alttext`, else its annotation, else its characters."""
    source = math.attributes.get("alttext", "").strip() or _annotation(math) or math.text()
    source = re.sub(r"(?<!\\)%\s*\n", "", source)  # LaTeXML keeps the comment sign of wrapped lines
    source = re.sub(r"(\\begin\{\w+\*?\})\[\]", r"\1", source)  # and writes an option that was not given
    return clean(" ".join(source.replace(r"\displaystyle", "").split()))


def _annotation(math: Element) -> str:
    found = (e.text() for e in math.walk() if e.tag == "annotation" and "tex" in e.attributes.get("encoding", ""))
    return next(found, "")


def _pieces(element: Element, skip: Callable[[Element], bool]) -> Iterator[str]:
    for child in element.children:
        if isinstance(child, str):
            yield child
        elif not skip(child):
            yield from _styled(child, skip)


def _styled(element: Element, skip: Callable[[Element], bool]) -> Iterator[str]:
    classes = element.classes
    if element.tag == "math":
        yield f"${formula}$" if (formula := latex(element)) else ""
    elif "ltx_ERROR" in classes:
        yield f" [not converted: {element.text()}] "
    elif "ltx_note" in classes:
        yield f" [note: {note}]" if (note := _note(element, skip)) else ""
    elif element.tag in _APART:
        yield " "
        yield from _pieces(element, skip)
        yield " "
    else:
        yield from _pieces(element, skip)


def _note(element: Element, skip: Callable[[Element], bool]) -> str:
    content = next((e for e in element.walk() if "ltx_note_content" in e.classes), element)
    if "ltx_role_footnotemark" in element.classes:  # the note itself stands elsewhere
        return ""
    # the mark stands a second time before the text
    return re.sub(r"^\d{1,3}(?=\D)\s*", "", inline(content, skip=lambda e: e.tag == "sup" or skip(e)))
