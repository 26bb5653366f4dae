"""Which layers of a network are declared to be new, so that no reference exists and tests must stand for one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from ml_intern.core.events import Record
from ml_intern.core.facts import ContractAgreed
from ml_intern.core.folds import facts

DECLARATION = "NOVEL"
CONSTRAINT = "novel"
LEAST_SCORE = 0.7
"""Share of wrong versions that tests of a new layer must notice.

A suite of properties reaches 0.9 on a mixture of experts, one that looks at shapes 0.02; what lies between is for
wrong versions that are equivalent.
"""


def novel_layers(files: Mapping[str, bytes], records: Sequence[Record]) -> tuple[str, ...]:
    """Name the classes and functions that the source (`NOVEL = ["Router"]`) or the contract calls new."""
    declared = {name for content in files.values() for name in _declared(content)}
    return tuple(sorted(declared | set(_agreed(records))))


def missing_layers(files: Mapping[str, bytes], names: Sequence[str]) -> tuple[str, ...]:
    """Give the names that no file defines as a class or a function of its own."""
    defined = {
        node.name
        for content in files.values()
        for node in ast.parse(content).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    return tuple(name for name in names if name not in defined)


def _declared(content: bytes) -> Iterator[str]:
    for node in ast.parse(content).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.List(elts=items) | ast.Tuple(elts=items)):
                if name == DECLARATION:
                    yield from (i.value for i in items if isinstance(i, ast.Constant) and isinstance(i.value, str))
            case _:
                pass


def _agreed(records: Sequence[Record]) -> Iterator[str]:
    for contract in facts(records, ContractAgreed):
        for constraint in contract.constraints:
            if constraint.name.lower().startswith(CONSTRAINT):
                yield from re.findall(r"[A-Za-z_]\w*", constraint.value)
