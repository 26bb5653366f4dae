"""Nothing of a dead run is left after a clean-up, and nothing of a living one is touched, whatever was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.sandbox_base import SandboxTests, silent
from ml_intern.core.sandbox import JobSpec, SandboxBackend, SandboxSpec
from ml_intern.sandboxes import leftovers
from ml_intern.sandboxes.docker import DockerBackend
from ml_intern.sandboxes.leftovers import Home, Leftover, Standing

FOREVER = ("python", "-c", "import time\nwhile True: time.sleep(0.1)")


class LeftoverTests(SandboxTests):
    """What `kill -9` leaves, by backend."""

    engines: tuple[DockerBackend, ...] = ()

    @pytest.fixture
    def runs(self, tmp_path: Path) -> Path:
        runs = tmp_path / "home" / "runs"
        runs.mkdir(parents=True)
        return runs

    def home(self, runs: Path, backend: SandboxBackend, standing: Standing, *, is_thorough: bool = False) -> Home:
        def judge(run: str) -> Standing:
            return standing if (runs / run).is_dir() else "elsewhere"

        return Home(runs=runs, standing=judge, make=lambda _: backend, engines=self.engines, is_thorough=is_thorough)

    @pytest.fixture
    def orphan(self, runs: Path, spec: SandboxSpec) -> Iterator[Path]:
        """A training whose agent was killed; gives its folder."""
        directory = runs / "run-1" / "calls" / "train-1" / "job"
        job = JobSpec(directory=directory, argv=FOREVER, timeout=600)
        agent = self.start_process(f"backend.start({replace(spec, run='run-1')!r}, {job!r})\nprint('started')")
        os.killpg(agent.pid, signal.SIGKILL)
        agent.communicate()
        pid = int((directory / "pid").read_text("ascii"))
        yield directory
        if directory.exists() and is_held(directory):  # the test failed
            os.kill(pid, signal.SIGKILL)

    @pytest.mark.parametrize("standing", ["alive", "resumable"])
    def test_a_training_stays_that_its_run_goes_on_with(
        self, runs: Path, backend: SandboxBackend, orphan: Path, standing: Standing
    ) -> None:
        home = self.home(runs, backend, standing)

        found = clean(home, "run-1")

        assert [(item.kind, item.where, item.goes) for item in found] == [("job", str(orphan), False)]
        assert is_held(orphan)
        clean(self.home(runs, backend, "finished"), "run-1")

    @pytest.mark.parametrize(("standing", "is_thorough"), [("finished", False), ("resumable", True)])
    def test_a_training_that_outlived_its_agent_is_ended_and_nothing_is_left(
        self, runs: Path, backend: SandboxBackend, orphan: Path, standing: Standing, is_thorough: bool
    ) -> None:
        home = self.home(runs, backend, standing, is_thorough=is_thorough)

        found = clean(home, "run-1")

        assert [(item.kind, item.goes) for item in found] == [("job", True)]
        assert not is_held(orphan)
        assert clean(home, "run-1") == []

    def test_a_claim_that_the_code_of_the_agent_wrote_means_nothing(self, runs: Path, backend: SandboxBackend) -> None:
        forged = runs / "run-1" / "workspace" / "claim.json"
        forged.parent.mkdir(parents=True)
        forged.write_text('{"backend": "none"}', "utf-8")
        with forged.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)

            assert clean(self.home(runs, backend, "finished"), "run-1") == []


@pytest.mark.sandbox
class TestNamespaceLeftovers(LeftoverTests):
    imports = (
        "import os\nfrom ml_intern.config import Settings\nfrom ml_intern.sandboxes.namespaces import NamespaceBackend"
    )
    expression = "NamespaceBackend(Settings.load(os.environ).home)"

    def test_a_job_whose_folder_was_deleted_is_found_by_its_process(
        self, runs: Path, backend: SandboxBackend, orphan: Path
    ) -> None:
        pid = (orphan / "pid").read_text("ascii")
        shutil.rmtree(runs / "run-1")
        home = self.home(runs, backend, "finished")

        found = clean(home, "run-1")

        assert [(item.kind, item.where, item.goes) for item in found] == [("process", pid, True)]
        assert clean(home, "run-1") == []


@pytest.mark.docker
class TestDockerLeftovers(LeftoverTests):
    imports = "from ml_intern.sandboxes.docker import DockerBackend"
    expression = "DockerBackend()"
    engines = (DockerBackend(),)

    def test_a_container_whose_command_was_killed_is_removed(
        self, runs: Path, backend: SandboxBackend, orphan: Path
    ) -> None:
        os.kill(int((orphan / "pid").read_text("ascii")), signal.SIGKILL)
        home = self.home(runs, backend, "alive")

        found = clean(home, "run-1")

        assert [(item.kind, item.goes) for item in found] == [("container", True)]
        assert clean(home, "run-1") == []

    @pytest.mark.parametrize(("standing", "goes"), [("alive", False), ("resumable", True)])
    def test_a_session_goes_with_its_run(self, runs: Path, spec: SandboxSpec, standing: Standing, goes: bool) -> None:
        (runs / "run-2").mkdir()
        backend = DockerBackend()
        opened = backend.open(replace(spec, run="run-2"))

        found = clean(self.home(runs, backend, standing), "run-2")

        assert [(item.kind, item.goes) for item in found] == [("container", goes)]
        if not goes:
            assert opened.execute("1", timeout=60, on_output=silent).value == "1"
        opened.close()


def test_packages_of_a_run_that_is_done_are_removed(tmp_path: Path) -> None:
    for run in ("done", "torn"):
        (tmp_path / run / "layers" / "abc").mkdir(parents=True)

    def standing(run: str) -> Standing:
        return "finished" if run == "done" else "resumable"

    home = Home(runs=tmp_path, standing=standing, make=no_backend, engines=())
    found = {item.run: item.goes for item in clean(home, "done") + clean(home, "torn")}

    assert found == {"done": True, "torn": False}
    assert [(tmp_path / run / "layers" / "abc").exists() for run in ("done", "torn")] == [False, True]


def no_backend(name: str) -> SandboxBackend:
    raise AssertionError(name)


def clean(home: Home, run: str) -> list[Leftover]:
    """Clean up as the command does; gives what was found of `run`, since others use this machine as well."""
    found = [item for item in leftovers.find(home) if item.run == run]
    for item in found:
        if item.goes:
            leftovers.remove(item, home)
    return found


def is_held(directory: Path) -> bool:
    """Whether the job in `directory` runs."""
    with (directory / "claim.json").open("rb") as claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
