"""Podman keeps the contract of sandboxes, driven by the code for Docker."""

from __future__ import annotations

import pytest

from conformance.sandbox import WallTests
from conformance.sandbox_jobs import JobTests


@pytest.mark.podman
class TestPodman(WallTests, JobTests):
    imports = "from ml_intern.sandboxes.docker import podman"
    expression = "podman()"
