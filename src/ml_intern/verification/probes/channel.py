"""The channel that a probe reports on: taken out of the candidate's sight before the candidate is loaded.

The name of the descriptor leaves the environment, the descriptor moves to a number nobody can guess that no child
process inherits, and stdin is empty afterwards.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import secrets
import sys


def take() -> int:
    """Move the report's descriptor out of sight; no child process of the candidate inherits it."""
    given = int(os.environ.pop("ML_INTERN_REPORT_FD"))
    limit = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 14)
    kept = fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, limit // 2 + secrets.randbelow(limit // 4))
    os.close(given)
    return kept


def request() -> dict:
    """Read stdin to its end and leave nothing to read again."""
    asked = json.loads(sys.stdin.buffer.read())
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return asked


def send(descriptor: int, told: dict) -> None:
    """Write one line of JSON, whole."""
    line = json.dumps(told).encode() + b"\n"
    while line:
        line = line[os.write(descriptor, line) :]
