"""The Docker backend keeps the contract of sandboxes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.sandbox import SandboxConformance
from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import SandboxSpec
from ml_intern.sandboxes import engine, layout
from ml_intern.sandboxes.docker import DockerBackend
from ml_intern.sandboxes.environment import find_image


@pytest.mark.docker
class TestDocker(SandboxConformance):
    imports = "from ml_intern.sandboxes.docker import DockerBackend"
    expression = "DockerBackend()"

    def test_sessions_of_dead_runs_are_removed_and_of_other_runs_kept(self, spec: SandboxSpec, tmp_path: Path) -> None:
        backend = DockerBackend()
        mine = replace(spec, run=f"run-{tmp_path.name}-{os.getpid()}")
        doomed, kept = backend.open(mine), backend.open(spec)

        cleaned = backend.reap(lambda run: run != mine.run)

        assert cleaned == (mine.run,)
        with pytest.raises(SandboxError, match="gone"):
            doomed.execute("1", timeout=5, on_output=print)
        assert kept.execute("1", timeout=60, on_output=print).value == "1"
        doomed.close()
        kept.close()

    def test_the_probes_find_the_holes_of_a_container_without_walls(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.touch(mode=0o644)
        image = find_image()
        assert image is not None
        mounts = ("--volume", f"{layout.SCRIPTS}:/probes:ro", "--volume", f"{secret}:/secret:ro")
        options = ("--user", "0:0", "--env", "ML_INTERN_REPORT_FD=1", "--entrypoint", "/opt/venv/bin/python")

        report = engine.ask("docker", "run", "--rm", *mounts, *options, image, "/probes/probes.py", "/secret")

        held = {wall for wall, holds in json.loads(report).items() if holds}
        # Docker's own filter and namespaces remain
        assert held <= {"dangerous system calls", "the supervisor's memory"}
