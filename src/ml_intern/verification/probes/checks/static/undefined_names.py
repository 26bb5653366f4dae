"""Every name that is read is bound somewhere, also on paths that no check runs.

The compiler's own tables of symbols say which names are global; annotations, names guarded by `except NameError` and
files with `import *` or `exec` are left out.

Source: pyflakes, message F821; the language reference, "Resolution of names".
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, judged, last_name

_MODULE = {"__name__", "__file__", "__doc__", "__package__", "__spec__", "__loader__", "__path__", "__builtins__",
           "__annotations__", "__dict__", "__class__", "__qualname__", "__module__"}  # fmt: skip


@check(family="static", cost="free")
def undefined_names(candidate: Candidate) -> Outcome | None:
    """Compare names read with names bound in every file."""
    return judged(candidate, _find, "correct the spelling, import the name, or pass it as an argument")


def _find(source: Source) -> Iterator[Finding]:
    if _binds_out_of_sight(source.tree):
        return
    table = symtable.symtable(source.text, source.file, "exec")
    known = {*dir(builtins), *_MODULE, *_bound(table)}
    missing = {name for scope in _all(table) for name in _read_globally(scope)} - known
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id in missing and not _is_guarded(source, node):
            yield node, f"the name {node.id!r} is read and nowhere defined"


def _binds_out_of_sight(tree: ast.Module) -> bool:
    return any(
        (isinstance(n, ast.ImportFrom) and any(name.name == "*" for name in n.names))
        or (isinstance(n, ast.Call) and last_name(n.func) in {"exec", "globals", "locals", "vars"})
        for n in ast.walk(tree)
    )


def _all(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _all(child)


def _bound(table: symtable.SymbolTable) -> set[str]:
    own = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    inner = {
        s.get_name()
        for scope in _all(table)
        for s in scope.get_symbols()
        if s.is_declared_global() and (s.is_assigned() or s.is_imported() or s.is_namespace())
    }
    return own | inner


def _read_globally(scope: symtable.SymbolTable) -> Iterator[str]:
    for symbol in scope.get_symbols():
        is_outer = symbol.is_global() or (scope.get_type() == "module" and not symbol.is_assigned())
        if symbol.is_referenced() and is_outer:
            yield symbol.get_name()


def _is_guarded(source: Source, node: ast.AST) -> bool:
    """Tell names in annotations, which need not exist at run time, and those in a `try` that expects their absence."""
    below: ast.AST = node
    for here in source.around(node):
        if below is getattr(here, "annotation", None) or below is getattr(here, "returns", None):
            return True
        if isinstance(here, ast.Try) and below in here.body:
            caught = [ast.unparse(h.type) if h.type else "Exception" for h in here.handlers]
            if any(name in text for text in caught for name in ("NameError", "Exception")):
                return True
        below = here
    return False
