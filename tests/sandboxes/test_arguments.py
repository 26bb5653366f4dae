"""The engine's command line is hardened and exact, without any engine."""

from __future__ import annotations

import fcntl
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import Limits, Mount, SandboxSpec
from ml_intern.sandboxes import gpus, layout, namespaces
from ml_intern.sandboxes.docker import Container, arguments, is_abandoned

CONTAINER = Container(
    engine="docker", image="image:tag", name="a-name", mode="session", user="10001:10001", labels={"run": "r"}
)


@pytest.fixture
def spec(tmp_path: Path) -> SandboxSpec:
    source = tmp_path / "a, folder"
    source.mkdir()
    mount = Mount(source=source, target="/workspace", writable=True)
    return SandboxSpec(run="r", mounts=(mount,), limits=Limits(memory=1 << 30, processes=99))


def flags(command: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Give the values that follow each flag, up to the image."""
    found: dict[str, list[str]] = {}
    options = command[: command.index("image:tag")]
    for flag, value in itertools.pairwise(options):
        if flag.startswith("--"):
            found.setdefault(flag, []).append(value)
    return found


def test_the_walls_are_on_the_command_line(spec: SandboxSpec) -> None:
    command = arguments(CONTAINER, spec)

    given = flags(command)
    assert command[0] == "run"
    assert {"--rm", "--read-only", "--interactive"} <= set(command)
    assert {flag: given[flag] for flag in ("--network", "--cap-drop", "--security-opt", "--user", "--pids-limit")} == {
        "--network": ["none"],
        "--cap-drop": ["ALL"],
        "--security-opt": ["no-new-privileges"],
        "--user": ["10001:10001"],
        "--pids-limit": ["99"],
    }
    assert given["--memory"] == given["--memory-swap"] == [str((1 << 30) + (384 << 20))]
    assert not {"--init", "--privileged", "--publish", "--device", "--gpus"} & set(command)


def test_a_path_with_a_comma_stays_one_mount(spec: SandboxSpec) -> None:
    mounts = flags(arguments(CONTAINER, spec))["--mount"]

    assert f'type=bind,"source={spec.mounts[0].source}",target=/workspace' in mounts
    assert f"type=bind,source={layout.SCRIPTS},target={layout.INSIDE},readonly" in mounts


def test_the_supervisor_is_process_one_and_gets_the_limits(spec: SandboxSpec) -> None:
    command = arguments(CONTAINER, spec)

    after = command[command.index("image:tag") + 1 :]
    assert flags(command)["--entrypoint"] == ["/opt/venv/bin/python"]
    assert after[:4] == ("-I", "-S", "/opt/ml-intern/inside/supervisor.py", "session")
    assert json.loads(after[4])["writable"] == ["/workspace"]


def test_a_job_has_a_control_folder_and_no_input(spec: SandboxSpec, tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    command = arguments(replace(CONTAINER, mode="job", control=tmp_path / "control"), spec)

    assert f"type=bind,source={tmp_path / 'control'},target={layout.CONTROL},readonly" in flags(command)["--mount"]
    assert "--interactive" not in command


def test_each_engine_names_a_gpu_and_the_user_in_its_way(spec: SandboxSpec) -> None:
    docker = arguments(replace(CONTAINER, gpu=gpus.TOOLKIT, runtime="runsc"), spec)
    podman = arguments(replace(CONTAINER, engine="podman", gpu=gpus.CDI, users="keep-id"), spec)

    assert (flags(docker)["--gpus"], flags(docker)["--runtime"]) == (["all"], ["runsc"])
    assert flags(podman)["--device"] == ["nvidia.com/gpu=all"]
    assert flags(podman)["--userns"] == ["keep-id"]


@pytest.mark.parametrize("target", ["workspace", "/", "/usr", "/proc", "/data/../etc"])
def test_mount_points_that_would_replace_the_system_are_refused(spec: SandboxSpec, target: str) -> None:
    wrong = replace(spec, mounts=(replace(spec.mounts[0], target=target),))

    with pytest.raises(SandboxError, match="cannot be a mount point"):
        arguments(CONTAINER, wrong)


def test_outer_mounts_come_before_inner_ones(spec: SandboxSpec) -> None:
    source = spec.mounts[0].source
    targets = ("/data/inner/deep", "/workspace", "/data", "/data/inner")
    nested = replace(spec, mounts=tuple(Mount(source=source, target=target) for target in targets))

    given = [mount.target for mount in layout.mounts(nested, None)]

    assert given == ["/data", "/data/inner", "/data/inner/deep", layout.INSIDE, "/workspace"]


def test_a_plan_shows_the_inside_only_what_it_names(spec: SandboxSpec, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    environment.mkdir()
    (environment / "pyvenv.cfg").write_text("home = /opt/python/bin\nversion = 3.11\n", "utf-8")

    plan = namespaces.plan("session", spec, None, environment=environment)

    shown = {bind["target"] for bind in plan["binds"]} - {"/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives"}
    assert shown - {"/etc/ld.so.cache"} == {"/usr", str(environment), "/opt/python", "/workspace", layout.INSIDE}
    assert [bind["target"] for bind in plan["binds"] if bind["writable"]] == ["/workspace"]
    assert plan["argv"][0] == f"{environment}/bin/python"


def test_a_session_is_abandoned_when_its_run_is_dead(tmp_path: Path) -> None:
    verdicts = [is_abandoned(run, "session", tmp_path, lambda run: run == "alive") for run in ("alive", "dead")]

    assert verdicts == [False, True]


def test_a_job_is_abandoned_when_nobody_holds_its_claim(tmp_path: Path) -> None:
    claim = tmp_path / "claim.json"
    claim.touch()
    with claim.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        while_held = is_abandoned("r", "job", tmp_path, lambda run: False)

    after = [is_abandoned("r", "job", folder, lambda run: True) for folder in (tmp_path, tmp_path / "deleted")]
    assert (while_held, after) == (False, [True, True])
