"""Find the checks: every module of the families below this folder, and files that plug-ins bring."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from probes.checks.base import COSTS, FAMILIES, Check

_HERE = Path(__file__).parent


def all_checks(plugins: Sequence[str] = ()) -> list[Check]:
    """Give every check, ordered by family and cost; `plugins` are files with further ones."""
    modules = [*_own(), *(_plugin(Path(file)) for file in plugins)]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Check)]
    unique = {check.name: check for check in found}
    return sorted(unique.values(), key=lambda c: (FAMILIES.index(c.family), COSTS.index(c.cost), c.name))


def _own() -> Iterator[ModuleType]:
    for family in FAMILIES:
        for file in sorted((_HERE / family).glob("*.py")):
            if file.stem != "__init__":
                yield importlib.import_module(f"probes.checks.{family}.{file.stem}")


def _plugin(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ml_intern_check_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
