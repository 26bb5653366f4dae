"""The exact source of a network: its file, the workspace's modules it imports, and one digest over them."""

from __future__ import annotations

import ast
import hashlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from ml_intern.core import confined
from ml_intern.core.collecting import Bounds, Entry, walk
from ml_intern.core.errors import ToolError

MAX_FILE = 1 << 20
"""Bytes a source file may have."""

_INSIDE = "/workspace/"
_SHOWN = 8


def workspace_name(file: str) -> str:
    """Give the name of `file` relative to the workspace, with `/` between its parts.

    `/workspace/net.py`, as the sandbox sees it, and `./net.py` are both `net.py`.

    Raises:
        ToolError: it is no Python file, or lies outside the workspace.
    """
    path = PurePosixPath(file.removeprefix(_INSIDE))
    if path.is_absolute() or ".." in path.parts or "\0" in file:
        raise ToolError(f"{file!r} is outside the workspace; give a path inside it, such as 'network.py'")
    if path.suffix != ".py":
        raise ToolError(f"{file!r} is no Python file; write the code to a .py file in the workspace and name that")
    return str(path)


def source_files(workspace: Path, file: str) -> dict[str, bytes]:
    """Read `file` and every module of the workspace it imports, directly or not; `file` itself comes first.

    Imports are read from the syntax, wherever they stand in it, and start at the workspace's root. An import of what
    the workspace does not have is a library's. What is imported by a computed name is not found, so it will be
    missing where this source runs.

    Raises:
        ToolError: a file is missing, leaves the workspace, is a link, too big or no valid Python.
    """
    name = workspace_name(file)
    files: dict[str, bytes] = {}
    queue = [name, *_packages(workspace, name)]
    while queue:
        name = queue.pop(0)
        if name not in files:
            files[name] = _read(workspace, name)
            queue.extend(_imported(workspace, name, _parse(name, files[name])))
    return files


def source_digest(files: Mapping[str, bytes]) -> str:
    """Give the SHA-256 over names and contents, whatever their order."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        # Lengths keep the end of one field and the start of the next apart.
        digest.update(f"{len(name.encode())} {len(content)} ".encode() + name.encode() + content)
    return digest.hexdigest()


def _read(workspace: Path, name: str) -> bytes:
    if confined.kind(workspace, name) is None:
        raise ToolError(f"{name} is not in the workspace; {_present(workspace)}; links are not followed")
    try:
        return confined.read_bytes(workspace, name, limit=MAX_FILE)
    except ToolError as error:
        raise ToolError(f"{error}; source files have at most 1 MiB: keep data out of them, and put copies") from error


def _present(workspace: Path) -> str:
    found = [e.name for e in walk(workspace, Bounds()) if isinstance(e, Entry) and e.kind != "folder"]
    names = [name for name in found if name.endswith(".py")]
    if not names:
        return "it has no Python files yet: write the file first"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"it has {', '.join(names[:_SHOWN])}{more}"


def _parse(name: str, content: bytes) -> ast.Module:
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(content, name)
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise ToolError(f"{name}:{error.lineno}: {error.msg}: {line!r}; correct this line and call again") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ToolError(f"{name} is no valid Python ({error}); write it again as plain UTF-8 text") from error


def _packages(workspace: Path, name: str) -> Iterator[str]:
    """Name the `__init__.py` of every folder above `name`: importing a module runs them."""
    for folder in PurePosixPath(name).parents:
        init = str(folder / "__init__.py")
        if folder.parts and init != name and _has(workspace, init):
            yield init


def _imported(workspace: Path, name: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from _absolute(workspace, f"{name}:{node.lineno}", alias.name.split("."))
            case ast.ImportFrom(level=0, module=str(module), names=names):
                for alias in names:
                    yield from _absolute(workspace, f"{name}:{node.lineno}", [*module.split("."), alias.name])
            case ast.ImportFrom():
                yield from _relative(workspace, name, node)
            case _:
                pass


def _absolute(workspace: Path, where: str, module: list[str]) -> Iterator[str]:
    for name in _found(workspace, module):
        if module[0] in sys.stdlib_module_names:
            raise ToolError(f"{where}: {name} has the name of Python's own module {module[0]!r}; rename the file")
        yield name


def _relative(workspace: Path, name: str, node: ast.ImportFrom) -> Iterator[str]:
    package = PurePosixPath(name).parts[:-1]
    above = node.level - 1
    if above >= len(package):
        written = "." * node.level + (node.module or "")
        raise ToolError(
            f"{name}:{node.lineno}: 'from {written} import' leaves the workspace's packages; "
            "import from the workspace's root instead, for example 'from blocks import Block'"
        )
    base = [*package[: len(package) - above], *(node.module.split(".") if node.module else [])]
    if node.module and not _is_module(workspace, base):
        missing = "/".join(base) + ".py"
        raise ToolError(f"{name}:{node.lineno}: {missing} is not in the workspace; write it or correct the import")
    for alias in node.names:
        yield from _found(workspace, [*base, alias.name])


def _is_module(workspace: Path, module: list[str]) -> bool:
    return _has(workspace, "/".join(module)) or _has(workspace, f"{'/'.join(module)}.py")


def _found(workspace: Path, module: list[str]) -> Iterator[str]:
    """Name the files that importing `module` runs, in the order of Python's own search."""
    for depth in range(1, len(module) + 1):
        stem = "/".join(module[:depth])
        if _has(workspace, f"{stem}/__init__.py"):
            yield f"{stem}/__init__.py"
        elif _has(workspace, f"{stem}.py"):
            yield f"{stem}.py"
            return
        elif confined.kind(workspace, stem) == "link":
            raise ToolError(f"{stem} is a link; links are not followed: put a copy")
        elif confined.kind(workspace, stem) != "folder":
            return


def _has(workspace: Path, name: str) -> bool:
    """Whether `name` is there, and be it a link; reading it will say so."""
    return confined.kind(workspace, name) is not None


def defaults(code: bytes, class_name: str) -> dict[str, bool | int | float | str]:
    """Give the plain defaults of a class's constructor by the names of its arguments; what is computed is left out."""
    classes = (n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.ClassDef) and n.name == class_name)
    made = (f for c in classes for f in c.body if isinstance(f, ast.FunctionDef) and f.name == "__init__")
    found: dict[str, bool | int | float | str] = {}
    for arguments in (constructor.args for constructor in made):
        names = [*arguments.posonlyargs, *arguments.args]
        last = names[len(names) - len(arguments.defaults) :]
        for name, value in (
            *zip(last, arguments.defaults, strict=True),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ):
            if isinstance(value, ast.Constant) and isinstance(value.value, bool | int | float | str):
                found[name.arg] = value.value
    return found
