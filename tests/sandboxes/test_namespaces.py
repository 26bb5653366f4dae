"""The namespace backend keeps the contract of sandboxes."""

from __future__ import annotations

import pytest

from conformance.sandbox import SandboxConformance


@pytest.mark.sandbox
class TestNamespaces(SandboxConformance):
    imports = (
        "import os\nfrom ml_intern.config import Settings\nfrom ml_intern.sandboxes.namespaces import NamespaceBackend"
    )
    expression = "NamespaceBackend(Settings.load(os.environ).home)"
