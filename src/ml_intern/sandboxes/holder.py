"""Hold a program that makes a sandbox: give up root first, and let its end and one's own be the same.

Run as a script: `python -I -S holder.py ORDER`, ORDER being JSON as in `Order`. The program is a child of this process
and dies with it, so that whoever has the process id of this one ends everything by it; the locks that this process
inherited are held as long as the child lives, and are not passed on.

What root may reach but an ordinary user may not, such as a Python below /root, is bound to a folder of its own before
root is given up, in a view of the file system that only the program has. Sources: prctl(2), mount_namespaces(7).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn, TypedDict

_LIBC = ctypes.CDLL(None, use_errno=True)
_PARENT_DEATH_SIGNAL = 1
_NEW_MOUNTS, _BIND, _RECURSIVE, _PRIVATE = 0x00020000, 4096, 16384, 1 << 18
_PLACE = "/mnt"


class Order(TypedDict):
    """What to start, and as whom. `user` 0 keeps the user; `processors` 0 allows all.

    `argv` is the command, `environment` its whole environment. What only bubblewrap understands: `files` become
    read-only files inside, by path.
    """

    user: int
    processors: int
    files: dict[str, str]
    environment: dict[str, str]
    argv: list[str]


def command(order: Order) -> tuple[str, ...]:
    """Give the command that carries `order` out."""
    return (sys.executable, "-I", "-S", __file__, json.dumps(order))


def main(text: str) -> int:
    """Start the program and wait for it; gives its exit status."""
    order: Order = json.loads(text)
    if order["processors"]:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: order["processors"]])
    alive, held = os.pipe()
    nothing = os.open(os.devnull, os.O_RDWR)
    child = os.fork()
    if child == 0:
        os.close(held)
        _become(order, alive)
    os.close(alive)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status


def _become(order: Order, alive: int) -> NoReturn:
    try:
        program, *arguments = order["argv"]
        if order["user"]:
            arguments = _reachable(arguments)
            os.setgroups([])
            os.setresgid(*(order["user"],) * 3)
            os.setresuid(*(order["user"],) * 3)
        _die_with_parent(alive)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        files = [word for path, content in order["files"].items() for word in _file(path, content)]
        os.execve(program, [program, *files, *arguments], order["environment"])
    except OSError as error:
        os.write(2, f"the sandbox cannot be set up: {error}\n".encode())
    finally:
        os._exit(126)


def _reachable(arguments: list[str]) -> list[str]:
    """Bind every source of a mount to a folder that anybody can reach; gives the command with those."""
    found = list(arguments)
    end = found.index("--")
    places = [i + 1 for i, word in enumerate(found[:end]) if word in {"--ro-bind", "--bind"}]
    _check(_LIBC.unshare(_NEW_MOUNTS), "a view of its own")
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    opened = [os.open(found[place], os.O_PATH) for place in places]  # before the next line hides what lies there
    _mount("tmpfs", _PLACE, "tmpfs", 0)
    for place, descriptor in zip(places, opened, strict=True):
        target = Path(_PLACE, str(place))
        if Path(found[place]).is_dir():
            target.mkdir()
        else:
            target.touch()
        _mount(f"/proc/self/fd/{descriptor}", str(target), None, _BIND | _RECURSIVE)
    for place in places:
        found[place] = str(Path(_PLACE, str(place)))
    return found


def _file(path: str, content: str) -> tuple[str, ...]:
    descriptor = os.memfd_create("file", 0)
    os.write(descriptor, content.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return ("--ro-bind-data", str(descriptor), path)


def _die_with_parent(alive: int) -> None:
    """Set after the last change of user, which would clear it."""
    _LIBC.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    os.set_blocking(alive, False)
    try:
        if os.read(alive, 1) == b"":  # it died before the line above
            os._exit(125)
    except BlockingIOError:
        return


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    encoded = [text.encode() if text is not None else None for text in (source, target, kind)]
    _check(_LIBC.mount(*encoded, ctypes.c_ulong(flags), None), f"mounting {source or kind} at {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
