"""Jobs are started once, whoever asks and whenever somebody dies; the process is a plain shell here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import JobResult, JobSpec
from ml_intern.sandboxes import jobs
from ml_intern.sandboxes.jobs import DetachedJob, Launch, begin

STARTED = json.dumps({"event": "started"})
EXIT = json.dumps({"event": "exit", "code": 0, "reason": None, "detail": "", "dropped": 0, "tail": "", "seconds": 1.5})
LOST = JobResult(exit_code=None, reason="lost", output="", reports=(), seconds=0.0)
DONE = JobResult(exit_code=0, reason=None, output="", reports=(), seconds=1.5)


def shell(script: str) -> Callable[[Path], Launch]:
    """Launch a script in place of a sandbox."""
    return lambda control: Launch(argv=("/bin/sh", "-c", script), environment={"CONTROL": str(control)})


def start(directory: Path, script: str, ended: list[int | None] | None = None) -> DetachedJob:
    job = JobSpec(directory=directory, argv=("python", "-c", "1"), stdin=b"input")
    return begin(job, shell(script), backend="shell", end=(ended if ended is not None else []).append)


def finish(job: DetachedJob) -> JobResult:
    return job.wait(on_event=lambda event: None)


def test_many_starters_at_once_start_one_process(tmp_path: Path) -> None:
    script = f"echo x >> {tmp_path}/starts; echo '{STARTED}'; echo '{EXIT}'"

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(lambda: finish(start(tmp_path / "job", script))) for _ in range(16)]
        results = [future.result() for future in waiting]

    assert results == [DONE] * 16
    assert (tmp_path / "starts").read_text("utf-8") == "x\n"


def test_the_inside_finds_its_order_and_its_input(tmp_path: Path) -> None:
    script = f"cat $CONTROL/job.json $CONTROL/stdin > {tmp_path}/seen; echo '{STARTED}'; echo '{EXIT}'"

    finish(start(tmp_path / "job", script))

    assert (tmp_path / "seen").read_text("utf-8") == '{"argv": ["python", "-c", "1"], "timeout": 3600.0}input'


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_job_whose_starter_died_before_anything_ran_is_started_anew(tmp_path: Path, moment: str) -> None:
    ended: list[int | None] = []
    (tmp_path / "job" / "control").mkdir(parents=True)
    (tmp_path / "job" / "claim.json").write_text("{}", "utf-8")
    if moment == "after":
        (tmp_path / "job" / "events.jsonl").touch()

    assert finish(start(tmp_path / "job", f"touch {tmp_path}/ran; echo '{STARTED}'; echo '{EXIT}'", ended)) == DONE
    assert (tmp_path / "ran").exists()
    assert ended == [None]  # an engine may have got as far as a container


def test_nothing_is_started_anew_by_who_only_attaches(tmp_path: Path) -> None:
    (tmp_path / "job" / "control").mkdir(parents=True)
    (tmp_path / "job" / "claim.json").write_text("{}", "utf-8")
    nothing = JobSpec(directory=tmp_path / "job", argv=())

    assert finish(begin(nothing, shell(f"touch {tmp_path}/ran"), backend="shell", end=lambda pid: None)) == LOST
    assert not (tmp_path / "ran").exists()


def test_a_process_that_ends_without_an_exit_is_lost_even_with_a_torn_last_line(tmp_path: Path) -> None:
    ended: list[int | None] = []
    job = start(tmp_path / "job", f"echo '{STARTED}'; printf '%s' '{EXIT}'", ended)

    assert [finish(job), finish(job)] == [LOST, LOST]
    assert ended == [None, None]


def test_a_start_that_fails_tells_why_and_may_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="ended at once: the image is missing"):
        start(tmp_path / "job", "echo the image is missing >&2; exit 125")

    assert finish(start(tmp_path / "job", f"echo '{STARTED}'; echo '{EXIT}'")) == DONE


def test_a_launcher_that_does_not_exist_is_named_and_leaves_no_claim(tmp_path: Path) -> None:
    job = JobSpec(directory=tmp_path / "job", argv=("python",))
    missing = Launch(argv=("/no/such/program",), environment={})

    with pytest.raises(SandboxError, match="/no/such/program cannot be started"):
        begin(job, lambda control: missing, backend="shell", end=lambda pid: None)
    assert not (tmp_path / "job" / "claim.json").exists()


def test_a_request_to_stop_reaches_the_inside_once(tmp_path: Path) -> None:
    script = f"echo '{STARTED}'; while [ ! -e $CONTROL/stop ]; do sleep 0.02; done; echo '{EXIT}'"
    job = start(tmp_path / "job", script)

    job.stop("the loss is NaN")
    job.stop("again")

    assert finish(job) == DONE
    assert (tmp_path / "job" / "control" / "stop").read_text("utf-8") == "the loss is NaN"


def test_a_job_is_ended_from_outside_even_if_its_starter_died_before_it_noted_the_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_LAST_RESORT", 0.1)
    ended: list[int | None] = []
    job = start(tmp_path / "job", f"echo '{STARTED}'; sleep 1", ended)
    number = tmp_path / "job" / "pid"
    pid = int(number.read_text("ascii"))
    number.unlink()

    job.wait(on_event=lambda event: None, cancelled=lambda: True)

    assert ended[0] == pid


def test_a_finished_job_leaves_no_zombie(tmp_path: Path) -> None:
    finish(start(tmp_path / "job", f"echo '{STARTED}'; echo '{EXIT}'"))

    with pytest.raises(ChildProcessError):
        os.waitpid(int((tmp_path / "job" / "pid").read_text("ascii")), os.WNOHANG)


HELD = f"echo '{STARTED}'; read go || exit 3; cat $CONTROL/stdin; echo '{EXIT}'"
"""Does what a supervisor does with a held job: the end of its input without a line means that its starter is gone."""


def hold(directory: Path, script: str = HELD) -> DetachedJob:
    job = JobSpec(directory=directory, argv=("python", "-c", "1"), held=True)
    return begin(job, shell(script), backend="shell", end=lambda pid: None)


def test_a_held_job_goes_on_once_it_is_handed_its_input_and_keeps_the_first(tmp_path: Path) -> None:
    job = hold(tmp_path / "job")
    handed_before = (tmp_path / "job" / "control" / "stdin").exists()

    job.hand(b"")
    job.hand(b"other")

    assert (handed_before, finish(job)) == (False, DONE)
    assert (tmp_path / "job" / "control" / "stdin").read_bytes() == b""


def test_a_held_job_that_was_handed_its_input_is_attached_to_and_never_begun_again(tmp_path: Path) -> None:
    hold(tmp_path / "job").hand(b"")

    again = hold(tmp_path / "job", f"touch {tmp_path}/twice")

    again.hand(b"other")
    assert finish(again) == DONE
    assert not (tmp_path / "twice").exists()


def test_a_held_job_that_nobody_needs_ends_at_once_and_is_as_if_it_had_never_been_started(tmp_path: Path) -> None:
    unneeded = hold(tmp_path / "job")
    unneeded.stop("not needed")
    ended = finish(unneeded)

    again = hold(tmp_path / "job")
    again.hand(b"")

    assert (ended, finish(again)) == (LOST, DONE)


def test_a_held_job_ends_with_a_starter_that_dies_before_and_is_started_anew(tmp_path: Path) -> None:
    starter = os.fork()
    if starter == 0:
        hold(tmp_path / "job")
        os._exit(0)
    os.waitpid(starter, 0)

    again = hold(tmp_path / "job")
    again.hand(b"")

    assert finish(again) == DONE


def test_jobs_that_are_started_at_the_same_time_hold_no_lock_of_each_other(tmp_path: Path) -> None:
    lasting = start(tmp_path / "lasting", f"echo '{STARTED}'; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done")
    short = start(tmp_path / "short", f"echo '{STARTED}'; echo '{EXIT}'")

    assert finish(short) == DONE
    assert not short.lives()
    (tmp_path / "go").touch()
    assert finish(lasting) == LOST


def test_nobody_waits_for_an_engine_that_takes_its_time_after_the_exit(tmp_path: Path) -> None:
    script = f"echo '{STARTED}'; echo '{EXIT}'; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
    job = JobSpec(directory=tmp_path / "job", argv=("python",))
    started = begin(job, shell(script), backend="shell", end=lambda pid: None, lingers=True)

    ended = finish(started)

    assert (ended, started.lives()) == (DONE, True)
    (tmp_path / "go").touch()
