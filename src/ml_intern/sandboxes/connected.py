"""A backend whose sessions and trainings reach the egress gateway; probes, predictors and scorers never do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ml_intern.core.sandbox import Mount, SandboxBackend, SandboxSpec
from ml_intern.sandboxes.altered import Altered

INSIDE = "/opt/ml-intern/egress"
_GUARD = "/opt/ml-intern/guard"
"""Only where the guard is: a session of the agent, and a training. What predicts or is judged must not ask anybody."""
_ONLINE = {"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0"}


class Connected(Altered):
    """`backend` with the folder of a gateway's socket mounted read-only."""

    def __init__(self, backend: SandboxBackend, folder: Path) -> None:
        super().__init__(backend)
        self._folder = folder

    def _altered(self, spec: SandboxSpec) -> SandboxSpec:
        if not any(mount.target == _GUARD for mount in spec.mounts):
            return spec
        mounts = (*spec.mounts, Mount(source=self._folder, target=INSIDE))
        return replace(spec, mounts=mounts, environment={**_ONLINE, **spec.environment})
