"""No sandbox: code runs as a plain process of the agent's user, with the protocol of the others and not their walls.

For a machine that is itself thrown away and can make no container, such as one inside a container without rights. It is
never chosen by itself; who asks for it must say that the risk is accepted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ml_intern.core.errors import ConfigError, SandboxError
from ml_intern.core.sandbox import WITHOUT_WALLS, Availability, SandboxSpec
from ml_intern.sandboxes import layout, namespaces
from ml_intern.sandboxes.linker import Order
from ml_intern.sandboxes.local import LocalBackend

NAME = WITHOUT_WALLS
WARNING = (
    "no sandbox: what a model writes runs as you, on this machine, and can read and change whatever you can; "
    "use this only on a machine that you would throw away"
)
_LINKER = Path(__file__).with_name("linker.py")
_NOTHING = (
    "files of the host",
    "the environment and the memory of other processes of the same user",
    "the supervisor being killed or lied to",
    "processes that outlive the run",
)


def demand_acceptance(sandbox: object, *, accepts_risk: bool) -> None:
    """Refuse the name of this tier where nobody said that the risk is accepted.

    Raises:
        ConfigError: nobody did.
    """
    if sandbox == NAME and not accepts_risk:
        raise ConfigError(f"{WARNING}. Say so with `--sandbox none --i-accept-the-risk`, or take another sandbox")


class PlainBackend(LocalBackend):
    """Processes without walls."""

    KIND = NAME

    def check(self) -> Availability:
        """Start a process. No probe is run: where nothing holds, a probe is an attack."""
        try:
            self.open(SandboxSpec(run="check", mounts=(), working_directory="/tmp")).close()
        except SandboxError as error:
            return Availability(works=False, detail=str(error))
        return Availability(works=True, detail=WARNING, unprotected=_NOTHING)

    def _command(self, mode: layout.Mode, spec: SandboxSpec, control: Path | None) -> Sequence[str]:
        if sys.platform != "linux":
            raise SandboxError("code without a sandbox runs on Linux only; install Docker")
        environment = namespaces.find_python(self._home, self._python)
        python = f"{environment}/bin/python"
        *_, settings = layout.supervisor(mode, spec, python=python, limit_processes=False)
        own = {**json.loads(settings), "plain": True, "control": str(control)}
        given = {mount.target: str(mount.source) for mount in layout.mounts(spec, None)}
        given.pop(layout.INSIDE)
        order = Order(
            links=given,
            locks=f"/var/tmp/ml-intern-links-{os.getuid()}",
            environment=layout.environment(spec, path=f"{environment}/bin:/usr/bin:/bin"),
            argv=[python, "-I", "-S", f"{layout.SCRIPTS}/supervisor.py", mode, json.dumps(own)],
        )
        return (sys.executable, "-I", "-S", str(_LINKER), json.dumps(order))
