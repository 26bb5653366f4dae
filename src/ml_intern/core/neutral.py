"""Make text from models, data and sandboxes harmless to a terminal and honest to the eye."""

from __future__ import annotations

import json
import re
import unicodedata

_SEQUENCES = re.compile(
    r"""
      (?:\x1b\[|\x9b) [0-?]* [\x20-/]* [@-~]                    # colours, cursor: CSI
    | (?:\x1b\]|\x9d) [^\x07\x1b\x9c]* (?:\x07|\x1b\\|\x9c)     # titles, links, clipboard: OSC
    | (?:\x1b[PX^_]|[\x90\x98\x9e\x9f]) [^\x1b\x9c]* (?:\x1b\\|\x9c)  # DCS, SOS, PM, APC
    | \x1b [\x20-/]* [0-OQ-WYZ\\`-~]                                      # the short ones
    """,
    re.VERBOSE,
)
"""Whole control sequences of ECMA-48 §5.4 and §8.3; they carry no words, so they vanish."""

_INVISIBLE = {
    0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0,
    *range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0),
}  # fmt: skip
"""Letters and marks that draw nothing: fillers, the empty braille cell, selectors of variants that no emoji uses."""

_HARMLESS = {"\n", "\t", "\u200c", "\u200d"}
"""Line ends and tabs; the joiners that Persian, Hindi and emoji are written with."""


class _Visible(dict[int, str]):
    """Code point to what is printed for it: itself, or its escape where it would act or hide."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        # Cc control, Cf format (bidirectional overrides, zero width, tags), Cs lone surrogate, Co private use,
        # Cn nothing yet, Zl and Zp line ends that only some programs know
        acts = code in _INVISIBLE or unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        shown = _escape(code) if acts and character not in _HARMLESS else character
        self[code] = shown
        return shown


def _escape(code: int) -> str:
    width, letter = (2, "x") if code < 0x100 else (4, "u") if code < 0x10000 else (8, "U")
    return f"\\{letter}{code:0{width}x}"


_VISIBLE = _Visible()


def neutral(text: str) -> str:
    r"""Drop terminal control sequences and show every other acting or invisible character as its escape.

    Newlines and tabs stay; `\r\n` becomes a newline. A sequence cut in two is harmless as well: what is left of
    it starts with a visible `\x1b`.
    """
    if text.isascii() and text.isprintable():
        return text
    return _SEQUENCES.sub("", text.replace("\r\n", "\n")).translate(_VISIBLE)


def one_line(text: str, limit: int | None = None) -> str:
    """Give `text` neutralised on one line of at most `limit` characters, the cut shown by an ellipsis."""
    if limit is None:
        return " ".join(neutral(text).split())
    flat = " ".join(neutral(text[: 4 * limit]).split())
    return flat if len(flat) <= limit and len(text) <= 4 * limit else flat[: limit - 1] + "…"


def quoted(text: str, limit: int = 80) -> str:
    """Give `text` on one line and in quotes, so that a reader sees where foreign words begin and end."""
    return json.dumps(one_line(text, limit), ensure_ascii=False)
