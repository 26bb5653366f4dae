"""The exact source of a network: its file, the workspace's modules it imports, and one digest over them."""

from __future__ import annotations

import ast
import hashlib
import os
import stat
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

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
    """Open folder by folder without following links: code in the sandbox may swap a folder while we look."""
    *folders, last = PurePosixPath(name).parts
    with ExitStack() as opened:
        try:
            place = _open(opened, str(workspace), os.O_DIRECTORY, None)
            for folder in folders:
                place = _open(opened, folder, os.O_DIRECTORY | os.O_NOFOLLOW, place)
            file = _open(opened, last, os.O_NOFOLLOW | os.O_NONBLOCK, place)
        except FileNotFoundError as error:
            raise ToolError(f"{name} is not in the workspace; {_present(workspace)}") from error
        except OSError as error:
            raise ToolError(f"{name} cannot be read ({error.strerror}); links are not followed: put a copy") from error
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise ToolError(f"{name} is no ordinary file; write the code to an ordinary .py file")
        with os.fdopen(os.dup(file), "rb") as stream:
            content = stream.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise ToolError(f"{name} is over 1 MiB; keep data out of source files, and load it in the training script")
    return content


def _open(opened: ExitStack, name: str, flags: int, place: int | None) -> int:
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=place)
    opened.callback(os.close, descriptor)
    return descriptor


def _present(workspace: Path) -> str:
    names = sorted(str(path.relative_to(workspace)) for path in workspace.glob("**/*.py"))
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
        if folder.parts and init != name and os.path.lexists(workspace / init):
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
    if node.module and not os.path.lexists(_without_suffix(workspace, base)):
        missing = "/".join(base) + ".py"
        raise ToolError(f"{name}:{node.lineno}: {missing} is not in the workspace; write it or correct the import")
    for alias in node.names:
        yield from _found(workspace, [*base, alias.name])


def _without_suffix(workspace: Path, module: list[str]) -> Path:
    folder = workspace.joinpath(*module)
    return folder if os.path.lexists(folder) else folder.with_name(f"{folder.name}.py")


def _found(workspace: Path, module: list[str]) -> Iterator[str]:
    """Name the files that importing `module` runs, in the order of Python's own search."""
    for depth in range(1, len(module) + 1):
        stem = "/".join(module[:depth])
        if os.path.lexists(workspace / stem / "__init__.py"):
            yield f"{stem}/__init__.py"
        elif os.path.lexists(workspace / f"{stem}.py"):
            yield f"{stem}.py"
            return
        elif not (workspace / stem).is_dir():
            return
