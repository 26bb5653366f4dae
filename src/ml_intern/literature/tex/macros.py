"""Carry out what LaTeX does before it typesets: files read in, the authors' own macros and conditions resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ml_intern.literature.tex.archive import Files
from ml_intern.literature.tex.biblatex import as_thebibliography
from ml_intern.literature.tex.tokens import Token, tokens
from ml_intern.literature.tex.vocabulary import KEPT

EXPANSIONS = 200_000
"""Macros used in one paper; more is a program that does not end."""
MOST_TOKENS = 4_000_000
MOST_INPUTS = 400
SPACE = Token("space", " ")


class TexError(ValueError):
    """The source cannot be resolved; the message says why in a phrase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """What stands for a command. `delimiters` end each parameter, empty where braces do; `default` is of the first."""

    body: tuple[Token, ...]
    delimiters: tuple[tuple[Token, ...], ...] = ()
    default: tuple[Token, ...] | None = None


@dataclass(slots=True)
class Expander:
    """Resolves one paper. `files` are those of its archive, by path; `main` is the path of the document."""

    files: Files
    main: str
    macros: dict[str, Macro] = field(default_factory=dict[str, Macro])
    environments: dict[str, tuple[Macro, Macro]] = field(default_factory=dict[str, tuple[Macro, Macro]])
    flags: dict[str, bool] = field(default_factory=dict[str, bool])
    pending: list[Token] = field(default_factory=list[Token])
    expansions: int = 0
    inputs: int = 0
    learnt: set[str] = field(default_factory=set[str])
    has_references: bool = False

    def expand(self) -> list[Token]:
        """Give the tokens of the document with everything resolved.

        Raises:
            TexError: it does not end, or is too large.
        """
        self._push(tokens(self.files[self.main]))
        out: list[Token] = []
        while self.pending:
            token = self.pending.pop()
            if token.kind != "command" or not self._resolve(token, out):
                out.append(token)
            if len(out) > MOST_TOKENS:
                raise TexError(f"its source has more than {MOST_TOKENS} words and signs")
        return out

    def _resolve(self, token: Token, out: list[Token]) -> bool:
        """Carry a command out, if it is one that this module knows; what it leaves is in `pending` or `out`."""
        name = token.text
        if name in self.macros:
            self._use(self.macros[name])
        elif name in _ACTIONS:
            _ACTIONS[name](self)
        elif name in {r"\begin", r"\end"}:
            return self._environment(name, out)
        elif name.startswith(r"\if") and name not in _NO_CONDITION:
            self._condition(name)
        else:
            return self._flag(name)
        return True

    def _push(self, found: Iterable[Token]) -> None:
        self.pending.extend(reversed(list(found)))
        if len(self.pending) > MOST_TOKENS:
            raise TexError("its macros do not end")

    def _use(self, macro: Macro) -> None:
        self.expansions += 1
        if self.expansions > EXPANSIONS:
            raise TexError("its macros do not end")
        arguments: list[Sequence[Token]] = []
        for place, delimiter in enumerate(macro.delimiters):
            if place == 0 and macro.default is not None:
                given = self.optional()
                arguments.append(macro.default if given is None else given)
            else:
                arguments.append(self._until(delimiter) if delimiter else self.argument())
        self._push(_filled(macro.body, arguments))

    # what stands next

    def skip_space(self) -> None:
        """Leave out spaces."""
        while self.pending and self.pending[-1].kind in {"space", "par"}:
            self.pending.pop()

    def argument(self) -> list[Token]:
        """Take one argument: a group without its braces, else one sign."""
        self.skip_space()
        if not self.pending:
            return []
        token = self.pending.pop()
        if token.kind == "open":
            return self._until((Token("close", "}"),))
        if token.kind == "text" and len(token.text) > 1:
            self.pending.append(Token("text", token.text[1:]))
            return [Token("text", token.text[0])]
        return [token]

    def optional(self) -> list[Token] | None:
        """Take an argument in brackets; None where there is none."""
        place = len(self.pending) - 1
        while place >= 0 and self.pending[place].kind == "space":
            place -= 1
        if place < 0 or self.pending[place].text != "[":
            return None
        del self.pending[place:]
        return self._until((Token("text", "]"),))

    def star(self) -> bool:
        """Take a star, if one stands next."""
        if self.pending and self.pending[-1].text == "*":
            self.pending.pop()
            return True
        return False

    def name(self) -> str:
        """Take an argument and give it as plain text."""
        return "".join(token.text for token in self.argument()).strip()

    def _until(self, end: Sequence[Token]) -> list[Token]:
        """Take tokens up to `end`, which is taken as well, groups whole."""
        taken: list[Token] = []
        depth = 0
        while self.pending:
            if depth == 0:
                self._split_at(end[0])
                if self._stands(end):
                    return taken
            token = self.pending.pop()
            depth += (token.kind == "open") - (token.kind == "close")
            taken.append(token)
        return taken

    def _split_at(self, end: Token) -> None:
        """Make what ends an argument a token of its own, where it stands within a word."""
        word = self.pending[-1].text
        if self.pending[-1].kind == end.kind == "text" and end.text in word and word != end.text:
            before, _, after = word.partition(end.text)
            parts = [Token("text", part) for part in (after, end.text, before) if part]
            self.pending[-1:] = parts

    def _stands(self, end: Sequence[Token]) -> bool:
        if len(self.pending) < len(end) or any(self.pending[-1 - place] != token for place, token in enumerate(end)):
            return False
        del self.pending[len(self.pending) - len(end) :]
        return True

    # definitions

    def define(self) -> None:
        r"""`\newcommand{\name}[2][default]{body}` and its kin."""
        self.star()
        name = self.name()
        count = self.optional()
        default = self.optional()
        body = tuple(self.argument())
        number = _number(count)
        self.learn(
            name, Macro(body=body, delimiters=((),) * number, default=tuple(default) if default is not None else None)
        )

    def define_plainly(self) -> None:
        r"""`\def\name#1.#2{body}`."""
        name = self.name()
        parameters: list[Token] = []
        while self.pending and self.pending[-1].kind != "open":
            parameters.append(self.pending.pop())
        body = tuple(self.argument())
        self.learn(name, Macro(body=body, delimiters=_delimiters(parameters)))

    def define_operator(self) -> None:
        r"""`\DeclareMathOperator{\name}{text}`."""
        star = "*" if self.star() else ""
        name, text = self.name(), self.argument()
        body = (Token("command", rf"\operatorname{star}"), Token("open", "{"), *text, Token("close", "}"))
        self.learn(name, Macro(body=body))

    def define_as(self) -> None:
        r"""`\let\name=\other`."""
        name = self.name()
        self.skip_space()
        if self.pending and self.pending[-1].text == "=":
            self.pending.pop()
        self.skip_space()
        other = self.pending.pop() if self.pending else SPACE
        self.learn(name, self.macros.get(other.text, Macro(body=(other,))))

    def define_environment(self) -> None:
        r"""`\newenvironment{name}[1][default]{begin}{end}`."""
        self.star()
        name = self.name()
        number, default = _number(self.optional()), self.optional()
        begin, end = tuple(self.argument()), tuple(self.argument())
        if name not in KEPT:
            first = Macro(body=begin, delimiters=((),) * number, default=tuple(default) if default else None)
            self.environments[name] = (first, Macro(body=end))

    def learn(self, name: str, macro: Macro) -> None:
        """Remember a macro, but for names that mean the same in every paper."""
        refers_to_itself = any(token.text == name for token in macro.body)
        if name.startswith("\\") and name not in KEPT and name not in _ACTIONS and not refers_to_itself:
            self.macros[name] = macro

    def _environment(self, name: str, out: list[Token]) -> bool:
        """Put the authors' own environment into what it stands for; any other is left as it is."""
        if not self.pending or self.pending[-1].kind != "open":
            return False
        environment = self.name()
        if environment in self.environments:
            self._use(self.environments[environment][name == r"\end"])
        else:
            out += [Token("command", name), Token("open", "{"), Token("text", environment), Token("close", "}")]
        return True

    # files

    def read_in(self) -> None:
        r"""`\input{file}`: the file's tokens, or nothing where the archive lacks it."""
        self.skip_space()
        if self.pending and self.pending[-1].kind == "text":  # \input file, without braces
            self._read(self.pending.pop().text)
        else:
            self._read(self.name())

    def read_from(self) -> None:
        r"""`\import{folder/}{file}`."""
        folder = self.name()
        self._read(f"{folder.rstrip('/')}/{self.name()}")

    def _read(self, name: str) -> None:
        self.inputs += 1
        if self.inputs > MOST_INPUTS:
            raise TexError("it reads files without end")
        text = found_file(self.files, name, (".tex", "", ".ltx", ".bbl"))
        if text is not None:
            # a part that stands for itself has a document of its own around its text
            begin, end = r"\begin{document}", r"\end{document}"
            self._push(tokens(text.partition(begin)[2].partition(end)[0] if begin in text else text))

    def read_references(self) -> None:
        r"""`\bibliography{…}`: the list that BibTeX wrote for this document, which arXiv asks authors to send."""
        if self.pending and self.pending[-1].kind in {"open", "text"} and self.pending[-1].text in "{[":
            self.optional()
            if self.pending and self.pending[-1].kind == "open":
                self.argument()
        own = found_file(self.files, self.main.rpartition(".")[0], (".bbl",))
        others = [text for path, text in self.files.items() if path.endswith(".bbl")]
        text = own if own is not None else others[0] if others else ""
        if text and not self.has_references:
            self.has_references = True
            self._push(tokens(as_thebibliography(text)))

    def read_macros(self) -> None:
        r"""`\usepackage{own}`: learn the simple macros of a style that came with the paper."""
        self.optional()
        for name in self.name().split(","):
            self._study(name.strip(), (".sty", ".cls"))

    def _study(self, name: str, endings: Sequence[str]) -> None:
        text = found_file(self.files, name, endings)
        if text is None or name in self.learnt:
            return
        self.learnt.add(name)
        own = Expander(files=self.files, main=self.main, learnt=self.learnt)
        own.study(text)
        for command, macro in own.macros.items():
            # what styles define with @ are their own parts, which nobody writes in a text
            if not any("@" in part for part in (command, *(t.text for t in macro.body if t.kind == "command"))):
                self.macros.setdefault(command, macro)

    def study(self, text: str) -> None:
        """Learn the macros that `text` defines at its outermost, and carry nothing else out."""
        self._push(tokens(text))
        while self.pending:
            token = self.pending.pop()
            if token.text in _DEFINITIONS:
                _DEFINITIONS[token.text](self)

    # conditions

    def new_flag(self) -> None:
        r"""`\newif\ifname`."""
        self.flags[self.name().removeprefix(r"\if")] = False

    def _flag(self, name: str) -> bool:
        for ending, value in (("true", True), ("false", False)):
            flag = name[1:].removesuffix(ending)
            if name.endswith(ending) and flag in self.flags:
                self.flags[flag] = value
                return True
        return False

    def _condition(self, name: str) -> None:
        """Keep the branch that holds; of a condition that only TeX can judge, the second."""
        holds = name == r"\iftrue" or self.flags.get(name.removeprefix(r"\if"), False)
        first, second = self._branches()
        self._push(first if holds else second)

    def _branches(self) -> tuple[list[Token], list[Token]]:
        branches: list[list[Token]] = [[], []]
        here = depth = 0
        while self.pending:
            token = self.pending.pop()
            if token.kind == "command":
                depth += token.text.startswith(r"\if") and token.text not in _NO_CONDITION
                if token.text == r"\fi":
                    if depth == 0:
                        break
                    depth -= 1
                elif token.text == r"\else" and depth == 0:
                    here = 1
                    continue
            branches[here].append(token)
        return branches[0], branches[1]


