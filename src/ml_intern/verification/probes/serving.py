"""How a program of probes begins, hides its own modules from the candidate, and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import torch
from probes import channel


def begin() -> tuple[dict, Callable[[dict], None]]:
    """Give the request, and how to tell something with its nonce; nothing of either can be found afterwards."""
    report_to = channel.take()
    request = channel.request()
    nonce = request.pop("nonce")
    sys.dont_write_bytecode = True
    torch.set_num_threads(1)
    return request, lambda told: channel.send(report_to, {"nonce": nonce, **told})


def hide(home: str) -> None:
    """Let the candidate find its own modules first, also where they have the names of ours, which lie in `home`."""
    sys.path[:] = [entry for entry in sys.path if entry != home]
    for name in [name for name in sys.modules if name.partition(".")[0] == "probes"]:
        del sys.modules[name]


def leave() -> None:
    """End at once: a thread of the candidate must not keep the job."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
