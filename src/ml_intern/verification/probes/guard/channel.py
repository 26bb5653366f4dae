"""Report lines of JSON to the host, signed, and take in those of child processes. Runs inside the sandbox.

Code that shares a process with the watch can always reach it. The signature keeps out what merely writes to the
descriptor: the key leaves the environment, and the process's own memory of it, before any of the user's code runs.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import math
import os
import secrets
import socket
import sys
import threading

HIGH = 100
"""Lowest number of the report channel: code that closes or reuses small descriptors does not meet it."""
RELAY = "ML_INTERN_WATCH_RELAY"
"""Names the socket on which the first process takes in the lines of its children."""


def take_channel():
    """Take descriptor and key out of the environment and away from children; None where there is none."""
    number, key = os.environ.get("ML_INTERN_REPORT_FD", ""), wiped("ML_INTERN_REPORT_KEY")
    os.environ.pop("ML_INTERN_REPORT_FD", None)
    if not number.isdigit():
        relay = os.environ.get(RELAY)
        return Relayed(relay) if relay else None
    try:
        descriptor = fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, HIGH)
        os.close(int(number))
    except OSError:
        return None
    return Channel(descriptor, key)


def wiped(name):
    """Give an environment variable and overwrite where it stood: `/proc/self/environ` shows that memory."""
    value = os.environ.get(name, "")
    if value:
        getenv = ctypes.CDLL(None).getenv
        getenv.restype, getenv.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
        if place := getenv(name.encode()):
            ctypes.memset(place, ord("x"), len(value.encode()))
        del os.environ[name]
    return value


class Channel:
    """Lines of JSON on a descriptor that only this process writes to."""

    def __init__(self, descriptor, key=""):
        self.descriptor = descriptor
        self.process = os.getpid()
        self.identity = self.look()
        self.seal = hashlib.blake2b(key=key.encode(), digest_size=16) if key else None
        self.number = 0
        self.turn = threading.Lock()
        self.relay = None

    def look(self):
        """Say which file the descriptor is, so that a closed and reused number is noticed."""
        try:
            status = os.fstat(self.descriptor)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def write(self, **fields):
        """Write a line; a forked child sends it to its parent. Nobody listens once the descriptor was closed."""
        if os.getpid() != self.process:
            if self.relay is not None:
                Relayed(self.relay).write(**fields)
            return
        with self.turn:
            if self.identity is None or self.look() != self.identity:
                return
            self.number += 1
            line = encoded({**fields, "n": self.number})
            try:
                os.write(self.descriptor, f"{line}{self.signature(line)}\n".encode())
            except OSError:
                self.identity = None

    def signature(self, line):
        """Give the tag that the host checks, after a tab; JSON never holds one."""
        if self.seal is None:
            return ""
        seal = self.seal.copy()
        seal.update(line.encode())
        return f"\t{seal.hexdigest()}"

    def listen(self):
        """From now on take in the lines of child processes, which find the socket by the environment."""
        self.relay = f"ml-intern-{secrets.token_hex(8)}"
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            receiver.bind(f"\0{self.relay}")
        except OSError:  # no such sockets here: children stay unseen
            self.relay = None
            return
        os.environ[RELAY] = self.relay
        threading.Thread(target=self.take_in, args=(receiver,), name="ml-intern-relay", daemon=True).start()

    def take_in(self, receiver):
        """Pass lines on; a process that has no rank of its own gets the next number."""
        order = {}
        while True:
            try:
                fields = json.loads(receiver.recv(1 << 16))
                place = order.setdefault(fields.pop("pid"), len(order) + 1)
                self.write(**{"rank": place, **fields})
            except (ValueError, KeyError, TypeError, AttributeError):
                continue


class Relayed:
    """The channel of a child process: its lines travel through the first process."""

    def __init__(self, name):
        self.name = name
        self.sender = None
        self.process = None

    def write(self, **fields):
        """Send a line; where the first process is gone, nobody listens."""
        if self.process != os.getpid():
            self.process, self.sender = os.getpid(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self.sender.sendto(encoded({"pid": self.process, **fields}).encode(), f"\0{self.name}")
        except OSError:
            return

    def listen(self):
        """Children of children use the same socket."""


def encoded(fields):
    """Write one line of JSON; which rank of a distributed training it comes from is added."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        fields = {"rank": distributed.get_rank(), **fields}
    return json.dumps({name: plain(value) for name, value in fields.items()}, allow_nan=False)


def plain(value):
    """Make a value JSON: a number that is not finite becomes text."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
