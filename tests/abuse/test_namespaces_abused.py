"""Abuse meets walls in the rootless container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from abuse.abusing import AbuseTests
from abuse.aftermath import AftermathTests
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.sandboxes.namespaces import NamespaceBackend


@pytest.mark.sandbox
class TestNamespacesAbused(AbuseTests, AftermathTests):
    @classmethod
    def make(cls, home: Path) -> SandboxBackend:
        chosen = os.environ.get("ML_INTERN_SANDBOX_PYTHON")
        return NamespaceBackend(Path.home() / ".ml-intern" if chosen is None else home)
