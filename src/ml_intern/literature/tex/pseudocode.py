"""Write the environments of algorithms as lines of text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ml_intern.literature.tex.nodes import Node
from ml_intern.literature.tex.words import Cursor, Words

ALGORITHMS = frozenset({"algorithmic", "algorithm2e", "pseudo", "algpseudocode"})
_WORDS = {
    "state": "", "statex": "", "require": "Require:", "ensure": "Ensure:", "input": "Input:", "output": "Output:",
    "if": "if", "elsif": "else if", "elseif": "else if", "else": "else", "endif": "end if", "for": "for", "forall":
    "for all", "foreach": "for each", "endfor": "end for", "while": "while", "endwhile": "end while", "loop": "loop",
    "endloop": "end loop", "repeat": "repeat", "until": "until", "return": "return", "procedure": "procedure",
    "endprocedure": "end procedure", "function": "function", "endfunction": "end function", "kwin": "Input:",
    "kwout": "Output:", "kwdata": "Data:", "kwresult": "Result:", "kwret": "return", "eif": "if", "uif": "if",
}  # fmt: skip
"""Commands of the packages algorithmic, algpseudocode and algorithm2e, in small letters, and what they print."""
_COMMENTS = frozenset({"Comment", "COMMENT", "tcp", "tcc", "LineComment"})


def pseudocode(nodes: Sequence[Node], words: Words) -> str:
    """Give the lines between fences; empty where there are none."""
    cursor = Cursor(nodes)
    cursor.optional()
    lines = [line for line in (words.text(line).strip() for line in _lines(cursor)) if line]
    return "\n".join(["```", *lines, "```"]) if lines else ""


def _lines(cursor: Cursor) -> Iterator[list[Node]]:
    line: list[Node] = []
    for node in cursor:
        if node.kind == "command" and node.name.lower() in _WORDS and node.name[0].isalpha():
            yield line
            line = [Node(kind="text", text=_WORDS[node.name.lower()]), Node(kind="space")]
        elif node.kind == "command" and node.name in {";", "\\"}:
            yield line
            line = []
        elif node.kind == "command" and node.name in _COMMENTS:
            line.append(Node(kind="text", text=" // "))
        elif node.kind == "command" and node.name in {"caption", "label"}:
            cursor.argument()
        elif node.kind in {"group", "environment"} and _has_lines(node):
            yield line
            line = []
            yield from _lines(Cursor(node.children))
        else:
            line.append(node)
    yield line


def _has_lines(node: Node) -> bool:
    return any(
        (
            child.kind == "command"
            and (child.name == ";" or re.fullmatch(r"state|for\w*|if|while|return", child.name, re.IGNORECASE))
        )
        or (child.kind in {"group", "environment"} and _has_lines(child))
        for child in node.children
    )
