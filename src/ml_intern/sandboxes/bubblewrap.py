"""The backend for a machine that forbids our own user namespaces but allows those of bubblewrap (recent Ubuntu).

The plan is that of `namespaces`; here bubblewrap carries it out, as an ordinary user even where the agent is root.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ml_intern.core.sandbox import Availability, SandboxSpec
from ml_intern.sandboxes import engine, layout, namespaces, probing
from ml_intern.sandboxes.holder import Order, command
from ml_intern.sandboxes.local import LocalBackend
from ml_intern.sandboxes.walls import DESCRIPTORS, DEVICES, HIDDEN, Bind, Plan


class BubblewrapBackend(LocalBackend):
    """Rootless containers made by `bwrap`."""

    KIND = "bubblewrap"

    def check(self) -> Availability:
        """Start a sandbox and try a handful of probes."""
        return probing.probe(self, unprotected=namespaces.UNPROTECTED)

    def _command(self, mode: layout.Mode, spec: SandboxSpec, control: Path | None) -> Sequence[str]:
        program = engine.locate("bwrap")
        plan = namespaces.prepare(mode, spec, control, home=self._home, python=self._python)
        order = Order(
            user=layout.USER if os.getuid() == 0 else 0,
            processors=plan["processors"],
            files=plan["files"],
            environment={},  # it could be read inside, as that of process 1
            argv=[program, *arguments(plan)],
        )
        return command(order)


def arguments(plan: Plan) -> list[str]:
    """Say `plan` in bubblewrap's words; what it shows as files is the holder's to add."""
    user = str(plan["user"])
    # no reaper of bubblewrap's own: the supervisor must be process 1, where signals from inside do not reach it
    walls = ["--unshare-all", "--unshare-user", "--as-pid-1", "--die-with-parent", "--new-session", "--clearenv"]
    rights = ["--cap-drop", "ALL", "--uid", user, "--gid", user, "--hostname", "sandbox"]
    return [
        *walls,
        *rights,
        *(word for path, target in plan["links"].items() for word in ("--symlink", target, path)),
        *(word for item in plan["memory"] for word in _memory(item["target"], item["size"], item["mode"])),
        *_devices(),
        *("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"),
        *(word for name in _hidden() for word in ("--dev-bind", "/dev/null", name)),
        *(word for bind in plan["binds"] for word in _bind(bind)),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"),
        *(word for name, value in plan["environment"].items() for word in ("--setenv", name, value)),
        "--",
        *plan["argv"],
    ]


def _memory(target: str, size: int, mode: str) -> tuple[str, ...]:
    return ("--size", str(size), "--perms", mode, "--tmpfs", target)


def _hidden() -> Iterator[str]:
    """Give what /proc tells of the whole machine; bubblewrap refuses to hide what this kernel does not have."""
    return (path for name in HIDDEN if Path(path := f"/proc/{name}").is_file())


def _devices() -> Iterator[str]:
    for name in DEVICES:
        yield from ("--dev-bind", f"/dev/{name}", f"/dev/{name}")
    for name, target in DESCRIPTORS.items():
        yield from ("--symlink", target, f"/dev/{name}")


def _bind(bind: Bind) -> tuple[str, ...]:
    flag = "--dev-bind" if bind["device"] else "--bind" if bind["writable"] else "--ro-bind"
    return (flag, bind["source"], bind["target"])
