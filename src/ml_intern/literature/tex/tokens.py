"""Cut LaTeX into tokens: commands, braces, formulas' marks and text; comments are gone, verbatim text is one token."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

TokenKind: TypeAlias = Literal[
    "command", "open", "close", "math", "align", "tie", "parameter", "par", "space", "text", "verbatim", "inline"
]
r"""`par` is an empty line, `tie` a space that does not break, `inline` what `\verb` holds; the rest is as in TeX."""


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is the token as written; `is_spaced` says of a command that TeX skipped spaces after it."""

    kind: TokenKind
    text: str
    is_spaced: bool = field(default=False, compare=False)


_TOKEN = re.compile(
    r"""
      (?P<comment> % [^\n]* (?: \n [ \t]* (?=\S) )? )
    | (?P<par> [ \t]* \n [ \t]* (?: \n [ \t]* )+ )
    | (?P<space> \s+ )
    | (?P<command> \\ (?: [A-Za-z@]+ | [\s\S] | $ ) )
    | (?P<open> \{ ) | (?P<close> \} ) | (?P<math> \$ ) | (?P<align> & ) | (?P<tie> ~ )
    | (?P<parameter> \#+ [1-9]? )
    | (?P<text> [\[\]*] | [^\\{}$&~\#%\s\[\]*]+ )
    """,
    re.VERBOSE,
)
_SKIPPED = re.compile(r"[ \t]*(?:\n(?![ \t]*\n)[ \t]*)?")
_VERBATIM = re.compile(
    r"\{(?P<name>(?:B?Verbatim|verbatim|lstlisting|minted|alltt|filecontents|comment|pycode|python)\*?)\}"
)
_VERB = frozenset({r"\verb", r"\lstinline", r"\path"})
_NO_TEXT = frozenset({"comment", "filecontents", "filecontents*"})


def tokens(text: str) -> list[Token]:
    r"""Give all tokens of `text` up to `\endinput`."""
    text = text.partition(r"\endinput")[0]
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        assert match is not None  # the pattern takes every character
        place = match.end()
        kind = match.lastgroup
        if kind == "command":
            found, place = _command(text, match[0], place)
            yield from found
        elif kind is not None and kind != "comment":
            yield Token(_KINDS[kind], match[0])


_KINDS: dict[str, TokenKind] = {
    "par": "par", "space": "space", "open": "open", "close": "close", "math": "math", "align": "align", "tie": "tie",
    "parameter": "parameter", "text": "text",
}  # fmt: skip


def _command(text: str, name: str, place: int) -> tuple[Sequence[Token], int]:
    """Give a command, or the raw text that it begins, and where to go on."""
    if name == r"\begin" and (match := _VERBATIM.match(text, place)):
        end = text.find(rf"\end{{{match['name']}}}", match.end())
        end = len(text) if end < 0 else end
        body = text[match.end() : end]
        after = min(end + len(rf"\end{{{match['name']}}}"), len(text))
        kept = [] if match["name"] in _NO_TEXT else [Token("verbatim", _without_options(body))]
        return kept, after
    star = place + 1 if text[place : place + 1] == "*" and name in _VERB else place
    if name in _VERB and star < len(text) and text[star] not in "{[ \t\n" and not text[star].isalpha():
        end = text.find(text[star], star + 1)
        if end > 0:
            return [Token("inline", text[star + 1 : end])], end + 1
    if name[1:2].isalpha() or name[1:2] == "@":
        skipped = _SKIPPED.match(text, place)
        after = skipped.end() if skipped else place
        return [Token("command", name, is_spaced=after > place)], after
    return [Token("command", name)], place


def _without_options(body: str) -> str:
    r"""Leave out options and the language that stand behind `\begin{lstlisting}` or `\begin{minted}`."""
    return re.sub(r"^[ \t]*(?:\[[^\]]*\])?(?:\{[^}]*\})?[ \t]*\n", "", body).rstrip()


def written(found: Sequence[Token]) -> str:
    """Give the tokens as LaTeX again, a space where a command would swallow the letter after it."""
    out: list[str] = []
    after_word = False
    for token in found:
        text = " " if token.kind in {"space", "par"} else token.text
        if after_word and text[:1].isalpha():
            out.append(" ")
        out.append(text + " " * token.is_spaced)
        after_word = token.kind == "command" and token.text[-1:].isalpha() and not token.is_spaced
    return "".join(out)
