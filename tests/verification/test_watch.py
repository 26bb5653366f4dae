"""The summary of a training is folded from lines that a dishonest process may have written."""

from __future__ import annotations

import hashlib
import json
import math
import random
from pathlib import Path
from types import ModuleType

import pytest
from spikes import load_rules, losses

from ml_intern.core.live import Metric
from ml_intern.verification.sealed import Seal, key_of
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
    assert summarize([told]).diverged == "at step 1, gone. Losses: 1 → nan."


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
    """The rules of the watch that runs in the sandbox; they need no torch."""
    return load_rules()


def falling(seed: int, steps: int = 400) -> list[float]:
    """Losses of a healthy training: an exponential fall with multiplicative noise."""
    noise = random.Random(seed)
    return [(0.1 + 2.2 * math.exp(-n / 80)) * math.exp(noise.gauss(0, 0.25)) for n in range(steps)]


def test_a_loss_that_jumps_is_a_spike_the_third_time_in_a_row(inside: ModuleType) -> None:
    history = inside.LossHistory()
    for loss in falling(0)[:100]:
        assert history.spike(loss) is None

    assert [history.spike(50.0) is not None for _ in range(3)] == [False, False, True]


def test_a_jump_late_in_a_long_training_may_last_longer_before_it_is_a_spike(inside: ModuleType) -> None:
    history, noise = inside.LossHistory(), random.Random(5)
    for n in range(30_000):
        assert history.spike(0.1 + 2.2 * math.exp(-n / 80) + 0.01 * noise.random()) is None

    for _ in range(50):  # as Adam has them, and comes back
        assert history.spike(1.5) is None
    assert history.spike(0.1) is None
    assert [history.spike(1.5) is not None for _ in range(70)].index(True) == 59


def test_a_jump_that_comes_back_is_no_spike_and_one_that_stays_half_way_is_one(inside: ModuleType) -> None:
    noise = random.Random(2)
    before = [0.02 * math.exp(noise.gauss(0, 0.3)) for _ in range(200)]
    jump = [0.94 * 0.8**n for n in range(15)]  # as Adam makes them at a high rate, when nearly all rows are learnt
    falls, stays = inside.LossHistory(), inside.LossHistory()

    assert not any(falls.spike(loss) for loss in before + jump + before)
    assert not any(stays.spike(loss) for loss in before)
    assert [stays.spike(loss) is not None for loss in [0.94] + [0.4] * 60].index(True) == 52


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


def test_noise_near_zero_is_no_spike_and_a_jump_back_to_the_start_is_one(inside: ModuleType) -> None:
    noise = random.Random(3)
    history = inside.LossHistory()
    losses = [2.3 * math.exp(-n / 20) for n in range(200)] + [1e-4 * math.exp(noise.gauss(0, 3)) for _ in range(500)]

    assert [loss for loss in losses if history.spike(loss)] == []
    assert [history.spike(1.5) is not None for _ in range(3)] == [False, False, True]


def test_batches_that_hold_a_hard_row_now_and_then_are_no_spike_and_a_jump_that_lasts_is_one(
    inside: ModuleType,
) -> None:
    stopped = 0
    for seed in range(50):
        history = inside.LossHistory()
        stopped += any(history.spike(loss) for loss in losses(seed, share=0.05, rows=4))
        assert any(history.spike(2.3) for _ in range(20)), seed

    assert stopped <= 1  # 47 of them after three high losses in a row


def test_a_loss_that_does_not_move_is_a_plateau_and_one_that_rises_diverges(inside: ModuleType) -> None:
    noise = random.Random(0)
    flat, rising, falls = inside.Trend(), inside.Trend(), inside.Trend()

    told = [flat.add(2.3 + noise.gauss(0, 0.05)) for _ in range(400)]
    climbs = [rising.add(1.0 + n / 50) for n in range(400)]

    assert {name for name, _ in filter(None, told)} == {"plateau"}
    assert {name for name, _ in filter(None, climbs)} >= {"divergence"}
    assert [falls.add(loss) for loss in falling(5) if falls.add(loss)] == []


def test_a_gradient_of_nothing_is_told_after_a_while_unless_the_loss_is_nothing_too(inside: ModuleType) -> None:
    dead, done = inside.Gradients(), inside.Gradients()

    assert [n for n in range(30) if dead.add(0.0, 1.0)] == [19]
    assert [n for n in range(30) if done.add(0.0, 0.0)] == []


def test_memory_that_grows_with_every_step_is_foretold_and_a_start_is_not(inside: ModuleType) -> None:
    growing, steady = inside.Memory(8 << 30), inside.Memory(8 << 30)

    grows = [growing.add(n, (1 << 30) + n * (20 << 20)) for n in range(1, 60)]
    starts = [steady.add(n, (1 << 30) + min(n, 8) * (200 << 20)) for n in range(1, 200)]

    assert any(grows)
    assert not any(starts)


def test_activations_that_grow_a_thousandfold_are_told_with_their_module(inside: ModuleType) -> None:
    activations = inside.Activations()

    assert activations.add({"head": 2.0, "blocks.0": 3.0}) is None
    assert activations.add({"head": 2.0, "blocks.0": 4e4})[1].startswith("the output of blocks.0 has grown")


def test_steps_are_those_of_the_end_and_each_rank_counts_for_itself() -> None:
    end = line(kind="end", optimizer=0, name="SGD", steps=9, device="cpu", watch_seconds=0.1, rank=1)

    summary = summarize([step(4, 2.0), line(kind="step", optimizer=0, step=99999, loss=1.0, rank=1), end])

    assert (summary.steps, summary.optimizer) == (9, "SGD")


def test_ranks_that_wait_for_each_other_are_told_with_where_each_stands() -> None:
    first = line(kind="stall", rank=0, step=3, seconds=9.0, stack=["c10d.py:3 all_reduce"], waits=True)
    second = line(kind="stall", rank=1, step=3, seconds=9.0, stack=["train.py:8 main"], waits=True)

    summary = summarize([step(3, 1.0), first, second])

    assert summary.hangs
    assert summary.stalled == (
        "rank 0: no step for 9 s after step 3, at c10d.py:3 all_reduce; "
        "rank 1: no step for 9 s after step 3, at train.py:8 main"
    )
    assert not summarize([first, step(4, 1.0)]).hangs


def sealed(key: str, number: int, **fields: object) -> str:
    content = json.dumps({**fields, "n": number})
    return f"{content}\t{hashlib.blake2b(content.encode(), key=key.encode(), digest_size=16).hexdigest()}"


def test_lines_without_the_seal_or_told_twice_are_counted_and_dropped(tmp_path: Path) -> None:
    key = key_of(tmp_path)
    seal = Seal(key)
    genuine = sealed(key, 1, kind="step", optimizer=0, step=1)

    assert seal.open(genuine).startswith('{"kind": "step"')
    assert [seal.open(forged) for forged in (genuine, '{"kind": "step"}', sealed("other", 2, kind="step"))] == [
        "",
        "",
        "",
    ]
    assert seal.broken == 3
    assert key_of(tmp_path) == key
