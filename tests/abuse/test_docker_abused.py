"""Abuse meets walls in a container of Docker."""

from __future__ import annotations

from pathlib import Path

import pytest

from abuse.abusing import AbuseTests
from abuse.aftermath import AftermathTests
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.sandboxes.docker import DockerBackend


@pytest.mark.docker
class TestDockerAbused(AbuseTests, AftermathTests):
    @classmethod
    def make(cls, home: Path) -> SandboxBackend:
        del home
        return DockerBackend()
