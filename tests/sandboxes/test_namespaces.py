"""The namespace backend keeps the contract of sandboxes."""

from __future__ import annotations

import pytest

from conformance.sandbox import SandboxConformance
from conformance.sandbox_base import Run


@pytest.mark.sandbox
class TestNamespaces(SandboxConformance):
    imports = (
        "import os\nfrom ml_intern.config import Settings\nfrom ml_intern.sandboxes.namespaces import NamespaceBackend"
    )
    expression = "NamespaceBackend(Settings.load(os.environ).home)"

    def test_packages_beside_the_base_interpreter_are_hidden(self, run: Run) -> None:
        code = (
            "import sys, sysconfig, os\n"
            "beside = sysconfig.get_path('purelib', vars={'base': sys.base_prefix})\n"
            "not os.path.exists(beside) or beside.startswith('/usr') or os.listdir(beside) == ['README']"
        )

        assert run(code).value == "True"

    def test_an_import_that_never_ends_is_ended_by_force(self, run: Run) -> None:
        (self.workspace / "endless.py").write_text("import time\nwhile True: time.sleep(0.1)\n", "utf-8")

        result = run("import endless", timeout=0.5)

        assert (result.timed_out, result.died) == (True, "it did not stop within 15 s of the interrupt")
