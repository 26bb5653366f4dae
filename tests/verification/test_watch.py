"""The summary of a training is folded from lines that a dishonest process may have written."""

from __future__ import annotations

import importlib.util
import json
import math
import random
from pathlib import Path
from types import ModuleType

import pytest

from ml_intern import verification
from ml_intern.core.live import Metric
from ml_intern.verification.watch import MAX_LINE, MAX_POINTS, Point, WatchLine, metric, read, summarize


def line(**fields: object) -> WatchLine:
    parsed = read(json.dumps(fields))
    assert parsed is not None
    return parsed


def step(number: int, loss: float, optimizer: int = 0) -> WatchLine:
    return line(kind="step", optimizer=optimizer, step=number, loss=loss, learning_rate=0.1)


def test_steps_losses_and_the_optimizer_are_taken_from_the_lines() -> None:
    end = line(kind="end", optimizer=0, name="AdamW", steps=9, device="cpu", watch_seconds=0.25)

    summary = summarize([step(1, 2.0), step(9, 0.5), end])

    assert (summary.steps, summary.optimizer, summary.device, summary.watch_seconds) == (9, "AdamW", "cpu", 0.25)
    assert (summary.first_loss, summary.last_loss, summary.diverged, summary.stalled) == (2.0, 0.5, None, None)


def test_a_killed_process_counts_up_to_its_last_line() -> None:
    assert summarize([step(1, 2.0), step(7, 1.0)]).steps == 7


def test_the_optimizer_with_the_most_steps_is_the_one_reported() -> None:
    lines = [step(1, 9.0), step(2, 8.0), step(1, 3.0, optimizer=1), step(50, 1.0, optimizer=1)]

    summary = summarize(lines)

    assert (summary.steps, summary.first_loss, summary.last_loss) == (50, 3.0, 1.0)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "[]",
        "null",
        "{",
        "[" * 5000,
        '{"kind": "step"}',
        '{"kind": "step", "optimizer": 0, "step": "7"}',
        '{"kind": "step", "optimizer": 0, "step": -1}',
        '{"kind": "end", "optimizer": 0, "name": 5, "steps": 1, "device": "cpu"}',
        json.dumps({"kind": "step", "optimizer": 0, "step": 1, "more": "x" * MAX_LINE}),
    ],
)
def test_garbage_is_no_line(garbage: str) -> None:
    assert read(garbage) is None


def test_numbers_that_are_not_finite_and_control_characters_are_left_out() -> None:
    point = read('{"kind": "step", "optimizer": 0, "step": 1, "loss": NaN, "gradient_norm": 1e999, "learning_rate": 1}')
    told = line(kind="diverged", optimizer=0, step=1, reason="\x1b[2Jgone", where=None, trail=[1.0, "nan"])

    assert point == Point(optimizer=0, step=1, values={"learning_rate": 1.0})
    assert summarize([told]).diverged == "at step 1,  [2Jgone. Losses: 1 → nan."


def test_a_divergence_counts_unless_the_training_went_on_with_finite_losses() -> None:
    diverged = line(kind="diverged", optimizer=0, step=5, reason="the loss is nan", where="", trail=[1.0, "nan"])
    last = line(kind="step", optimizer=0, step=5, loss="nan")

    assert summarize([step(4, 1.0), diverged, last]).diverged is not None
    assert summarize([diverged, step(6, 1.0)]).diverged is None
    assert summarize([diverged, step(1, 1.0, optimizer=1)]).diverged is None


def test_a_stall_says_where_the_script_stood() -> None:
    stalled = line(kind="stall", step=3, seconds=130.0, stack=["/source/train.py:9 load", "/source/train.py:20 main"])

    told = summarize([stalled]).stalled

    assert told == "no step for 130 s after step 3, at /source/train.py:9 load < /source/train.py:20 main"


@pytest.mark.parametrize("count", [1, 2, MAX_POINTS - 1, MAX_POINTS, MAX_POINTS + 1, 10 * MAX_POINTS + 7])
def test_points_are_thinned_and_keep_the_first_and_the_last(count: int) -> None:
    points = summarize([step(n, 1.0) for n in range(1, count + 1)]).points

    assert len(points) <= MAX_POINTS
    assert (points[0].step, points[-1].step) == (1, count)


def test_a_second_optimizer_has_metrics_of_its_own() -> None:
    point = Point(optimizer=1, step=3, values={"loss": 2.0})

    assert metric(point, call_id="c", total=9) == Metric(call_id="c", step=3, values={"loss.2": 2.0}, total=9)


@pytest.fixture(scope="module")
def inside() -> ModuleType:
    """The watch that runs in the sandbox; without torch its rule for spikes can be asked."""
    file = Path(verification.__file__).parent / "probes" / "guard" / "watch.py"
    spec = importlib.util.spec_from_file_location("inside_watch", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def falling(seed: int, steps: int = 400) -> list[float]:
    """Losses of a healthy training: an exponential fall with multiplicative noise."""
    noise = random.Random(seed)
    return [(0.1 + 2.2 * math.exp(-n / 80)) * math.exp(noise.gauss(0, 0.25)) for n in range(steps)]


def test_a_loss_that_jumps_is_a_spike_the_third_time_in_a_row(inside: ModuleType) -> None:
    history = inside.LossHistory()
    for loss in falling(0)[:100]:
        assert history.spike(loss) is None

    assert [history.spike(50.0) is not None for _ in range(3)] == [False, False, True]


def test_two_high_losses_between_healthy_ones_are_no_spike(inside: ModuleType) -> None:
    history = inside.LossHistory()
    losses = falling(1)[:100] + [50.0, 50.0, 0.7] * 20

    assert [loss for loss in losses if history.spike(loss)] == []


def test_healthy_trainings_raise_no_alarm(inside: ModuleType) -> None:
    alarms = 0
    for seed in range(50):
        history = inside.LossHistory()
        alarms += any(history.spike(loss) for loss in falling(seed))

    assert alarms == 0
