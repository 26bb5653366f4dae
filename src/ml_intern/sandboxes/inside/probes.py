"""Try to do what a sandbox must forbid and report which attempts failed, as they should.

Every attempt is harmless where it succeeds: it reads, or signals a process with nothing, and changes nothing.
Argument: path of a file of the host that must not be readable. Reports one JSON line: name of the wall to whether
it held.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def fails(attempt: Callable[[], object]) -> bool:
    """Tell whether `attempt` was refused."""
    try:
        attempt()
    except OSError:
        return True
    return False


def status(name: str) -> str:
    """Read one field of this process's status."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith(name + ":")), "")


def connect() -> None:
    """Open a connection to an address that is reserved for documentation (RFC 5737)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outgoing:
        outgoing.connect(("192.0.2.1", 9))


def trace_supervisor() -> None:
    """Attach to process 1; undone by the end of this process."""
    if ctypes.CDLL(None, use_errno=True).ptrace(16, 1, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def writes_root() -> None:
    """Ask whether the root folder could be written."""
    if not os.access("/", os.W_OK) and not os.access("/usr", os.W_OK):
        raise PermissionError("/")


def main(secret: str) -> None:
    """Report the walls."""
    walls = {
        "the network": fails(connect),
        "files of the host": fails(lambda: Path(secret).read_bytes()),
        "the supervisor's memory": fails(lambda: list(Path("/proc/1/fd").iterdir())) and fails(trace_supervisor),
        "the environment of the agent": fails(lambda: Path("/proc/1/environ").read_bytes()),
        "changes of the system": fails(writes_root),
        "capabilities": int(status("CapEff"), 16) == 0 and int(status("CapBnd"), 16) == 0,
        "gaining rights by exec": status("NoNewPrivs") == "1",
        "dangerous system calls": status("Seccomp") == "2",
        "being root": os.getuid() != 0,
        "processes of the host": os.getppid() == 1,
    }
    os.write(int(os.environ["ML_INTERN_REPORT_FD"]), json.dumps(walls).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
