"""Fold what the training watch reported into a summary. Pure; the lines come from the candidate's own process.

The watch inside shares a process with the code it watches, so its lines are bounded and checked here like any other
input, and nothing that must hold against a dishonest script rests on them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from ml_intern.core.live import Metric

MAX_LINE = 8192
"""Characters that a line may have."""
MAX_POINTS = 1000
_TEXT = 400
_STEPS = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Numbers before one optimizer step; `values` may have loss, gradient_norm, learning_rate and seconds."""

    optimizer: int
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diverged:
    """The watch stopped the training at `step`; `trail` holds the last losses, as text where not finite."""

    optimizer: int
    step: int
    reason: str
    where: str
    trail: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled:
    """No step for `seconds`; `stack` says where the main thread stood, innermost frame first."""

    step: int
    seconds: float
    stack: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One optimizer's training at the end of the process; `watch_seconds` of CPU time went into the watch."""

    optimizer: int
    name: str
    steps: int
    device: str
    watch_seconds: float


WatchLine: TypeAlias = Point | Diverged | Stalled | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSummary:
    """What the watch saw of the optimizer with the most steps.

    `diverged` and `stalled` are sentences; the first is None where the training went on and ended well after it.
    `points` are at most `MAX_POINTS`, evenly thinned, first and last kept.
    """

    steps: int
    optimizer: str
    first_loss: float | None
    last_loss: float | None
    device: str
    diverged: str | None
    stalled: str | None
    points: tuple[Point, ...]
    watch_seconds: float


def read(line: str) -> WatchLine | None:
    """Check one line; None if it is none of the watch's."""
    fields = _fields(line)
    match fields:
        case {"kind": "step", "optimizer": int(optimizer), "step": int(step)} if 0 < step < _STEPS:
            return Point(optimizer=optimizer, step=step, values=_numbers(fields))
        case {"kind": "diverged", "optimizer": int(optimizer), "step": int(step), "reason": str(reason)}:
            where, trail = fields.get("where"), fields.get("trail")
            return Diverged(
                optimizer=optimizer,
                step=step,
                reason=_plain(reason),
                where=_plain(where),
                trail=tuple(_loss(item) for item in _items(trail)),
            )
        case {"kind": "stall", "step": int(step), "seconds": int() | float() as seconds}:
            return Stalled(step=step, seconds=float(seconds), stack=tuple(map(_plain, _items(fields.get("stack")))))
        case {
            "kind": "end",
            "optimizer": int(optimizer),
            "name": str(name),
            "steps": int(steps),
            "device": str(device),
        }:
            cost = _numbers(fields).get("watch_seconds", 0.0)
            return Ended(optimizer=optimizer, name=_plain(name), steps=steps, device=_plain(device), watch_seconds=cost)
        case _:
            return None


def summarize(lines: Iterable[WatchLine]) -> WatchSummary:
    """Fold the lines of one process, in their order."""
    seen = list(lines)
    steps = _steps(seen)
    busiest = max(steps, key=lambda number: steps[number], default=0)
    points = [line for line in seen if isinstance(line, Point) and line.optimizer == busiest]
    ended = next((line for line in reversed(seen) if isinstance(line, Ended) and line.optimizer == busiest), None)
    losses = [point.values["loss"] for point in points if "loss" in point.values]
    return WatchSummary(
        steps=steps.get(busiest, 0),
        optimizer=ended.name if ended else "unknown",
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
        device=ended.device if ended else "unknown",
        diverged=_diverged(seen),
        stalled=_stalled(seen),
        points=_thinned(points),
        watch_seconds=ended.watch_seconds if ended else 0.0,
    )


def metric(point: Point, *, call_id: str, total: int | None) -> Metric:
    """Give a point as a live event; a second optimizer's numbers get names of their own."""
    suffix = f".{point.optimizer + 1}" if point.optimizer else ""
    values = {f"{name}{suffix}": value for name, value in point.values.items()}
    return Metric(call_id=call_id, step=point.step, values=values, total=total)


def _fields(line: str) -> Mapping[str, object]:
    if len(line) > MAX_LINE:
        return {}
    try:
        fields: object = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, object]", fields) if isinstance(fields, dict) else {}


def _numbers(fields: Mapping[str, object]) -> dict[str, float]:
    names = ("loss", "gradient_norm", "learning_rate", "seconds", "watch_seconds")
    given = {name: fields.get(name) for name in names}
    return {name: float(v) for name, v in given.items() if isinstance(v, int | float) and math.isfinite(v)}


def _items(value: object) -> Sequence[object]:
    return cast("list[object]", value)[:16] if isinstance(value, list) else ()


def _plain(value: object) -> str:
    """Keep text short and free of control characters: it reaches terminals and the language model."""
    text = value if isinstance(value, str) else ""
    return "".join(c if c.isprintable() else " " for c in text[:_TEXT])


def _loss(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else _plain(value)[:16]


def _steps(lines: Sequence[WatchLine]) -> dict[int, int]:
    """Count steps per optimizer; a process that was killed has no end line, its last point counts."""
    steps: dict[int, int] = {}
    for line in lines:
        match line:
            case Point(optimizer=number, step=step) | Ended(optimizer=number, steps=step):
                steps[number] = max(steps.get(number, 0), step)
            case _:
                pass
    return steps


def _diverged(lines: Sequence[WatchLine]) -> str | None:
    last: Diverged | None = None
    for line in lines:
        if isinstance(line, Diverged):
            last = line
        elif last and isinstance(line, Point) and "loss" in line.values and _later(line, last):
            last = None
    if last is None:
        return None
    return f"at step {last.step}, {last.reason}. Losses: {' → '.join(last.trail)}. {last.where}".rstrip()


def _later(point: Point, diverged: Diverged) -> bool:
    return point.optimizer > diverged.optimizer or (
        point.optimizer == diverged.optimizer and point.step > diverged.step
    )


def _stalled(lines: Sequence[WatchLine]) -> str | None:
    last = next((line for line in reversed(lines) if isinstance(line, Stalled)), None)
    if last is None:
        return None
    return f"no step for {last.seconds:.0f} s after step {last.step}, at {' < '.join(last.stack)}"


def _thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    stride = -(-len(points) // (MAX_POINTS - 1)) or 1
    kept = list(points[::stride])
    return tuple(kept if not points or kept[-1] is points[-1] else [*kept, points[-1]])
