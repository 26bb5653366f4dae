"""Jobs: started once, followed by anyone, ended for a reason that is named."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from conformance.sandbox_base import SMALL, SandboxTests, finish, until
from ml_intern.core.sandbox import (
    JobResult,
    JobSpec,
    Limits,
    Printed,
    Reported,
    SandboxBackend,
    SandboxSpec,
    Stream,
)

COUNTING = """
import os, signal, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: print("signal", number, flush=True))
count = 0
while not os.path.exists("/workspace/go"):
    print(count, flush=True)
    os.write(int(os.environ["ML_INTERN_REPORT_FD"]), f"{count}\\n".encode())
    count += 1
    time.sleep(0.002)
"""
"""A training that counts its steps until it may end, and says what disturbs it."""


class JobTests(SandboxTests):
    """Tests of `Job`."""

    def test_a_job_tells_prints_from_reports_and_keeps_its_log(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        code = (
            "import os, sys\nprint(sys.stdin.read())\nprint('bad', file=sys.stderr)\n"
            "os.write(int(os.environ['ML_INTERN_REPORT_FD']), b'{\"loss\": 1}\\nlast')"
        )
        order = job(code, stdin="grüße".encode())
        events: list[object] = []

        result = backend.start(spec, order).wait(on_event=events.append)

        assert replace(result, seconds=0.0, output="") == JobResult(
            exit_code=0, reason=None, output="", reports=('{"loss": 1}', "last"), seconds=0.0
        )
        assert sorted(result.output.splitlines()) == ["bad", "grüße"]
        assert [event for event in events if isinstance(event, Reported)] == [
            Reported(line='{"loss": 1}'),
            Reported(line="last"),
        ]
        assert _joined(events, "stdout") == "grüße\n"
        assert _joined(events, "stderr") == "bad\n"
        assert (order.directory / "output.log").read_text("utf-8") == result.output

    def test_a_report_that_is_too_long_is_dropped_and_the_others_arrive(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        code = (
            "import os\nreport = open(int(os.environ['ML_INTERN_REPORT_FD']), 'w')\n"
            "print('before', 'x' * (2 << 20), 'after', sep='\\n', file=report)"
        )

        result = finish(backend.start(spec, job(code)))

        assert (result.exit_code, result.reports) == (0, ("before", "after"))

    def test_a_job_ends_with_the_status_of_its_program(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        result = finish(backend.start(spec, job("raise SystemExit(7)")))

        assert (result.exit_code, result.reason, result.ok) == (7, None, False)

    def test_a_program_that_does_not_exist_says_so(
        self, backend: SandboxBackend, spec: SandboxSpec, tmp_path: Path
    ) -> None:
        result = finish(backend.start(spec, JobSpec(directory=tmp_path / "job", argv=("no-such-program",))))

        assert (result.exit_code, "no-such-program cannot be started" in result.output) == (127, True)

    def test_a_job_is_followed_from_the_beginning_however_often_one_attaches(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        order = job("open('/workspace/starts', 'a').write('x')\nfor n in range(1000): print(n)")
        results = [finish(backend.start(spec, order)) for _ in range(3)]

        assert results == [results[0]] * 3
        assert results[0].output.splitlines() == [str(n) for n in range(1000)]
        assert (self.workspace / "starts").read_text("utf-8") == "x"

    def test_a_job_outlives_the_death_of_its_starter_and_of_its_process_group(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        code = "import time\nprint('begun', flush=True)\n" + until("/workspace/go") + "print('ended')"
        order = job(code)
        process = self.start_process(f"backend.start({spec!r}, {order!r})\nprint('started')")
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

        attached = backend.start(spec, order)
        (self.workspace / "go").touch()
        result = finish(attached)

        assert (result.exit_code, result.output) == (0, "begun\nended\n")

    def test_no_line_is_lost_and_nothing_is_interrupted_when_the_one_who_follows_is_killed(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        order = job(COUNTING)
        follow = f"backend.start({spec!r}, {order!r}).wait(on_event=lambda event: print('seen', flush=True))"
        process = self.start_process(follow)
        assert process.stdout is not None
        for _ in range(29):  # a step is a line printed and a line reported
            process.stdout.readline()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

        attached = backend.start(spec, order)
        (self.workspace / "go").touch()
        result = finish(attached)

        lines = result.output.splitlines()
        assert lines == [str(number) for number in range(len(lines))]
        assert result.reports == tuple(lines)
        assert (result.exit_code, len(lines) > 9) == (0, True)

    def test_a_stopped_job_is_interrupted_first(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        code = (
            "import os, time\ntry:\n    os.write(1, b'begun\\n')\n    time.sleep(600)\n"
            "except KeyboardInterrupt: os.write(1, b'saved\\n')"
        )
        started = backend.start(spec, job(code))

        def stop(event: object) -> None:
            started.stop("the loss is NaN")
            started.stop("again")

        result = started.wait(on_event=stop)

        assert (result.exit_code, result.reason) == (None, "stopped")
        assert result.output == "begun\nsaved\n\n[stopped: the loss is NaN]\n"

    def test_a_job_that_ignores_the_interrupt_is_killed(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('x', flush=True)\nwhile True: pass"
        seen: list[object] = []

        result = backend.start(spec, job(code)).wait(on_event=seen.append, cancelled=lambda: bool(seen))

        assert (result.exit_code, result.reason) == (None, "stopped")

    def test_a_job_that_takes_too_long_is_ended(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        result = finish(backend.start(spec, job("while True: pass", timeout=1.0)))

        assert (result.exit_code, result.reason) == (None, "timeout")

    def test_a_job_that_takes_too_much_memory_is_ended(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        code = "blocks = []\nfor _ in range(48): blocks.append(bytearray(b'x' * (64 << 20)))"

        result = finish(backend.start(spec, job(code)))

        assert (result.exit_code, result.reason) == (None, "memory")

    def test_a_signal_that_ends_a_job_is_named(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        result = finish(backend.start(spec, job("import os; os.abort()")))

        assert (result.exit_code, result.reason) == (None, "signal 6")

    def test_a_job_leaves_no_process_behind(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)"

        result = finish(backend.start(spec, job(code)))

        assert result.exit_code == 0

    def test_a_job_whose_process_died_is_lost_and_never_started_again(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        order = job("open('/workspace/starts', 'a').write('x')\nimport os\nos.write(1, b'x\\n')\nwhile True: pass")

        def kill(event: object) -> None:
            os.kill(int((order.directory / "pid").read_text("ascii")), signal.SIGKILL)

        first = backend.start(spec, order).wait(on_event=kill)
        second = finish(backend.start(spec, order))

        assert [(result.exit_code, result.reason, result.output) for result in (first, second)] == [
            (None, "lost", "x\n")
        ] * 2
        assert (self.workspace / "starts").read_text("utf-8") == "x"

    def test_a_flood_of_a_job_is_bounded_and_its_end_is_kept(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        small = replace(spec, limits=Limits(memory=SMALL, output=1000))
        order = job("for n in range(100_000): print(n)")

        result = finish(backend.start(small, order))

        assert result.output.startswith("0\n1\n")
        assert result.output.endswith("99999\n")
        assert len(result.output) < 1000 + 8192 + 100
        assert (order.directory / "events.jsonl").stat().st_size < 40_000

    def test_a_held_job_runs_until_it_reads_its_input_and_gets_all_of_it(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        code = "import sys\nopen('/workspace/ready', 'x').close()\nprint(len(sys.stdin.buffer.read()))"
        started = backend.start(spec, replace(job(code), held=True))
        while not (self.workspace / "ready").exists():
            time.sleep(0.01)

        started.hand(b"x" * 3_000_000)  # more than a pipe holds

        assert finish(started).output == "3000000\n"

    def test_a_held_job_ends_with_its_starter_and_is_begun_again_by_the_next(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        order = replace(job("import sys\nprint(sys.stdin.read())"), held=True)
        process = self.start_process(f"backend.start({spec!r}, {order!r})\nprint('started')")
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

        again = backend.start(spec, order)
        again.hand(b"second")

        assert finish(again).output == "second\n"

    def test_a_held_job_whose_starter_died_after_the_input_and_before_saying_so_goes_on(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        order = replace(job("import sys\nprint(sys.stdin.read())"), held=True)
        process = self.start_process(f"backend.start({spec!r}, {order!r})\nprint('started')")
        (order.directory / "control" / "stdin").write_bytes(b"first")
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

        again = backend.start(spec, order)
        again.hand(b"second")

        assert finish(again).output == "first\n"

    def test_forged_events_of_a_job_are_output_and_nothing_else(
        self, backend: SandboxBackend, spec: SandboxSpec, job: Callable[..., JobSpec]
    ) -> None:
        forged = json.dumps({"event": "exit", "code": 0, "reason": None})
        code = f"import os\nfor n in (1, 2): os.write(n, b'\\n' + {forged.encode()!r} + b'\\n')\nraise SystemExit(5)"

        result = finish(backend.start(spec, job(code)))

        assert (result.exit_code, result.output.count(forged)) == (5, 2)


def _joined(events: Sequence[object], stream: Stream) -> str:
    return "".join(event.text for event in events if isinstance(event, Printed) and event.stream == stream)
