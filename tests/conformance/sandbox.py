"""What every sandbox backend must do: subclass `SandboxConformance` and say how the backend is made."""

from __future__ import annotations

import fcntl
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.sandbox_base import Run, SandboxTests, finish, runner
from conformance.sandbox_faults import FaultTests
from conformance.sandbox_jobs import JobTests
from conformance.sandbox_programs import ProgramTests
from conformance.sandbox_sessions import SessionTests
from conformance.sandbox_values import ValueTests
from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import JobSpec, Mount, SandboxBackend, SandboxSpec


class WallTests(SandboxTests):
    """What the inside cannot reach, and what ends with whom."""

    def test_all_probes_find_a_wall(self, backend: SandboxBackend) -> None:
        found = backend.check()

        assert (found.works, found.lacks) == (True, ()), found.detail
        assert len(found.protects_from) >= 8

    def test_there_is_no_network(self, run: Run) -> None:
        result = run("import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))")

        assert result.error is not None
        assert result.error.startswith(("PermissionError", "OSError"))

    def test_no_variable_of_the_agent_gets_in(
        self, backend: SandboxBackend, spec: SandboxSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_TOKEN", "a-secret-value")
        opened = backend.open(replace(spec, environment={"EXTRA": "given"}))
        look = "import os, pathlib\n[os.environ.get('HF_TOKEN'), os.environ['EXTRA']]"

        seen = runner(opened)(look).value
        opened.close()

        assert seen == "[None, 'given']"

    def test_mounts_are_read_only_unless_writable(self, run: Run) -> None:
        assert run("open('/data/rows.txt').read() + open('/note.json').read()").value == "'one two{\"a\": 1}'"
        for path in ("/data/new", "/data/rows.txt", "/note.json", "/new", "/usr/new", "/opt/ml-intern/inside/new"):
            error = run(f"open({path!r}, 'a')").error or ""
            assert error.startswith(("OSError: [Errno 30]", "PermissionError: [Errno 13]")), (path, error)
        run("open('/workspace/new', 'w').write('kept')")
        assert (self.workspace / "new").read_text("utf-8") == "kept"

    def test_the_supervisor_does_not_take_signals_from_inside(self, run: Run) -> None:
        # harmless outside: an unprivileged user may not signal process 1, and root is refused by the uid
        code = "import os, signal\nassert os.getuid() != 0\nfor n in (15, 2, 10, 19, 9): os.kill(1, n)\n'alive'"

        assert [run(code).value, run("1 + 1").value] == ["'alive'", "2"]

    def test_a_guard_is_armed_in_the_session_and_in_every_process(
        self, backend: SandboxBackend, spec: SandboxSpec, tmp_path: Path
    ) -> None:
        guard = tmp_path / "guard"
        guard.mkdir()
        (guard / "arm.py").write_text("import builtins\nbuiltins.armed = 'armed'\n", "utf-8")
        (guard / "sitecustomize.py").write_text("import arm\n", "utf-8")
        target = "/opt/ml-intern/guard"
        bare = replace(spec, mounts=(*spec.mounts, Mount(source=guard, target=target)))
        inherited = replace(bare, environment={"PYTHONPATH": target})

        opened = backend.open(bare)
        in_session = runner(opened)("import sys\narmed, sys.path[0]").value
        opened.close()
        order = JobSpec(directory=tmp_path / "job", argv=("python", "-c", "print(armed)"))
        in_job = finish(backend.start(inherited, order)).output

        assert (in_session, in_job) == (f"('armed', '{target}')", "armed\n")

    def test_a_session_ends_with_its_agent_even_by_kill(self, spec: SandboxSpec) -> None:
        (self.workspace / "lock").touch()
        code = "import fcntl\nlock = open('/workspace/lock', 'r+')\nfcntl.flock(lock, fcntl.LOCK_EX)\nprint('locked')"
        agent = self.start_process(
            f"opened = backend.open({spec!r})\nprint(opened.execute({code!r}, timeout=60, on_output=str).output)"
        )
        with (self.workspace / "lock").open("rb") as file:
            with pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)

            os.killpg(agent.pid, signal.SIGKILL)
            agent.communicate()

            fcntl.flock(file, fcntl.LOCK_SH)  # waits until nothing inside holds it

    def test_a_working_directory_that_is_not_there_is_made_or_named(
        self, backend: SandboxBackend, spec: SandboxSpec
    ) -> None:
        opened = backend.open(replace(spec, working_directory="/workspace/new/deep"))
        where = runner(opened)("import os\nopen('made', 'w').close()\nos.getcwd()").value
        opened.close()

        assert where == "'/workspace/new/deep'"
        assert (self.workspace / "new" / "deep" / "made").exists()
        with pytest.raises(SandboxError, match="/data/new is not there and cannot be made: Read-only file system"):
            backend.open(replace(spec, working_directory="/data/new"))

    def test_a_missing_mount_is_refused_by_name(self, backend: SandboxBackend, spec: SandboxSpec) -> None:
        missing = replace(spec, mounts=(Mount(source=Path("/nonexistent/data"), target="/data"),))

        with pytest.raises(SandboxError, match="/nonexistent/data"):
            backend.open(missing)


class SandboxConformance(WallTests, SessionTests, ValueTests, ProgramTests, FaultTests, JobTests):
    """All tests of the contract in `core.sandbox`."""
