"""The module `__main__` of a session: one namespace for all cells, and a file that other processes can import.

`multiprocessing` with the method `spawn` imports the main module anew in every child. A session has no file, so one is
written when it is asked for: the imports, functions, classes and constants of all cells, without what they do.
"""

from __future__ import annotations

import ast
import builtins
import os
import types

_KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_MOST = 2000
"""Definitions that are remembered; the oldest are forgotten first."""


class Definitions:
    """What the cells of a session have defined, and the file of it."""

    def __init__(self) -> None:
        self._nodes: list[ast.stmt] = []
        self._path = ""
        self._process = 0
        self._count = -1
        self._added = 0

    def add(self, tree: ast.Module) -> None:
        """Keep what the code of one cell defines; `tree` is not changed."""
        kept = [node for node in tree.body if _defines(node)]
        self._nodes = [*self._nodes, *kept][-_MOST:]
        self._added += len(kept)

    def file(self) -> str:
        """Write the definitions, unless that was done, and give the file's path."""
        if (self._process, self._count) != (os.getpid(), self._added) or not os.path.exists(self._path):  # noqa: PTH110
            text = "\n".join(ast.unparse(ast.fix_missing_locations(_tolerant(node))) for node in self._nodes)
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


def _defines(node: ast.stmt) -> bool:
    """Whether a statement names something without doing anything; what is assigned must be a literal."""
    if isinstance(node, ast.ImportFrom):
        return node.module != "__future__"
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return isinstance(node, _KEPT)
    try:
        ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def _tolerant(node: ast.stmt) -> ast.stmt:
    """Let a definition that fails in another process (its base class was made by code) not take the others along."""
    handler = ast.ExceptHandler(type=ast.Name(id="Exception", ctx=ast.Load()), name=None, body=[ast.Pass()])
    return ast.Try(body=[node], handlers=[handler], orelse=[], finalbody=[])
