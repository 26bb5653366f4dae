"""Fold what the training watch reported into a summary. Pure; the lines come from the candidate's own process.

The watch inside shares a process with the code it watches, so its lines are bounded and checked here like any other
input, and nothing that must hold against a dishonest script rests on them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from ml_intern.core.live import Metric
from ml_intern.core.neutral import one_line

MAX_LINE = 8192
"""Characters that a line may have."""
MAX_POINTS = 1000
_TEXT = 400
_STEPS = 10**12

State: TypeAlias = Literal["last", "step", "average", "other"]
_STATES = frozenset(get_args(State))

NUMBERS = (
    "loss",
    "gradient_norm",
    "learning_rate",
    "seconds",
    "samples",
    "steps_per_second",
    "samples_per_second",
    "memory",
    "factor",
    "clip",
    "watch_seconds",
    "calls",
    "distinct",
)
"""What a line may say in numbers; `memory` in bytes, `samples` and `seconds` since the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Numbers before one optimizer step; the names in `values` are those of `NUMBERS`, as far as they are known.

    `rank` is that of a distributed training, or the number of the child process; 0 is the script's own process.
    """

    optimizer: int
    step: int
    values: Mapping[str, float]
    rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Diverged:
    """The watch stopped the training at `step`; `trail` holds the last losses, as text where not finite."""

    optimizer: int
    step: int
    reason: str
    where: str
    trail: tuple[str, ...]
    kept: int | None = None
    """Step of the last healthy state, which lies beside the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The watch went back to the state before step `back`; the learning rate is `factor` times the script's since."""

    step: int
    reason: str
    where: str
    back: int
    factor: float
    clip: float

    def __str__(self) -> str:
        where = f" {self.where}" if self.where else ""
        return (
            f"step {self.step}: {self.reason}.{where} Back to the state before step {self.back}, learning rate times "
            f"{self.factor:.0e}, gradients clipped at {self.clip:.3g}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something that does not stop a training but may spoil it: plateau, divergence, dead gradient, memory."""

    step: int
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """Which state the file with this `digest` holds: of the last step, of `step`, an average of states, or another."""

    digest: str
    state: State
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The hyperparameters that the script never read."""

    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled:
    """No step for `seconds`; `stack` says where the main thread stood, innermost frame first.

    `waits`: it does not work meanwhile, so that nothing will come of it.
    """

    step: int
    seconds: float
    stack: tuple[str, ...]
    waits: bool = False
    rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One optimizer's training at the end of the process; `watch_seconds` of CPU time went into the watch."""

    optimizer: int
    name: str
    steps: int
    device: str
    watch_seconds: float
    rank: int = 0
    calls: int = 0
    distinct: int = 0


WatchLine: TypeAlias = Point | Diverged | Recovered | Warned | Stalled | Saved | Settings | Ended


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
    hangs: bool = False
    kept: int | None = None
    samples: int = 0
    recovered: tuple[Recovered, ...] = ()
    warned: tuple[Warned, ...] = ()
    saved: Saved | None = None
    unread: tuple[str, ...] = ()
    calls: int = 0
    distinct: int = 0


def read(line: str) -> WatchLine | None:
    """Check one line; None if it is none of the watch's."""
    fields = _fields(line)
    match fields:
        case {"kind": "step", "optimizer": int(optimizer), "step": int(step)} if 0 < step < _STEPS:
            return Point(optimizer=optimizer, step=step, values=_numbers(fields), rank=_rank(fields))
        case {"kind": "diverged", "optimizer": int(optimizer), "step": int(step), "reason": str(reason)}:
            where, trail, kept = fields.get("where"), fields.get("trail"), fields.get("kept")
            return Diverged(
                optimizer=optimizer,
                step=step,
                reason=_plain(reason),
                where=_plain(where),
                trail=tuple(_loss(item) for item in _items(trail)),
                kept=kept if isinstance(kept, int) else None,
            )
        case {"kind": "stall", "step": int(step), "seconds": int() | float() as seconds}:
            stack = tuple(map(_plain, _items(fields.get("stack"))))
            waits = fields.get("waits") is True
            return Stalled(step=step, seconds=float(seconds), stack=stack, waits=waits, rank=_rank(fields))
        case {
            "kind": "end",
            "optimizer": int(optimizer),
            "name": str(name),
            "steps": int(steps),
            "device": str(device),
        }:
            numbers = _numbers(fields)
            return Ended(
                optimizer=optimizer,
                name=_plain(name),
                steps=steps,
                device=_plain(device),
                watch_seconds=numbers.get("watch_seconds", 0.0),
                calls=int(numbers.get("calls", 0)),
                distinct=int(numbers.get("distinct", 0)),
                rank=_rank(fields),
            )
        case _:
            return _remark(fields)


def _remark(fields: Mapping[str, object]) -> WatchLine | None:
    """Check a line that is said of a training beside its numbers."""
    match fields:
        case {"kind": "recovered", "step": int(step), "reason": str(reason), "back": int(back)}:
            numbers = _numbers(fields)
            return Recovered(
                step=step,
                reason=_plain(reason),
                where=_plain(fields.get("where")),
                back=back,
                factor=numbers.get("factor", 1.0),
                clip=numbers.get("clip", math.inf),
            )
        case {"kind": "warning", "step": int(step), "name": str(name), "text": str(text)}:
            return Warned(step=step, name=_plain(name), text=_plain(text))
        case {"kind": "saved", "digest": str(digest), "state": str(state), "step": int(step)} if state in _STATES:
            return Saved(digest=_plain(digest), state=cast("State", state), step=step)
        case {"kind": "settings", "unread": list()}:
            return Settings(unread=tuple(map(_plain, _items(fields.get("unread")))))
        case _:
            return None


def summarize(lines: Iterable[WatchLine]) -> WatchSummary:
    """Fold the lines of one process, in their order."""
    seen = list(lines)
    steps = _steps(seen)
    rank, busiest = max(steps, key=lambda key: steps[key], default=(0, 0))
    points = [line for line in seen if isinstance(line, Point) and (line.rank, line.optimizer) == (rank, busiest)]
    ends = [line for line in seen if isinstance(line, Ended) and (line.rank, line.optimizer) == (rank, busiest)]
    ended = ends[-1] if ends else None
    losses = [point.values["loss"] for point in points if "loss" in point.values]
    return WatchSummary(
        steps=steps.get((rank, busiest), 0),
        optimizer=ended.name if ended else "unknown",
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
        device=ended.device if ended else "unknown",
        diverged=_diverged(seen),
        stalled=_stalled(seen),
        points=_thinned(points),
        watch_seconds=ended.watch_seconds if ended else 0.0,
        hangs=hang(seen),
        kept=next((line.kept for line in reversed(seen) if isinstance(line, Diverged)), None),
        samples=int(max((point.values.get("samples", 0.0) for point in points), default=0.0)),
        recovered=tuple(line for line in seen if isinstance(line, Recovered)),
        warned=tuple(line for line in seen if isinstance(line, Warned))[:8],
        saved=next((line for line in reversed(seen) if isinstance(line, Saved)), None),
        unread=next((line.unread for line in reversed(seen) if isinstance(line, Settings)), ()),
        calls=ended.calls if ended else 0,
        distinct=ended.distinct if ended else 0,
    )


def metric(point: Point, *, call_id: str, total: int | None) -> Metric:
    """Give a point as a live event; a second optimizer's numbers get names of their own."""
    suffix = (f".{point.optimizer + 1}" if point.optimizer else "") + (f".rank{point.rank}" if point.rank else "")
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
    given = {name: fields.get(name) for name in NUMBERS}
    return {name: float(v) for name, v in given.items() if isinstance(v, int | float) and math.isfinite(v)}


def _rank(fields: Mapping[str, object]) -> int:
    rank = fields.get("rank", 0)
    return rank if isinstance(rank, int) and 0 <= rank < _STEPS else 0


def _items(value: object) -> Sequence[object]:
    return cast("list[object]", value)[:16] if isinstance(value, list) else ()


def _plain(value: object) -> str:
    """Keep text short and free of control characters: it reaches terminals and the language model."""
    text = value if isinstance(value, str) else ""
    return one_line(text, _TEXT)


def _loss(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else _plain(value)[:16]


def _steps(lines: Sequence[WatchLine]) -> dict[tuple[int, int], int]:
    """Count steps per rank and optimizer: what its end says; where a process was killed, its last point."""
    points: dict[tuple[int, int], int] = {}
    ends: dict[tuple[int, int], int] = {}
    for line in lines:
        match line:
            case Point():
                key = (line.rank, line.optimizer)
                points[key] = max(points.get(key, 0), line.step)
            case Ended():
                ends[line.rank, line.optimizer] = line.steps
            case _:
                pass
    return points | ends


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
    last = {line.rank: line for line in lines if isinstance(line, Stalled)}
    if not last:
        return None
    told = [
        (f"rank {rank}: " if len(last) > 1 else "")
        + f"no step for {line.seconds:.0f} s after step {line.step}, at {' < '.join(line.stack)}"
        for rank, line in sorted(last.items())
    ]
    return "; ".join(told)


def hang(lines: Sequence[WatchLine]) -> bool:
    """Say whether all processes that have made steps wait for what does not come; before any step, whether one does.

    A process that waits at a barrier for one that works is no hang, and neither is a parent that waits for children.
    """
    stalled: dict[int, bool] = {}
    trains: set[int] = set()
    steps: dict[int, int] = {}
    for line in lines:
        if isinstance(line, Stalled):
            stalled[line.rank], steps[line.rank] = line.waits, line.step
            trains |= {line.rank} if line.step else set()
        elif isinstance(line, Point):
            trains.add(line.rank)
            if line.step > steps.get(line.rank, 0):
                stalled[line.rank] = False
    known = trains or set(stalled)
    return bool(known) and all(stalled.get(rank, False) for rank in known)


def _thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    stride = -(-len(points) // (MAX_POINTS - 1)) or 1
    kept = list(points[::stride])
    return tuple(kept if not points or kept[-1] is points[-1] else [*kept, points[-1]])
