"""Build the tree of groups, environments and formulas from tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ml_intern.literature.tex.macros import TexError
from ml_intern.literature.tex.tokens import Token, written

NodeKind: TypeAlias = Literal[
    "command", "group", "environment", "formula", "display", "align", "par", "space", "text", "verbatim", "inline"
]
DEEPEST = 120
"""Groups inside each other; papers have ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A piece of a paper. `text` is a name or the text itself; `tokens` is the source of what has no children."""

    kind: NodeKind
    text: str = ""
    children: tuple[Node, ...] = ()
    tokens: tuple[Token, ...] = ()

    @property
    def name(self) -> str:
        """Of a command, without the backslash; of an environment, without its star."""
        return self.text[1:] if self.kind == "command" else self.text.rstrip("*")


def parse(tokens: Sequence[Token]) -> tuple[Node, ...]:
    """Give the tree; what is not closed ends where what holds it ends.

    Raises:
        TexError: groups are nested too deeply.
    """
    return tuple(_Parser(tokens).nodes(_End(), 0))


@dataclass(frozen=True, slots=True)
class _End:
    r"""What closes a list of nodes: a token of this kind and text, or `\end{environment}`."""

    text: str = ""
    environment: str = ""


_CLOSERS = {r"\[": r"\]", r"\(": r"\)"}


@dataclass(slots=True)
class _Parser:
    tokens: Sequence[Token]
    place: int = 0
    opened: list[str] = field(default_factory=list[str])
    """Environments that are open, the innermost last."""

    def nodes(self, end: _End, depth: int) -> Iterator[Node]:
        """Give nodes up to `end`, which is taken."""
        if depth > DEEPEST:
            raise TexError(f"its groups are more than {DEEPEST} deep")
        while self.place < len(self.tokens):
            token = self.tokens[self.place]
            if end.text and token.text == end.text:
                self.place += 1
                return
            if token.text == r"\end" and self._ends(end):
                return
            yield from self._node(token, depth)

    def _ends(self, end: _End) -> bool:
        r"""Whether `\end{…}` here closes the list: it is its own, or that of something around it."""
        name = self._environment_name(self.place + 1)
        if end.environment and name == end.environment:
            self.place += 4
            return True
        return name in self.opened

    def _environment_name(self, place: int) -> str:
        return self.tokens[place + 1].text if place + 1 < len(self.tokens) else ""

    def _node(self, token: Token, depth: int) -> Iterator[Node]:
        self.place += 1
        match token.kind:
            case "open":
                yield self._closed("group", "", _End(text="}"), depth)
            case "math":
                yield self._formula(depth)
            case "command":
                yield from self._command(token, depth)
            case "tie":
                yield Node(kind="space", tokens=(token,))
            case "align" | "par" | "space" | "text" | "verbatim" | "inline":
                yield Node(kind=token.kind, text=token.text, tokens=(token,))
            case _:  # a brace that closes nothing, a parameter outside of a macro
                return

    def _command(self, token: Token, depth: int) -> Iterator[Node]:
        if token.text in _CLOSERS:
            kind: NodeKind = "display" if token.text == r"\[" else "formula"
            yield self._closed(kind, "", _End(text=_CLOSERS[token.text]), depth)
        elif token.text == r"\begin":
            yield from self._environment(depth)
        elif token.text == r"\end":
            self.place += 3
        else:
            yield Node(kind="command", text=token.text, tokens=(token,))

    def _closed(self, kind: NodeKind, name: str, end: _End, depth: int) -> Node:
        return Node(kind=kind, text=name, children=tuple(self.nodes(end, depth + 1)))

    def _formula(self, depth: int) -> Node:
        if self.place < len(self.tokens) and self.tokens[self.place].kind == "math":
            self.place += 1
            node = self._closed("display", "", _End(text="$"), depth)
            if self.place < len(self.tokens) and self.tokens[self.place].kind == "math":
                self.place += 1
            return node
        return self._closed("formula", "", _End(text="$"), depth)

    def _environment(self, depth: int) -> Iterator[Node]:
        name = self._environment_name(self.place)
        self.place += 3
        self.opened.append(name)
        node = self._closed("environment", name, _End(environment=name), depth)
        self.opened.pop()
        yield node


def source(nodes: Sequence[Node]) -> str:
    """Give nodes as LaTeX again, on one line."""
    return " ".join(written([token for node in nodes for token in _sources(node)]).split())


def _sources(node: Node) -> Iterator[Token]:
    match node.kind:
        case "group":
            yield Token("open", "{")
            for child in node.children:
                yield from _sources(child)
            yield Token("close", "}")
        case "environment":
            yield Token("command", rf"\begin{{{node.text}}}")
            for child in node.children:
                yield from _sources(child)
            yield Token("command", rf"\end{{{node.text}}}")
        case "formula" | "display":
            for child in node.children:
                yield from _sources(child)
        case _:
            yield from node.tokens
