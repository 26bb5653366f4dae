r"""Cut formulas into the pieces that a reader must get right, and compare them without regard to looks.

Two ways to write the same are one: `x_i` and `x_{i}`, `a^{2}_{i}` and `a_{i}^{2}`, `\left(` and `(`, `\mathrm{d}` and
`d`, `\dots` and `\ldots`. Calligraphic, blackboard and fraktur letters differ from plain ones; bold ones do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

_DROPPED = frozenset({
    "left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "Biggl", "Biggr",
    "displaystyle", "textstyle", "scriptstyle", "limits", "nolimits", "quad", "qquad", ",", ";", ":", "!", " ", "\\",
    "middle", "nonumber", "notag", "mathrm", "text", "operatorname", "operatorname*", "mathbf", "boldsymbol", "bm",
    "mathit", "textbf", "textit", "mathsf", "texttt", "mathtt", "emph", "rm", "bf", "it", "mbox", "mathop",
})  # fmt: skip
_SAME: dict[str, str] = {
    r"\le": r"\leq", r"\ge": r"\geq", r"\ne": r"\neq", r"\to": r"\rightarrow", r"\dots": r"\ldots",
    r"\dotsc": r"\ldots",
    r"\cdots": r"\ldots", r"\dotsb": r"\ldots", r"\ast": "*", r"\|": r"\Vert", r"\lVert": r"\Vert", r"\rVert": r"\Vert",
    r"\lvert": "|", r"\rvert": "|", r"\vert": "|", r"\mid": "|", r"\parallel": r"\Vert", r"\lbrace": r"\{",
    r"\rbrace": r"\}", r"\gets": r"\leftarrow", r"\widehat": r"\hat", r"\widetilde": r"\tilde", r"\overline": r"\bar",
    r"\triangleq": r"\triangleq", r"\land": r"\wedge", r"\lor": r"\vee", r"\dfrac": r"\frac", r"\tfrac": r"\frac",
    r"\colon": ":", r"\star": r"\star", r"\backslash": r"\setminus", r"\vartriangle": r"\triangle", r"\_": "_",
    r"\lnot": r"\neg", "\u2019": "'", "\u2212": "-", r"\mathbbm": r"\mathbb", r"\varnothing": r"\emptyset",
    r"\intercal": r"\top", r"\cal": r"\mathcal", r"\mathscr": r"\mathcal",
}  # fmt: skip
_NAMES = frozenset({
    "log", "exp", "max", "min", "sin", "cos", "tanh", "lim", "arg", "argmax", "argmin", "det", "sup", "inf", "Pr", "ln",
    "dim", "ker", "deg", "gcd",
})  # fmt: skip
_TWO = frozenset({r"\frac", r"\binom"})
_ONE = frozenset({
    r"\sqrt", r"\hat", r"\tilde", r"\bar", r"\vec", r"\dot", r"\ddot", r"\mathcal", r"\mathbb", r"\mathfrak",
    r"\underline", r"\overbrace", r"\underbrace", r"\check", r"\breve",
})  # fmt: skip
_TOKEN = re.compile(r"\\(?:begin|end)\{[^}]*\}(?:\{[lcr|]*\})?|\\operatorname\*|\\[A-Za-z]+|\\.|[^\s~&$]")


def normalised(latex: str) -> str:
    """Write a formula in the one way that is compared."""
    return "".join(_written(atom) for atom in _Reader(latex).atoms())


def fragments(latex: str) -> list[str]:
    """Give every piece with a structure: scripts with what they stand on, fractions, roots, accents, fonts."""
    found: list[str] = []
    _collect(_Reader(latex).atoms(), found)
    return found


_Atom: TypeAlias = "tuple[str, tuple[list[_Atom], ...], list[_Atom], list[_Atom]]"
"""A sign or command, its arguments, what is below and above it."""


def _bracketed(latex: str) -> str:
    """Write the brackets of matrices and cases as what they are."""
    for name, opening, closing in (
        ("cases", r"\{", ""),
        ("pmatrix", "(", ")"),
        ("bmatrix", "[", "]"),
        ("vmatrix", "|", "|"),
    ):
        latex = latex.replace(rf"\begin{{{name}}}", opening).replace(rf"\end{{{name}}}", closing)
    return re.sub(r"\\right\.|\\label\{[^}]*\}|\\tag\{[^}]*\}", "", latex)


class _Reader:
    def __init__(self, latex: str) -> None:
        self._tokens: list[str] = [
            str(_SAME.get(t, t))
            for t in map(str, _TOKEN.findall(_bracketed(latex)))
            if not t.startswith((r"\begin", r"\end")) and (t[0] != "\\" or t[1:] not in _DROPPED)
        ]
        self._place = 0

    def atoms(self, closing: str = "") -> list[_Atom]:
        out: list[_Atom] = []
        while self._place < len(self._tokens):
            token = self._tokens[self._place]
            self._place += 1
            if token == closing:
                break
            if token in {"_", "^"}:
                argument = self._argument()
                self._script(out, token, argument)
            elif token == "'":
                self._script(out, "^", [(r"\prime", (), [], [])])
            elif token == "{":
                out += self.atoms("}")
            elif token != "}":
                out.append(self._atom(token))
        return out

    def _script(self, out: list[_Atom], mark: str, argument: list[_Atom]) -> None:
        if not out:
            out.append(("", (), [], []))
        name, arguments, low, high = out[-1]
        out[-1] = (
            (name, arguments, [*low, *argument], high) if mark == "_" else (name, arguments, low, [*high, *argument])
        )

    def _atom(self, token: str) -> _Atom:
        if token in _TWO:
            return (token, (self._argument(), self._argument()), [], [])
        if token in _ONE:
            if token == r"\sqrt" and self._tokens[self._place : self._place + 1] == ["["]:
                self._place += 1
                self.atoms("]")
            return (token, (self._argument(),), [], [])
        if token[0] == "\\" and token[1:] in _NAMES:
            token = token[1:]
        return (token, (), [], [])

    def _argument(self) -> list[_Atom]:
        if self._place >= len(self._tokens):
            return []
        token = self._tokens[self._place]
        self._place += 1
        return self.atoms("}") if token == "{" else [self._atom(token)]


def _written(atom: _Atom) -> str:
    name, arguments, low, high = atom
    text = name + "".join(f"{{{_all(argument)}}}" for argument in arguments)
    return text + (f"_{{{_all(low)}}}" if low else "") + (f"^{{{_all(high)}}}" if high else "")


def _all(atoms: Sequence[_Atom]) -> str:
    return "".join(map(_written, atoms))


def _collect(atoms: Sequence[_Atom], found: list[str]) -> None:
    for atom in atoms:
        name, arguments, low, high = atom
        if arguments or low or high:
            # a name of several letters is one atom in the gold and several in what is read
            found.append(_written((name[-1] if name.isalpha() else name, arguments, low, high)))
        for inner in _inner(arguments, low, high):
            _collect(inner, found)


def _inner(arguments: Sequence[list[_Atom]], low: list[_Atom], high: list[_Atom]) -> Iterator[list[_Atom]]:
    yield from arguments
    yield low
    yield high
