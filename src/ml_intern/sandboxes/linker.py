"""Start a program without any wall: links in the root folder stand for mounts, and go when it ends.

Run as a script: `python -I -S linker.py ORDER`, ORDER being JSON as in `Order`. A link that another sandbox uses for
another folder is not touched: the second one is refused. Sources: flock(2), prctl(2).
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn, TypedDict

_PARENT_DEATH_SIGNAL = 1


class Order(TypedDict):
    """What to start. `links` gives the folder or file of the host by its path inside; `locks` is a folder."""

    links: dict[str, str]
    locks: str
    environment: dict[str, str]
    argv: list[str]


def main(text: str) -> int:
    """Make the links, start the program, wait for it, remove the links; gives its exit status."""
    order: Order = json.loads(text)
    Path(order["locks"]).mkdir(mode=0o700, exist_ok=True)
    held: dict[str, int] = {}
    try:
        for target, source in order["links"].items():
            held[target] = _link(target, source, Path(order["locks"]))
        nothing = os.open(os.devnull, os.O_RDWR)
        child = os.fork()
        if child == 0:
            _become(order)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        for target, lock in held.items():
            _unlink(target, lock)
    return status if status >= 0 else 128 - status


def _link(target: str, source: str, locks: Path) -> int:
    """Let `target` be `source`; gives the lock that says that it is in use."""
    name = target.strip("/").replace("/", "_")
    lock = os.open(locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    place = Path(target)
    if place.exists() and not place.is_symlink():
        raise OSError(f"{target} exists on this machine, and would hide what the sandbox shall see there")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not place.is_symlink() or str(place.readlink()) != source:
            raise OSError(f"{target} is in use by another sandbox without walls; one at a time") from None
    else:
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def _unlink(target: str, lock: int) -> None:
    """Remove a link that nobody else uses."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Path(target).unlink(missing_ok=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)


def _become(order: Order) -> NoReturn:
    try:
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.execve(order["argv"][0], order["argv"], order["environment"])
    except OSError as error:
        os.write(2, f"the program cannot be started: {error}\n".encode())
    finally:
        os._exit(126)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except OSError as error:
        print(f"code cannot run without a sandbox here: {error}", file=sys.stderr)  # noqa: T201 - its only way to say so
        sys.exit(126)
