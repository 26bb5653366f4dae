"""Count sections, equations, floats and theorems as LaTeX does, and remember which number each label has."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from ml_intern.literature.tex.vocabulary import THEOREMS
from ml_intern.literature.tex.words import POINTER

NUMBERED_DEPTH = 3
"""Levels of headings that get numbers; what is below is counted by few classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theorem:
    """An environment of theorems: its printed name, whose counter it uses, and the counter that resets it."""

    title: str
    counter: str
    within: str = ""
    is_numbered: bool = True


@dataclass(slots=True)
class Numbers:
    """Counters and labels of one paper."""

    sections: list[int] = field(default_factory=list[int])
    is_appendix: bool = False
    counts: Counter[str] = field(default_factory=Counter[str])
    within: dict[str, str] = field(default_factory=dict[str, str])
    theorems: dict[str, Theorem] = field(
        default_factory=lambda: {name: Theorem(title=title, counter=name) for name, title in THEOREMS.items()}
    )
    labels: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    here: tuple[str, str] = ("", "")
    group: str = ""
    """Number of the group of equations that is counted with letters, empty outside of one."""

    def section(self, level: int) -> str:
        """Give the number of the next heading of `level`, from 1."""
        self.sections = [*self.sections, *[0] * level][:level]
        self.sections[-1] += 1
        for counter, outer in self.within.items():
            if outer == "section" and level == 1:
                self.counts[counter] = 0
        if level > NUMBERED_DEPTH:
            return ""
        number = self._section()
        self.here = ("Appendix" if self.is_appendix else "Section", number)
        return number

    def appendix(self) -> None:
        """Go on with letters."""
        self.sections, self.is_appendix = [], True

    def _section(self) -> str:
        first, *rest = self.sections or [0]
        letter = chr(ord("A") + (first - 1) % 26) if self.is_appendix else str(first)
        return ".".join([letter, *map(str, rest)])

    def equation(self) -> str:
        """Give the number of the next equation."""
        if self.group:
            self.counts["subequation"] += 1
            number = f"{self.group}{chr(ord('a') + (self.counts['subequation'] - 1) % 26)}"
        else:
            number = self._next("equation")
        self.here = ("Equation", number)
        return number

    def floating(self, kind: str) -> str:
        """Give the number of the next caption of `kind`, such as `Table`."""
        number = self._next(kind)
        self.counts["subfloat"] = 0
        self.here = (kind, number)
        return number

    def theorem(self, name: str) -> tuple[str, str]:
        """Give the printed name of an environment of theorems, and the number of the next one."""
        theorem = self.theorems[name]
        number = self._next(theorem.counter) if theorem.is_numbered else ""
        self.here = (theorem.title, number)
        return theorem.title, number

    def declare(self, name: str, title: str, *, shared: str, within: str, is_numbered: bool) -> None:
        r"""Take a `\newtheorem`."""
        counter = self.theorems[shared].counter if shared in self.theorems else shared or name
        self.theorems[name] = Theorem(title=title, counter=counter, is_numbered=is_numbered)
        if within:
            self.within[counter] = within

    def _next(self, counter: str) -> str:
        self.counts[counter] += 1
        outer = self.within.get(counter)
        prefix = ""
        if outer == "section" or outer == "chapter":
            prefix = f"{self._section().partition('.')[0]}."
        elif outer == "subsection":
            prefix = f"{self._section()}."
        return f"{prefix}{self.counts[counter]}"

    def label(self, name: str) -> None:
        """Remember `name` for what was counted last."""
        self.labels[name] = self.here

    def resolved(self, text: str) -> str:
        """Put numbers where pointers are; what no label names is shown by its name."""
        return POINTER.sub(self._pointed, text)

    def _pointed(self, match: re.Match[str]) -> str:
        how, _, label = match[1].partition("|")
        kind, number = self.labels.get(label, ("", ""))
        if not number:
            return f"[{label}]"
        if how == "named":
            return f"{kind} {number}"
        return f"({number})" if how == "equation" else number
