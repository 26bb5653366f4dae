"""Parse XML and HTML from strangers into a small tree of values; the one module that knows lxml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import lxml.etree  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs] - it has no types

etree: Any = lxml.etree  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
MAX_DEPTH = 200
"""Elements inside each other; LaTeXML's pages stay below 60. Keeps recursion over the tree within Python's limit."""


class MarkupError(ValueError):
    """What was given is not markup that can be trusted to be whole; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Element:
    """A node: its tag without name space, its attributes, and text and elements in order. Equal only to itself."""

    tag: str
    attributes: Mapping[str, str]
    children: tuple[Node, ...]

    @property
    def classes(self) -> frozenset[str]:
        """The words of its `class`."""
        return frozenset(self.attributes.get("class", "").split())

    @property
    def elements(self) -> Iterator[Element]:
        """Its child elements, in order."""
        return (child for child in self.children if isinstance(child, Element))

    def walk(self) -> Iterator[Element]:
        """Give itself and everything below, in document order."""
        yield self
        for child in self.elements:
            yield from child.walk()

    def text(self) -> str:
        """Give all text below, with white space squeezed."""
        return " ".join(self.raw().split())

    def raw(self) -> str:
        """Give all text below as it is."""
        return "".join(self._strings())

    def _strings(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._strings()


Node: TypeAlias = Element | str


def parse_xml(body: bytes) -> Element:
    """Parse XML in UTF-8. Declared entities are refused and nothing is ever loaded.

    Raises:
        MarkupError: not well-formed, not UTF-8, too deep, or with a document type (the door of entity bombs).
    """
    text = _decode(body)
    if "<!DOCTYPE" in text.upper():
        raise MarkupError("it declares a document type, which a feed has no reason to")
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    return _tree(text, parser)


def parse_html(body: bytes) -> Element:
    """Parse HTML in UTF-8 as browsers do.

    Raises:
        MarkupError: empty, not UTF-8, or too deep.
    """
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    # libxml2 drops everything after an element deeper than 256, which `MAX_DEPTH` refuses before
    return _tree(_decode(body), parser)


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MarkupError(f"it is not UTF-8 (byte {error.start})") from error


def _tree(text: str, parser: Any) -> Element:
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise MarkupError(f"it is not well-formed: {error.msg}") from error
    if root is None:
        raise MarkupError("it is empty")
    return _element(root, 0)


def _element(raw: Any, depth: int) -> Element:
    if depth > MAX_DEPTH:
        raise MarkupError("its elements are nested too deeply")
    children: list[Node] = [raw.text] if raw.text else []
    for child in raw:
        if isinstance(child.tag, str):  # entities, comments and instructions have a function there
            children.append(_element(child, depth + 1))
        if child.tail:
            children.append(str(child.tail))
    attributes = {str(name): str(value) for name, value in raw.attrib.items()}
    return Element(tag=str(raw.tag).rpartition("}")[2].lower(), attributes=attributes, children=tuple(children))
