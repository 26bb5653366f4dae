"""The module `__main__` of a session: one namespace for all cells, and a file that other processes can import.

`multiprocessing` with the method `spawn` imports the main module anew in every child. A session has no file, so one is
written when it is asked for: the imports, functions, classes and constants of all cells, without what they do.
"""

from __future__ import annotations

import _ast  # the classes alone; `ast` itself is imported where its functions are needed
import builtins
import os
import types

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_KEPT = (
    _ast.Import, _ast.ImportFrom, _ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef, _ast.Assign, _ast.AnnAssign,
)  # fmt: skip
_MOST = 2000
"""Definitions that are remembered; the oldest are forgotten first."""


class Definitions:
    """What the cells of a session have defined, and the file of it. `library` imports a module of Python's own."""

    def __init__(self, library: Callable[[str], Any]) -> None:
        self._library = library
        self._nodes: list[_ast.stmt] = []
        self._path = ""
        self._process = 0
        self._count = -1
        self._added = 0

    def add(self, tree: _ast.Module) -> None:
        """Keep what the code of one cell defines; `tree` is not changed."""
        kept = [node for node in tree.body if isinstance(node, _KEPT)]
        self._nodes = [*self._nodes, *kept][-_MOST:]
        self._added += len(kept)

    def file(self) -> str:
        """Write the definitions, unless that was done, and give the file's path."""
        if (self._process, self._count) != (os.getpid(), self._added) or not os.path.exists(self._path):  # noqa: PTH110
            ast = self._library("ast")
            kept = [_tolerant(ast, node) for node in self._nodes if _only_names(ast, node)]
            text = "\n".join(ast.unparse(ast.fix_missing_locations(node)) for node in kept)
            # not by `tempfile`, whose import would be a tenth of a start
            path = f"{os.environ.get('TMPDIR', '/tmp')}/session-{os.urandom(8).hex()}.py"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text + "\n")
            self._path, self._process, self._count = path, os.getpid(), self._added
        return self._path


def make_main(definitions: Definitions) -> types.ModuleType:
    """Give a `__main__` whose `__file__` is no variable of the code and is made when a library asks for it."""

    class Main(types.ModuleType):
        __file__ = property(lambda self: definitions.file())

    main = Main("__main__")
    main.__dict__["__builtins__"] = builtins
    return main


def _only_names(ast: Any, node: _ast.stmt) -> bool:
    """Whether a statement names something without doing anything; what is assigned must be a literal."""
    if isinstance(node, _ast.ImportFrom):
        return node.module != "__future__"
    if not isinstance(node, _ast.Assign | _ast.AnnAssign):
        return True
    try:
        ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def _tolerant(ast: Any, node: _ast.stmt) -> _ast.stmt:
    """Let a definition that fails in another process (its base class was made by code) not take the others along."""
    handler = ast.ExceptHandler(type=ast.Name(id="Exception", ctx=ast.Load()), name=None, body=[ast.Pass()])
    return ast.Try(body=[node], handlers=[handler], orelse=[], finalbody=[])
