"""Where the engine maps the users of its containers, the workspace still belongs to whom it is for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml_intern.core.sandbox import Mount, SandboxSpec
from ml_intern.sandboxes import layout
from ml_intern.sandboxes.docker import DockerBackend
from sandboxes import fake_engine

PLAIN = '["name=seccomp,profile=default"] /var/lib/docker'
MAPPED = '["name=seccomp,profile=default","name=userns"] /var/lib/docker/231072.231072'


@pytest.mark.parametrize(("info", "shift"), [(PLAIN, 0), (MAPPED, 231072)])
def test_the_workspace_is_given_to_the_user_that_the_engine_makes_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, info: str, shift: int
) -> None:
    engine = fake_engine.put(tmp_path, monkeypatch, info=info)
    workspace = tmp_path / "workspace"
    workspace.mkdir()

    DockerBackend().open(
        SandboxSpec(run="r", mounts=(Mount(source=workspace, target="/workspace", writable=True),))
    ).close()

    (command,) = fake_engine.started(engine)
    if os.getuid() == 0:
        assert workspace.stat().st_uid == layout.USER + shift
        assert "--userns" not in command
    else:  # a person's own files would be nobody's in a map
        assert workspace.stat().st_uid == os.getuid()
        assert ("--userns host" in command) == bool(shift)