def _ignored(expander: Expander) -> None:
    del expander


_NO_CONDITION = frozenset({r"\iff", r"\ifthenelse"})
_DEFINITIONS: dict[str, Callable[[Expander], None]] = {
    **dict.fromkeys((r"\newcommand", r"\renewcommand", r"\providecommand", r"\DeclareRobustCommand"), Expander.define),
    **dict.fromkeys((r"\def", r"\gdef", r"\edef", r"\xdef"), Expander.define_plainly),
    r"\DeclareMathOperator": Expander.define_operator,
    r"\let": Expander.define_as,
    **dict.fromkeys((r"\newenvironment", r"\renewenvironment"), Expander.define_environment),
    r"\newif": Expander.new_flag,
    **dict.fromkeys((r"\usepackage", r"\RequirePackage", r"\documentclass", r"\LoadClass"), Expander.read_macros),
}
_ACTIONS: dict[str, Callable[[Expander], None]] = {
    **_DEFINITIONS,
    **dict.fromkeys((r"\input", r"\include", r"\subfile", r"\subfileinclude"), Expander.read_in),
    **dict.fromkeys((r"\import", r"\subimport"), Expander.read_from),
    **dict.fromkeys((r"\bibliography", r"\printbibliography"), Expander.read_references),
    **dict.fromkeys(
        (r"\long", r"\global", r"\protected", r"\protect", r"\relax", r"\expandafter", r"\noexpand", r"\fi", r"\else"),
        _ignored,
    ),
}


