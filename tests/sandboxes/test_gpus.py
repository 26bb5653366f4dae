"""A GPU is asked for in the engine's own way, given after a trial start, and missed with a reason.

No card is here: a fake engine keeps what it was asked.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import GPU, SandboxSpec
from ml_intern.sandboxes import gpus
from ml_intern.sandboxes.docker import DockerBackend
from sandboxes import fake_engine

SPEC = SandboxSpec(run="r", mounts=(), gpu="required")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH with a fake engine that has cards."""
    return fake_engine.put(tmp_path, monkeypatch, info=json.dumps({"Runtimes": {"runc": {}, "nvidia": {}}}))


def started(engine: Path) -> list[str]:
    """What the sandboxes, and not the trials, were started with."""
    return fake_engine.started(engine)


@pytest.mark.parametrize(("gpu", "given"), [("required", True), ("auto", True), ("none", False)])
def test_the_cards_are_given_where_the_engine_has_some(engine: Path, gpu: GPU, given: bool) -> None:
    DockerBackend().open(replace(SPEC, gpu=gpu)).close()

    (command,) = started(engine)
    assert ("--gpus all" in command) == given


def test_a_card_that_does_not_start_is_told_as_the_engine_told_it(engine: Path) -> None:
    (engine / "broken").touch()

    with pytest.raises(SandboxError, match=r"--gpus all: .*no CUDA-capable device is detected.*use_gpu='auto'"):
        DockerBackend().open(SPEC)
    DockerBackend().open(replace(SPEC, gpu="auto")).close()

    (command,) = started(engine)
    assert "--gpus" not in command


def test_an_engine_without_cards_says_what_to_install(engine: Path) -> None:
    (engine / "info").write_text("{}", "utf-8")

    with pytest.raises(SandboxError, match=r"neither the runtime `nvidia`.*install the NVIDIA Container Toolkit"):
        DockerBackend().open(SPEC)


def test_another_runtime_is_named_to_the_engine(engine: Path) -> None:
    backend = DockerBackend(runtime="runsc")

    backend.open(replace(SPEC, gpu="none")).close()

    assert backend.name == "docker:runsc"
    assert "--runtime runsc" in started(engine)[0]


def test_specifications_of_devices_are_used_where_the_engine_reads_them(tmp_path: Path) -> None:
    (tmp_path / "nvidia.yaml").touch()
    told = json.dumps({"CDISpecDirs": [str(tmp_path)]})
    found = json.dumps({"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}]})

    assert gpus.offers("docker", told) == (gpus.CDI,)
    assert gpus.offers("docker", found) == (gpus.CDI,)
    assert gpus.offers("podman", "{}", [str(tmp_path)]) == (gpus.CDI,)
    assert gpus.offers("docker", "{}", [str(tmp_path)]) == ()
    assert gpus.offers("docker", "no JSON") == ()
