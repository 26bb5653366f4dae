"""The checks there are, read from the source of their modules: they import torch and cannot be loaded on the host."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_intern import plugins
from ml_intern.core.errors import ConfigError

PROBES = Path(__file__).parent / "probes"
FAMILIES = (
    "static",
    "fake",
    "output",
    "loss",
    "gradients",
    "invariances",
    "structure",
    "data",
    "loop",
    "learning",
)
"""In order of cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckEntry:
    """One check: `cost` is free, cheap, moderate or dear; `idea` the first paragraph of its module."""

    name: str
    family: str
    cost: str
    needs: tuple[str, ...]
    idea: str
    source: str
    file: Path


def entries() -> tuple[CheckEntry, ...]:
    """Give every built-in check and those of plug-ins, by family and name.

    Raises:
        ConfigError: a plug-in cannot be found or holds no check.
    """
    own = [file for family in FAMILIES for file in sorted((PROBES / "checks" / family).glob("*.py"))]
    found = [entry for file in (*own, *plugin_files()) for entry in _read(file)]
    return tuple(sorted(found, key=lambda entry: (FAMILIES.index(entry.family), entry.name)))


def plugin_files() -> tuple[Path, ...]:
    """Give the files that entry points of the group `ml_intern.checks` name, without importing them.

    Raises:
        ConfigError: a module cannot be found.
    """
    return tuple(_file(name, path) for name, path in plugins.names("checks").items())


def known(names: Sequence[str]) -> tuple[str, ...]:
    """Give `names` back when every one is a check or a family; families become their checks.

    Raises:
        ConfigError: one is neither.
    """
    checks = entries()
    chosen: list[str] = []
    for name in names:
        matching = [entry.name for entry in checks if name in {entry.name, entry.family}]
        if not matching:
            told = ", ".join([*FAMILIES, *(entry.name for entry in checks)])
            raise ConfigError(f"no check or family is called {name!r}; known: {told}")
        chosen += matching
    return tuple(dict.fromkeys(chosen))


def _file(name: str, path: str) -> Path:
    module = path.partition(":")[0]
    try:
        spec = importlib.util.find_spec(module)
    except ImportError as error:
        raise ConfigError(f"the check {name!r} ({path}) cannot be found: {error}") from error
    if spec is None or spec.origin is None:
        raise ConfigError(f"the check {name!r} ({path}) cannot be found: no such module")
    return Path(spec.origin)


def _read(file: Path) -> Iterator[CheckEntry]:
    tree = ast.parse(file.read_text("utf-8"), str(file))
    idea, _, source = (ast.get_docstring(tree) or "").partition("\n\nSource: ")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "check":
                    given = {pair.arg: ast.literal_eval(pair.value) for pair in mark.keywords if pair.arg}
                    yield CheckEntry(
                        name=node.name.replace("_", "-"),
                        family=given["family"],
                        cost=given["cost"],
                        needs=given.get("needs", ()),
                        idea=" ".join(idea.split("\n\n")[0].split()),
                        source=" ".join(source.split()),
                        file=file,
                    )
