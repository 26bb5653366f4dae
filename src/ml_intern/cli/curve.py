"""Draw what the watch saw of each training of a run, also while it runs: loss, gradient norm and learning rate."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ml_intern.cli.terminal import Terminal
from ml_intern.core.protocols import RunPaths

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 60
POINTS = 1000
"""Points of a curve at most, in JSON."""
WIDE = 100
"""Times that the largest value is the least, from which on a curve is drawn by its logarithm."""
_MAX = 32 << 20
_SHOWN = ("loss", "gradient_norm", "learning_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One optimizer's training in the call `call`: a mapping of numbers by name for each step that was reported."""

    call: str
    optimizer: int
    rank: int
    points: tuple[Mapping[str, float], ...]


def curves(directory: Path) -> Iterator[Curve]:
    """Give the curves of a run, call by call, at most `POINTS` points each, the last one kept."""
    calls = RunPaths(root=directory).root / "calls"
    for file in sorted(calls.glob("*/metrics.jsonl"), key=lambda file: file.stat().st_mtime):
        found: dict[tuple[int, int], list[Mapping[str, float]]] = {}
        for entry in _entries(file):
            found.setdefault((int(entry.get("optimizer", 0)), int(entry.get("rank", 0))), []).append(entry)
        for (optimizer, rank), points in sorted(found.items()):
            yield Curve(call=file.parent.name, optimizer=optimizer, rank=rank, points=_thinned(points))


def _entries(file: Path) -> Iterator[Mapping[str, float]]:
    """Read whole lines; the last one may be half written while a training runs."""
    with file.open(encoding="utf-8", errors="replace") as stream:
        for line in stream.read(_MAX).splitlines():
            try:
                entry: object = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and "step" in entry:
                named = cast("dict[str, object]", entry)
                yield {name: value for name, value in named.items() if isinstance(value, int | float)}


def _thinned(points: Sequence[Mapping[str, float]]) -> tuple[Mapping[str, float], ...]:
    stride = -(-len(points) // (POINTS - 1))
    kept = list(points[::stride])
    return tuple(kept if kept[-1] is points[-1] else [*kept, points[-1]])


def print_curves(directory: Path, terminal: Terminal, *, as_json: bool) -> None:
    """Print each curve as a line of blocks for each number, or as a JSON object."""
    found = list(curves(directory))
    for curve in found:
        if as_json:
            numbers = {"call": curve.call, "optimizer": curve.optimizer, "rank": curve.rank, "points": curve.points}
            terminal.json(numbers)
        else:
            for line in drawn(curve):
                terminal.data(line)
    if not found:
        terminal.note("ml-intern: no training of this run has made a step yet")


def drawn(curve: Curve) -> Iterator[str]:
    """Give the lines of text that show a curve."""
    more = (f", optimizer {curve.optimizer + 1}" if curve.optimizer else "") + (
        f", rank {curve.rank}" if curve.rank else ""
    )
    yield f"{curve.call}{more}: {curve.points[-1]['step']:.0f} steps"
    for name in _SHOWN:
        series = [(point["step"], point[name]) for point in curve.points if name in point]
        if series:
            values = [value for _, value in series]
            step, least = min(series, key=lambda pair: pair[1])
            yield f"  {name:<13} {spark(values)}"
            yield f"  {'':<13} {values[0]:.4g} → {values[-1]:.4g}, least {least:.4g} at step {step:.0f}"


def spark(values: Sequence[float], width: int = WIDTH) -> str:
    """Draw values as blocks, the mean of each part of the curve; by the logarithm where they span decades."""
    parts = [values[len(values) * n // width : len(values) * (n + 1) // width] for n in range(width)]
    means = [math.fsum(part) / len(part) for part in parts if part]
    low, high = min(means), max(means)
    if low > 0 and high > WIDE * low:
        means = [math.log(mean) for mean in means]
        low, high = min(means), max(means)
    if high == low:
        return BLOCKS[0] * len(means)
    return "".join(BLOCKS[round((mean - low) / (high - low) * (len(BLOCKS) - 1))] for mean in means)
