from __future__ import annotations

import pytest

from ml_intern.literature.clean import clean
from ml_intern.literature.markup import MAX_DEPTH, MarkupError, parse_html, parse_xml

LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;&l;&l;&l;&l;&l;&l;">
<!ENTITY n "&m;&m;&m;&m;&m;&m;&m;&m;">]><a b="&n;">&n;</a>"""
FILE = b"""<!doctype a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>"""


@pytest.mark.parametrize("bomb", [LAUGHS, FILE, LAUGHS.decode().encode("utf-16")])
def test_declared_entities_are_refused_before_anything_is_expanded(bomb: bytes) -> None:
    with pytest.raises(MarkupError):
        parse_xml(bomb)


@pytest.mark.parametrize("body", [b"", b"<a>", b"\xff\xfe", b"<a>" * 400 + b"</a>" * 400])
def test_xml_that_is_not_whole_is_refused(body: bytes) -> None:
    with pytest.raises(MarkupError):
        parse_xml(body)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 10, 300, 5000])
def test_html_that_is_too_deep_is_refused_and_not_cut(depth: int) -> None:
    with pytest.raises(MarkupError, match="nested too deeply"):
        parse_html(b"<em>" * depth + b"x" + b"</em>" * depth)


def test_a_tree_keeps_text_and_elements_in_order() -> None:
    root = parse_html(b'<p class="a b">one <b>two</b> three<!-- no --></p>')
    paragraph = next(element for element in root.walk() if element.tag == "p")

    assert paragraph.classes == {"a", "b"}
    assert [child if isinstance(child, str) else child.tag for child in paragraph.children] == ["one ", "b", " three"]
    assert root.text() == "one two three"


def test_invisible_characters_are_dropped_and_visible_ones_stay() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")

    assert clean(f"a\u200b{hidden}\u202eb\x00\n\té 漢 \U0001d538 \ufffd") == "ab\n\té 漢 \U0001d538 \ufffd"
