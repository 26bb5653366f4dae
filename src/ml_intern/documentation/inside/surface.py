"""Find the public names of an installed package, and what each stands for, without importing it.

A name is public where a module whose path has no underscore exports it: by `__all__`; without one, by defining it, or,
in a package's `__init__`, by importing it from the same package. What is exported in several places is called by the
shortest path; the others are its aliases.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from entries import Entry, entries_of, native_entry
from natives import Attached, attached
from tables import Alias, Definition, Import, Module, Native, dotted, read_module

_SKIPPED = re.compile(
    r"(^|/)(tests?|_?vendor|third_party|benchmarks?|examples)/|(^|/)(convert_|modular_|dummy_|conftest|test_)[^/]*$"
)
_DEEPEST = 30
"""Imports that are followed from one name; a circle of imports ends there."""
Found: TypeAlias = tuple[Module, str, Definition]


class Surface:
    """The modules of one top-level package or module, read as they are needed."""

    def __init__(self, site: Path, top: str) -> None:
        self._site = site
        self._top = top
        self._modules: dict[tuple[str, bool], Module | None] = {}
        self._attached: dict[str, list[Attached]] = defaultdict(list)
        self._exports: dict[str, frozenset[str]] = {}
        self._resolved: dict[tuple[str, str], Found | None] = {}
        for path in self._files(".py"):
            for one in attached(path, site):
                self._attached[one.place].append(one)

    def entries(self) -> Iterator[tuple[Entry, tuple[str, ...]]]:
        """Give every entry with its aliases."""
        found: dict[tuple[str, str], Found] = {}
        paths: dict[tuple[str, str], set[str]] = defaultdict(set)
        for module in self._public():
            if module.doc or module.is_package:
                yield Entry(name=module.name, kind="module", signature="", doc=module.doc, file=module.file, line=1), ()
            for name in self._exported(module):
                if (target := self.resolve(module.name, name)) is not None:
                    key = (target[0].name, target[1])
                    found[key] = target
                    paths[key].add(f"{module.name}.{name}")
        for target in list(found.values()):
            self._add_bases(target, found)
        for key, target in found.items():
            name, *aliases = sorted({*paths[key], ".".join(key)}, key=_order)
            yield from self._described(name, tuple(aliases), target)

    def _add_bases(self, target: Found, found: dict[tuple[str, str], Found]) -> None:
        """Add the classes that a public one inherits from, for what it inherits: many of them are private."""
        if not isinstance(target[2], ast.ClassDef):
            return
        for base in filter(None, map(dotted, target[2].bases)):
            owner = self._dotted(target[0], base, 0)
            if owner is not None and (owner[0].name, owner[1]) not in found:
                found[owner[0].name, owner[1]] = owner
                self._add_bases(owner, found)

    def resolve(self, module: str, name: str, depth: int = 0) -> Found | None:
        """Follow imports and assignments from a name to its definition in this package."""
        if depth > _DEEPEST or module.partition(".")[0] != self._top:
            return None
        if (module, name) not in self._resolved:
            self._resolved[module, name] = (
                None  # what is asked for on the way to itself is found elsewhere or not at all
            )
            self._resolved[module, name] = self._followed(module, name, depth)
        return self._resolved[module, name]

    def _followed(self, module: str, name: str, depth: int) -> Found | None:
        for is_stub in (False, True):
            table = self._module(module, is_stub=is_stub)
            if table is not None and (found := self._in(table, name, depth)) is not None:
                return found
        return None

    def _in(self, table: Module, name: str, depth: int) -> Found | None:
        target = table.names.get(name)
        if isinstance(target, Import):
            imported = self.resolve(target.module, target.name, depth + 1) if target.name is not None else None
            if imported is not None:
                return imported
        elif isinstance(target, Alias):
            if (aliased := self._dotted(table, target.dotted, depth + 1)) is not None:
                return aliased
        elif target is not None:
            return table, name, target
        for star in table.stars:
            if name in self._all_of(star) and (found := self.resolve(star, name, depth + 1)) is not None:
                return found
        return None

    def _dotted(self, table: Module, path: str, depth: int) -> Found | None:
        """Follow `a.b`: a name of a module, or of a class's body."""
        first, _, rest = path.partition(".")
        if not rest:
            return self.resolve(table.name, first, depth)
        target = table.names.get(first)
        if isinstance(target, Import):
            module = target.module if target.name is None else f"{target.module}.{target.name}"
            head, _, last = rest.rpartition(".")
            found = self.resolve(".".join(filter(None, (module, head))), last, depth)
            if found is not None:
                return found
        owner = self.resolve(table.name, first, depth)
        if owner is None or not isinstance(owner[2], ast.ClassDef):
            return None
        methods = [node for node in owner[2].body if isinstance(node, ast.FunctionDef) and node.name == rest]
        return (owner[0], f"{owner[1]}.{rest}", methods[0]) if methods else None

    def _described(self, name: str, aliases: tuple[str, ...], target: Found) -> Iterator[tuple[Entry, tuple[str, ...]]]:
        module, own, definition = target
        for entry in entries_of(name, definition, module):
            tail = entry.name[len(name) :]
            yield self._with_bases(self._borrowed(entry, definition, module), module), tuple(a + tail for a in aliases)
        for place in {name, f"{module.name}.{own}"}:
            for one in self._attached.get(place, ()):
                if not one.name.startswith("_"):
                    yield native_entry(f"{name}.{one.name}", one.native, kind="method"), ()

    def _borrowed(self, entry: Entry, definition: Definition, module: Module) -> Entry:
        """Take the documentation that a decorator copies from what it is given, as pyplot's functions do."""
        if entry.doc or not isinstance(definition, ast.FunctionDef):
            return entry
        calls = [decorator for decorator in definition.decorator_list if isinstance(decorator, ast.Call)]
        for path in filter(None, (dotted(argument) for call in calls for argument in call.args)):
            found = self._dotted(module, path, 0)
            if found is not None and isinstance(found[2], ast.FunctionDef) and (doc := ast.get_docstring(found[2])):
                return replace(entry, doc=doc)
        return entry

    def _with_bases(self, entry: Entry, module: Module) -> Entry:
        """Write the bases of a class as paths that can be looked up."""
        return replace(entry, bases=tuple(self._path(module, base) for base in entry.bases)) if entry.bases else entry

    def _path(self, module: Module, base: str) -> str:
        if (found := self._dotted(module, base, 0)) is not None:
            return f"{found[0].name}.{found[1]}"
        first, _, rest = base.partition(".")
        target = module.names.get(first)
        if not isinstance(target, Import):
            return base
        return ".".join(filter(None, (target.module, target.name, rest)))

    def _exported(self, module: Module) -> Sequence[str]:
        if module.exported is not None:
            return module.exported
        attached_here = [one.name for one in self._attached.get(module.name, ())]
        own = [name for name, target in module.names.items() if module.is_package or not isinstance(target, Import)]
        stars = [name for star in module.stars for name in self._all_of(star)] if module.is_package else []
        return [name for name in dict.fromkeys([*own, *stars, *attached_here]) if not name.startswith("_")]

    def _all_of(self, name: str) -> frozenset[str]:
        """Give what `from name import *` brings."""
        if name not in self._exports:
            self._exports[name] = frozenset()  # a circle brings nothing more
            tables = [self._module(name, is_stub=is_stub) for is_stub in (False, True)]
            table = next((one for one in tables if one is not None), None)
            self._exports[name] = self._star(table) if table is not None else frozenset()
        return self._exports[name]

    def _star(self, table: Module) -> frozenset[str]:
        if table.exported is not None:
            return frozenset(table.exported)
        names = {*table.names, *(name for star in table.stars for name in self._all_of(star))}
        return frozenset(name for name in names if not name.startswith("_"))

    def _public(self) -> Iterator[Module]:
        for suffix in (".py", ".pyi"):
            for path in self._files(suffix):
                name = _module_name(path.relative_to(self._site))
                if any(part.startswith("_") for part in name.split(".")):
                    continue
                is_stub = suffix == ".pyi"
                if is_stub and self._module(name, is_stub=False) is not None:
                    continue
                if (module := self._module(name, is_stub=is_stub)) is not None:
                    yield module

    def _files(self, suffix: str) -> list[Path]:
        folder = self._site / self._top
        single = [folder.with_suffix(suffix)] if folder.with_suffix(suffix).is_file() else []
        found = single + (sorted(folder.rglob(f"*{suffix}")) if folder.is_dir() else [])
        return [path for path in found if not _SKIPPED.search(path.relative_to(self._site).as_posix())]

    def _module(self, name: str, *, is_stub: bool) -> Module | None:
        key = (name, is_stub)
        if key not in self._modules:
            self._modules[key] = self._read(name, ".pyi" if is_stub else ".py")
        return self._modules[key]

    def _read(self, name: str, suffix: str) -> Module | None:
        place = self._site.joinpath(*name.split("."))
        path = next(
            (p for p in (place / f"__init__{suffix}", place.with_name(place.name + suffix)) if p.is_file()), None
        )
        module = read_module(name, path, self._site) if path is not None else None
        if module is not None and suffix == ".py":
            for one in self._attached.get(name, ()):
                if not isinstance(module.names.get(one.name), Native):
                    module.names[one.name] = one.native
        return module


def _order(path: str) -> tuple[bool, int, int, str]:
    """Sort public paths first, then short ones."""
    parts = path.split(".")
    return any(part.startswith("_") for part in parts), len(parts), len(path), path


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
