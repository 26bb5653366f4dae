"""Notice that nothing happens any more, and say where each process stands. Runs inside the sandbox."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

STALL = 120.0
"""Seconds without a step or a forward pass, and 20 times the usual step, that count as a stall."""
BEFORE = 5
"""Times as long may pass before the first step: data are read, files compiled."""
IDLE = 0.05
"""Part of one core that a process uses at most when it waits and does not work."""


class Lookout:
    """A thread that reports each stall once; `pulse` gives (time of the last life sign, usual step, step)."""

    def __init__(self, channel, pulse, clock, limit=None):
        self.channel = channel
        self.pulse = pulse
        self.clock = clock
        self.limit = limit or float(os.environ.get("ML_INTERN_STALL_SECONDS") or STALL)
        self.began = clock()
        self.told = None
        self.process = None

    def start(self):
        """Begin in this process; a forked child begins anew."""
        if self.process != os.getpid():
            self.process, self.began = os.getpid(), self.clock()
            threading.Thread(target=self.look_out, name="ml-intern-watch", daemon=True).start()

    def look_out(self):
        """Look every few seconds until the main thread ends."""
        main = threading.main_thread()
        worked, mark = cpu_seconds(), None
        while main.is_alive():
            time.sleep(min(5.0, self.limit / 4))
            last, usual, step = self.pulse()
            last = max(last, self.began)
            if last != mark:
                mark, worked = last, cpu_seconds()
            idle = self.clock() - last
            limit = max(self.limit, 20 * usual) * (BEFORE if step == 0 else 1)
            if idle > limit and self.told != last:
                self.told = last
                self.report(main, step, idle, (cpu_seconds() - worked) / idle)

    def report(self, main, step, idle, load):
        """Tell where the main thread stands; whether it waits or works."""
        frame = sys._current_frames().get(main.ident)
        stack = stack_of(frame)
        waits = load < IDLE or any("torch/distributed" in place for place in stack)
        self.channel.write(kind="stall", step=step, seconds=round(idle, 1), stack=stack, waits=waits)


def cpu_seconds():
    """Give CPU time of this process and of its children that still run: loaders work in them."""
    own = sum(os.times()[:4])
    pid, children = os.getpid(), 0.0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != pid:
            children += ticks(entry, pid)
    return own + children


def ticks(entry, parent):
    """Give CPU seconds of a process if `parent` is its parent."""
    try:
        fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:  # it ended while we looked
        return 0.0
    if int(fields[1]) != parent:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stack_of(frame, limit=8):
    """Give the innermost frame and then those of the user, as `file:line function`."""
    places = []
    while frame is not None and len(places) < limit:
        code = frame.f_code
        own = not code.co_filename.startswith((sys.prefix, sys.base_prefix, "<frozen", str(Path(__file__).parent)))
        if not places or own or "torch/distributed" in code.co_filename:
            places.append(f"{code.co_filename}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return places
