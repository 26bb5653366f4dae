"""A metric of the person's own: `file.py:function`, kept with the run so that a resume scores with the same."""

from __future__ import annotations

import ast
import shutil
from dataclasses import dataclass
from pathlib import Path

from ml_intern.core.errors import ConfigError
from ml_intern.core.protocols import RunPaths
from ml_intern.evaluation.evaluator import OwnMetric


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFile:
    """Where the person's metric stands."""

    file: Path
    function: str


def own_metric_file(reference: str) -> MetricFile:
    """Read `file.py:function`; the file is parsed, never run here.

    Raises:
        ConfigError: there is no such file or function.
    """
    name, _, function = reference.rpartition(":")
    file = Path(name).expanduser()
    if file.suffix != ".py" or not file.is_file():
        raise ConfigError(f"{reference!r} is no metric: give file.py:function, with a file that exists")
    try:
        defined = [node.name for node in ast.parse(file.read_bytes()).body if isinstance(node, ast.FunctionDef)]
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{file} is no Python: {error}") from error
    if function not in defined:
        raise ConfigError(f"{file} defines no function {function!r}; it has: {', '.join(defined) or 'none'}")
    return MetricFile(file=file, function=function)


def keep_metric(given: MetricFile, paths: RunPaths) -> None:
    """Copy the file into the run, once: `metric/<function>/<file>`."""
    folder = paths.root / "metric"
    if folder.exists():
        return
    partial = paths.root / "metric.partial"
    (partial / given.function).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(given.file, partial / given.function / "metric.py")
    partial.rename(folder)


def own_metric(paths: RunPaths) -> OwnMetric | None:
    """Give the metric that the person brought for this run, if any."""
    found = sorted((paths.root / "metric").glob("*/*.py"))
    return OwnMetric(folder=found[0].parent, name=found[0].parent.name) if found else None
