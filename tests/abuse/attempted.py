"""What the tests of abuse stand on: which attempts there are, and a place of the host that they may try to reach."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from abuse.attempts.trying import Around
from ml_intern.core.sandbox import Limits


class _Amounts(TypedDict):
    memory: int
    disk: int
    files: int
    processes: int
    settle: float


ATTEMPTS = Path(__file__).with_name("attempts")
GROUPS = ("files", "processes", "network", "kernel", "resources")
LIMITS = Limits(memory=448 << 20, disk=64 << 20, files=20_000, processes=100)
WITH_TORCH = Limits(memory=2 << 30, disk=64 << 20)
_LITTLE: _Amounts = {"memory": 64 << 20, "disk": 16 << 20, "files": 2000, "processes": 20, "settle": 0.1}
"""What is taken a little more of outside of any sandbox."""
ORDINARY = 65534
"""The user `nobody`, as whom attempts are made outside of any sandbox where these tests run as root."""


def names(group: str) -> Sequence[str]:
    """List the attempts of a group, in the order of their source."""
    module = importlib.import_module(f"abuse.attempts.{group}")
    found = [item for item in vars(module).values() if inspect.isfunction(item) and item.__module__ == module.__name__]
    return [function.__name__ for function in found if not function.__name__.startswith("_")]


def all_names() -> Sequence[tuple[str, str]]:
    """Give every attempt as its group and name."""
    return [(group, name) for group in GROUPS for name in names(group)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What lies outside: a folder with a secret, and services that answer."""

    folder: Path
    around: Around


@contextmanager
def host() -> Generator[Host]:
    """Make a secret, listen on sockets, and start a process whose environment has a token."""
    folder = Path(tempfile.mkdtemp(prefix="ml-intern-abuse-"))
    folder.chmod(0o755)
    marker = f"abuse-{folder.name}"
    (folder / "secret").write_text("the secret of the host", "utf-8")
    (folder / "secret").chmod(0o644)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(_listening(_unix(str(folder / "socket"))))
        stack.enter_context(_listening(_unix("\0" + marker)))
        service = socket.create_server(("127.0.0.1", 0))
        stack.enter_context(_listening(service))
        process = stack.enter_context(_sleeper(marker))
        yield Host(
            folder=folder,
            around={
                "secret": str(folder / "secret"),
                "socket": str(folder / "socket"),
                "abstract": marker,
                "port": service.getsockname()[1],
                "host_process": process,
                "victim": 1,
                "marker": marker,
                "program": "/opt/ml-intern/inside/worker.py",
                "row": "/data/rows.txt",
                "labels": "sklearn/datasets/data/iris.csv",
                "workspace": "/workspace",
                "memory": LIMITS.memory,
                "disk": LIMITS.disk,
                "files": LIMITS.files,
                "processes": LIMITS.processes,
                "settle": 4.0,
            },
        )


def _unix(address: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(address)
    if not address.startswith("\0"):
        Path(address).chmod(0o666)
    made.listen()
    return made


@contextmanager
def _listening(made: socket.socket) -> Generator[None]:
    """Greet whoever connects."""

    def greet() -> None:
        with suppress(OSError):  # closed below
            while True:
                with closing(made.accept()[0]) as connection:
                    connection.sendall(b"the host greets you")

    thread = threading.Thread(target=greet, daemon=True)
    thread.start()
    try:
        yield
    finally:
        made.shutdown(socket.SHUT_RDWR)
        made.close()
        thread.join()


@contextmanager
def _sleeper(marker: str) -> Generator[int]:
    """Start a process of an ordinary user that does nothing, with a token in its environment."""
    code = "import signal\nprint('ready', flush=True)\nsignal.pause()"
    process = subprocess.Popen(
        [ordinary_python(), "-I", "-c", code, marker],
        env={"HF_TOKEN": f"hf_{marker}"},
        stdout=subprocess.PIPE,
        user=ordinary_user(),
        group=ordinary_user(),
        extra_groups=[] if os.getuid() == 0 else None,
        cwd="/",
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def ordinary_user() -> int | None:
    """Whom to become so as not to be root."""
    return ORDINARY if os.getuid() == 0 else None


def ordinary_python() -> str:
    """The interpreter that an ordinary user may run: that of the tests may lie in the home of root."""
    return sys.executable if os.getuid() else "/usr/bin/python3"


def inside(group: str, name: str) -> str:
    """Give code for a session that makes an attempt."""
    return f"from abuse.attempts import trying\nprint(trying.attempt({group!r}, {name!r}))"


@contextmanager
def outside(found: Host) -> Generator[Callable[[Sequence[tuple[str, str]]], Sequence[str]]]:
    """Give a way to make attempts as an ordinary user who is in no sandbox, on files and processes made for that."""
    place = found.folder / "outside"
    (place / "abuse").mkdir(parents=True)
    shutil.copytree(ATTEMPTS, place / "abuse" / "attempts")
    for folder in ("workspace", "data"):
        (place / folder).mkdir()
    (place / "data" / "rows.txt").write_text("one two", "utf-8")
    (place / "labels.csv").write_text("5.1,3.5,1.4,0.2,0", "utf-8")
    for path in (place, *place.rglob("*")):
        if os.getuid() == 0:
            os.chown(path, ORDINARY, ORDINARY)
    with _sleeper("victim") as victim:
        around: Around = {
            **found.around,
            "victim": victim,
            "program": str(place / "abuse" / "attempts" / "trying.py"),
            "row": str(place / "data" / "rows.txt"),
            "labels": str(place / "labels.csv"),
            "workspace": str(place / "workspace"),
            **_LITTLE,
        }
        environment = {
            "PYTHONPATH": str(place),
            "HOME": str(place),
            "ABUSE": json.dumps(around),
            "HF_TOKEN": "hf_not_a_token",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

        def attempt(chosen: Sequence[tuple[str, str]]) -> Sequence[str]:
            with Path("/etc/passwd").open("rb") as left:
                done = subprocess.run(
                    [ordinary_python(), "-m", "abuse.attempts.trying", *(word for pair in chosen for word in pair)],
                    env=environment,
                    cwd=place,
                    user=ordinary_user(),
                    group=ordinary_user(),
                    extra_groups=[] if os.getuid() == 0 else None,
                    pass_fds=(left.fileno(),),
                    capture_output=True,
                    text=True,
                    timeout=900,
                    check=True,
                )
            return done.stdout.splitlines()

        yield attempt