def found_file(files: Files, name: str, endings: Sequence[str]) -> str | None:
    """Give the text of the file that LaTeX would find under `name`."""
    plain = "/".join(part for part in PurePosixPath(name.strip().strip('"')).parts if part != ".")
    return next((files[path] for path in (plain + ending for ending in endings) if path in files), None)


def _number(given: Sequence[Token] | None) -> int:
    text = "".join(token.text for token in given or ())
    return int(text) if text in set("123456789") else 0


def _delimiters(parameters: Sequence[Token]) -> tuple[tuple[Token, ...], ...]:
    """Give for each parameter what ends it, from the text between `#1` and `#2`."""
    found: list[list[Token]] = []
    for token in parameters:
        if token.kind == "parameter":
            found.append([])
        elif found:
            found[-1].append(token)
    return tuple(tuple(delimiter) for delimiter in found)


def _filled(body: Sequence[Token], arguments: Sequence[Sequence[Token]]) -> list[Token]:
    filled: list[Token] = []
    for token in body:
        if token.kind != "parameter":
            filled.append(token)
        elif token.text.startswith("##"):
            filled.append(Token("parameter", token.text[1:]))
        elif token.text[1:] and int(token.text[1:]) <= len(arguments):
            filled += arguments[int(token.text[1:]) - 1]
    return filled
