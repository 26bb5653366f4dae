"""Arm guard and watch when, and only when, torch is imported; importing this file does it.

Runs inside the sandbox: through `sitecustomize` in jobs and their children, through the worker in sessions.
"""

from __future__ import annotations

import fcntl
import importlib.abc
import importlib.util
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HIGH = 100
"""Lowest number of the report channel: code that closes or reuses small descriptors does not meet it."""


def load(name):
    """Load a sibling as `ml_intern_<name>`, so that it never shadows a user's `watch.py` or `guard.py`."""
    full = f"ml_intern_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, HERE / f"{name}.py")
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


def take_channel():
    """Take the report descriptor out of the environment and away from children; None where there is none."""
    number = os.environ.pop("ML_INTERN_REPORT_FD", "")
    if not number.isdigit():
        return None
    try:
        channel = fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, HIGH)
        os.close(int(number))
    except OSError:
        return None
    return channel


class TorchFinder(importlib.abc.MetaPathFinder):
    """Call `armed` with torch right after its import ended."""

    def __init__(self, armed):
        self.armed = armed
        self.searching = False

    def find_spec(self, name, path, target=None):
        """Wrap torch's own loader; every other module is somebody else's business."""
        if name != "torch" or self.searching:
            return None
        self.searching = True
        try:
            spec = importlib.util.find_spec("torch")
        finally:
            self.searching = False
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_arm(module):
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                    self.armed(module)

            spec.loader.exec_module = execute_and_arm
        return spec


def arm():
    """Record what is imported from now on, and hook torch now or when it comes. A second call does nothing."""
    # Siblings are loaded by path: a user's modules of the same names must win.
    sys.path[:] = [entry for entry in sys.path if entry != str(HERE)]
    if "ml_intern_guard" in sys.modules:
        return
    channel = take_channel()
    guard = load("guard")
    guard.record_imports()
    load("frame_facts").install()

    def armed(torch):
        guarded = guard.Guard(torch)
        localise = load("localise").first_non_finite
        watch = load("watch").Watch(torch, channel, roots=guarded.roots, localise=localise)
        before_step = importlib.import_module("torch.optim.optimizer").register_optimizer_step_pre_hook
        before_step(lambda optimizer, args, kwargs: guarded.check(optimizer))
        before_step(watch.before_step)
        watch.install()

    if "torch" in sys.modules:
        armed(sys.modules["torch"])
    else:
        sys.meta_path.insert(0, TorchFinder(armed))


arm()
