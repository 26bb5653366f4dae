"""Faults planted in real trainings are found at their step and named; healthy trainings are left alone."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from watch_matrix import FAULTS, WATCHED, found, watched

from ml_intern.core.sandbox import SandboxBackend
from ml_intern.verification import training
from ml_intern.verification.watch import Diverged, Stalled, Warned, WatchLine, read, summarize

pytestmark = pytest.mark.sandbox


@pytest.mark.parametrize("loop", ["plain", "methods", "trainer", "accelerated"])
def test_a_nan_is_found_at_the_step_where_it_arises_and_its_origin_is_named(
    loop: str, backend: SandboxBackend, tmp_path: Path
) -> None:
    faults = FAULTS if loop == "plain" else FAULTS[:-1]

    lines, output = watched(backend, tmp_path / "run", f"{loop}.py")

    told = found(lines, faults)
    assert [one for one in told if not one.right] == [], output
    assert [one.ended for one in told if one.fault == "none"] == [20]


def test_what_ails_a_training_without_a_nan_is_told_and_a_healthy_one_is_left_alone(
    backend: SandboxBackend, tmp_path: Path
) -> None:
    limit = ("ML_INTERN_MEMORY_LIMIT=1500000000",)

    lines, output = watched(backend, tmp_path / "run", "ailing.py", environment=limit)

    names = [line.name for line in lines if isinstance(line, Warned)]
    assert names == ["plateau", "dead gradient", "plateau", "divergence", "activations", "memory"], output
    (spike,) = [line for line in lines if isinstance(line, Diverged)]
    assert (spike.optimizer, spike.step) == (4, 302)
    assert "for the third time in a row" in spike.reason
    (activations,) = [line.text for line in lines if isinstance(line, Warned) and line.name == "activations"]
    assert activations.startswith("the output of first has grown")


def test_a_training_that_meets_three_nans_comes_to_its_end_and_stops_at_the_fourth(
    backend: SandboxBackend, tmp_path: Path
) -> None:
    auto = "ML_INTERN_ON_DIVERGENCE=auto"

    through, _ = watched(backend, tmp_path / "through", "prone.py", environment=(auto, "NAN_AT=30,60,90"))
    over, output = watched(backend, tmp_path / "over", "prone.py", environment=(auto, "NAN_AT=30,60,90,110"))
    asks, _ = watched(backend, tmp_path / "asks", "prone.py", environment=("NAN_AT=30",))

    ended = summarize(through)
    assert (ended.steps, ended.diverged, [told.step for told in ended.recovered]) == (120, None, [30, 60, 90])
    assert [told.factor for told in ended.recovered] == pytest.approx([0.1, 0.01, 0.001])
    assert ended.last_loss is not None
    assert [line.step for line in over if isinstance(line, Diverged)] == [110], output
    assert summarize(asks).recovered == ()
    assert [line.step for line in asks if isinstance(line, Diverged)] == [30]


def test_a_rank_that_hangs_is_told_with_where_every_rank_stands(sandbox_python: Path) -> None:
    lines = _ranks(sandbox_python)

    summary = summarize(lines)
    assert summary.hangs
    assert summary.stalled is not None
    assert "rank 0: no step for" in summary.stalled
    assert "rank 1: no step for" in summary.stalled
    assert f"{WATCHED}/ranks.py:" in summary.stalled


def _ranks(python: Path) -> list[WatchLine]:
    """Run two ranks with the watch beside them, outside of a sandbox that has no sockets, until both are stalled."""
    listen, tell = os.pipe()
    guard = Path(training.__file__).parent / "probes" / "guard"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PYTHONPATH": f"{guard}:{WATCHED}",
        "ML_INTERN_REPORT_FD": str(tell),
        "ML_INTERN_STALL_SECONDS": "2",
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "RANKS_PORT": str(port),
    }
    process = subprocess.Popen(
        [python / "bin" / "python", WATCHED / "ranks.py"],
        env=environment,
        pass_fds=[tell],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(tell)
    lines: list[WatchLine] = []
    with os.fdopen(listen) as stream:
        for text in stream:
            line = read(text)
            lines += [line] if line else []
            if len({one.rank for one in lines if isinstance(one, Stalled) and one.step}) == 2:
                break
    os.killpg(process.pid, 9)
    process.wait()
    return lines
