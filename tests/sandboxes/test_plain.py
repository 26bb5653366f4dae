"""Code runs without a sandbox only where somebody accepted the risk, and then with the protocol of the others."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.sandbox_base import finish, runner, silent
from ml_intern.agent import InternAgent
from ml_intern.config import Settings
from ml_intern.core.errors import ConfigError, SandboxError
from ml_intern.core.sandbox import JobSpec, Limits, Mount, SandboxSpec
from ml_intern.sandboxes.choose import STRENGTH, choose
from ml_intern.sandboxes.plain import PlainBackend


@pytest.fixture
def backend(tmp_path: Path, sandbox_python: Path) -> PlainBackend:
    return PlainBackend(tmp_path, sandbox_python)


@pytest.fixture
def place(tmp_path: Path) -> str:
    """Where the workspace is linked: an ordinary user may not write into the root folder."""
    return str(tmp_path / "root" / "workspace")


@pytest.fixture
def spec(tmp_path: Path, place: str) -> SandboxSpec:
    return sandbox(tmp_path / "a workspace", place)


def sandbox(source: Path, place: str) -> SandboxSpec:
    source.mkdir()
    mounts = (Mount(source=source, target=place, writable=True),)
    limits = Limits(memory=1 << 30, disk=1 << 30)
    return SandboxSpec(run="r", mounts=mounts, working_directory=place, limits=limits, preload=())


def test_it_is_refused_without_the_acceptance_and_never_taken_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)

    assert "none" not in STRENGTH
    for attempt in attempts(settings, monkeypatch):
        with pytest.raises(ConfigError, match="--i-accept-the-risk"):
            attempt()
    assert choose("none", settings, accepts_risk=True).name == "none"


def attempts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """Ways to get it without saying so; the last by the environment."""
    monkeypatch.setenv("ML_INTERN_SANDBOX", "none")
    return [
        lambda: choose("none", settings),
        lambda: InternAgent("rules", sandbox="none", home=settings.home),
        lambda: InternAgent("rules", home=settings.home),
    ]


@pytest.mark.sandbox
def test_a_session_keeps_variables_writes_the_workspace_and_survives_its_code(
    backend: PlainBackend, spec: SandboxSpec, place: str
) -> None:
    opened = backend.open(spec)
    run = runner(opened)

    seen = [run("x = 41").ok, run("x + 1").value, run("import os; open('made', 'w').write(os.getcwd())").ok]
    died, after = run("import os; os._exit(3)").died, run("2 + 2").value
    link = Path(place).readlink()
    opened.close()

    assert (seen, after) == ([True, "42", True], "4")
    assert died
    assert (link / "made").read_text("utf-8") == str(link)
    assert not Path(place).is_symlink()


@pytest.mark.sandbox
def test_nothing_of_the_agents_environment_gets_in_and_no_network_is_opened(
    backend: PlainBackend, spec: SandboxSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "a-secret-value")
    opened = backend.open(spec)
    run = runner(opened)

    seen = run("import os; os.environ.get('HF_TOKEN')")
    refused = run("import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM)").error or ""
    opened.close()

    assert (seen.value, seen.error) == (None, None)
    assert refused.startswith("PermissionError")


@pytest.mark.sandbox
def test_what_code_starts_ends_with_its_session_and_nothing_else_is_touched(
    backend: PlainBackend, spec: SandboxSpec
) -> None:
    bystander = os.fork()
    if bystander == 0:
        signal.pause()
    opened = backend.open(spec)
    # the sleeper's parent ends at once, so that it is an orphan
    code = (
        "import subprocess\n"
        "print(subprocess.check_output(['sh', '-c', 'setsid sleep 600 >/dev/null & echo $!'], text=True))"
    )
    orphan = int(runner(opened)(code).output)
    before = Path(f"/proc/{orphan}").exists()

    opened.close()

    status = Path(f"/proc/{orphan}/status")
    alive = [before, status.exists() and "Z (zombie)" not in status.read_text("utf-8")]
    os.kill(bystander, 0)
    os.kill(bystander, signal.SIGKILL)
    assert alive == [True, False]
    assert os.waitpid(bystander, 0)[1] == signal.SIGKILL


@pytest.mark.sandbox
def test_a_job_runs_to_its_end_and_too_much_memory_ends_it(
    backend: PlainBackend, spec: SandboxSpec, tmp_path: Path
) -> None:
    def order(name: str, code: str) -> JobSpec:
        return JobSpec(directory=tmp_path / name, argv=("python", "-c", code), timeout=60)

    good = finish(backend.start(spec, order("good", "print('done')")))
    greedy = finish(backend.start(spec, order("greedy", "import time\nx = b'x' * (3 << 29)\ntime.sleep(30)")))

    assert (good.exit_code, good.output) == (0, "done\n")
    assert greedy.reason == "memory"


@pytest.mark.sandbox
def test_two_workspaces_at_the_same_path_are_refused_and_one_can_be_shared(
    backend: PlainBackend, spec: SandboxSpec, tmp_path: Path, place: str
) -> None:
    first, second = backend.open(spec), backend.open(spec)

    with pytest.raises(SandboxError, match="is in use by another sandbox"):
        backend.open(sandbox(tmp_path / "other", place))
    first.close()
    still = second.execute("open('made', 'w').close()", timeout=60, on_output=silent)
    second.close()

    assert still.error is None
    backend.open(SandboxSpec(run="r", mounts=(Mount(source=tmp_path / "other", target=place),), preload=(),
                             working_directory=place)).close()  # fmt: skip


@pytest.mark.sandbox
def test_a_folder_that_is_there_is_never_replaced(backend: PlainBackend, tmp_path: Path) -> None:
    (tmp_path / "occupied").mkdir()
    given = sandbox(tmp_path / "source", str(tmp_path / "occupied"))

    with pytest.raises(SandboxError, match="exists on this machine"):
        backend.open(given)
    assert (tmp_path / "occupied").is_dir()
