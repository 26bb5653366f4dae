"""The bubblewrap backend keeps the contract of sandboxes, as an ordinary user also where the agent is root."""

from __future__ import annotations

import pytest

from conformance.sandbox import WallTests
from conformance.sandbox_base import Run
from conformance.sandbox_jobs import JobTests


@pytest.mark.bubblewrap
@pytest.mark.sandbox
class TestBubblewrap(WallTests, JobTests):
    imports = (
        "import os\nfrom ml_intern.config import Settings\nfrom ml_intern.sandboxes.bubblewrap import BubblewrapBackend"
    )
    expression = "BubblewrapBackend(Settings.load(os.environ).home)"

    def test_no_descriptor_of_the_host_gets_in(self, run: Run) -> None:
        code = "import os\n[os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if int(n) > 2]"

        seen = run(code).value or ""

        assert "/mnt" not in seen
        assert str(self.workspace.parent) not in seen
