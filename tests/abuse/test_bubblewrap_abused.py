"""Abuse meets walls in the rootless container of bubblewrap."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType

import pytest

from abuse.abusing import AbuseTests
from abuse.aftermath import AftermathTests
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.sandboxes.bubblewrap import BubblewrapBackend


@pytest.mark.bubblewrap
@pytest.mark.sandbox
class TestBubblewrapAbused(AbuseTests, AftermathTests):
    unheld = MappingProxyType(
        {"make_too_many_files_in_memory": "| very many empty files in `/tmp` | `podman` and `bubblewrap`"}
    )

    @classmethod
    def make(cls, home: Path) -> SandboxBackend:
        chosen = os.environ.get("ML_INTERN_SANDBOX_PYTHON")
        return BubblewrapBackend(Path.home() / ".ml-intern" if chosen is None else home)
