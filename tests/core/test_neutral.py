"""What comes from models, data and sandboxes cannot act on the terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_intern.core.neutral import neutral, one_line


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        pytest.param("\x1b[31mred\x1b[0m", "red", id="colour"),
        pytest.param("a\x1b[2J\x1b[1;1Hb", "ab", id="clear and move"),
        pytest.param("\x1b]0;owned\x07title", "title", id="window title"),
        pytest.param("\x1b]52;c;cm0gLXJm\x1b\\copied", "copied", id="clipboard"),
        pytest.param("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link", id="link"),
        pytest.param("\x9b31mred", "red", id="eight-bit CSI"),
        pytest.param("\x1bPq#0\x1b\\sixel", "sixel", id="device control"),
        pytest.param("\x1bcreset", "reset", id="full reset"),
        pytest.param("over\rwritten", "over\\x0dwritten", id="carriage return"),
        pytest.param("a\bb\x7f", "a\\x08b\\x7f", id="backspace and delete"),
        pytest.param("\x1b[", "\\x1b[", id="cut sequence"),
        pytest.param("\x1b\x1b[31m[31m", "\\x1b[31m", id="a sequence inside a sequence"),
        pytest.param("pay \u202eecila\u202c", "pay \\u202eecila\\u202c", id="right-to-left override"),
        pytest.param("\u2066x\u2069\u200f\u061c", "\\u2066x\\u2069\\u200f\\u061c", id="isolates and marks"),
        pytest.param("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff", id="zero width"),
        pytest.param("tag\U000e0041", "tag\\U000e0041", id="invisible tags"),
        pytest.param("line\u2028paragraph\u2029", "line\\u2028paragraph\\u2029", id="other line ends"),
        pytest.param("lone \ud800", "lone \\ud800", id="surrogate"),
        pytest.param("windows\r\nline", "windows\nline", id="windows line end"),
    ],
)
def test_acting_and_hiding_characters_vanish_or_show_as_escapes(hostile: str, shown: str) -> None:
    assert neutral(hostile) == shown


@pytest.mark.parametrize("text", ["plain", "tab\tand\nline", "größer → 数据", "family 👩‍👩‍👧", "می\u200cروم"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert neutral(text) == text


@given(st.text())
def test_nothing_that_acts_survives_whatever_the_text(text: str) -> None:
    shown = neutral(text)

    assert {c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} <= set("\n\t\u200c\u200d")


@given(st.text(), st.integers(0, 50))
def test_a_text_cut_anywhere_is_as_harmless_as_the_whole(text: str, cut: int) -> None:
    shown = neutral(text[:cut]) + neutral(text[cut:])

    assert "\x1b" not in shown
    assert "\x9b" not in shown


def test_one_line_flattens_and_shows_the_cut() -> None:
    assert one_line("a\n  b\tc", 10) == "a b c"
    assert one_line("x" * 20, 10) == "x" * 9 + "…"
    assert one_line(" " * 100 + "hidden", 10).endswith("…")
