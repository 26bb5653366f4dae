"""Arm guard and watch when, and only when, torch is imported; importing this file does it.

Runs inside the sandbox: through `sitecustomize` in jobs and their children, through the worker in sessions.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = (
    "rules", "states", "saved", "stalls", "losses", "readings", "marks", "batches", "recovery", "courses", "ending",
    "watch",
)  # fmt: skip
"""The watch's own files, each after those it uses."""


def load(name):
    """Load a sibling as `ml_intern_<name>`, so that it never shadows a user's `watch.py` or `guard.py`."""
    full = f"ml_intern_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, HERE / f"{name}.py")
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


def connect():
    """Lead connections to the host's gateway, where this sandbox has one; a session's worker has done it already."""
    file = Path("/opt/ml-intern/inside/_worker_egress.py")
    if Path("/opt/ml-intern/egress").exists() and "_ml_intern_egress" not in sys.modules:
        spec = importlib.util.spec_from_file_location("_ml_intern_egress", file)
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
        sys.modules[spec.name].install()


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
    connect()
    channel = load("channel").take_channel()
    # read before any code of a script runs: a training names the file of its weights
    settings, is_session = None, "ML_INTERN_WEIGHTS" not in os.environ
    if channel is not None:
        channel.listen()
        settings = load("settings").of_job()
    if settings is not None:
        settings.install()
    guard = load("guard")
    guard.record_imports()
    explained = load("explained")
    explained.install()

    def armed(torch):
        guarded = guard.Guard(torch, is_session=is_session)
        guarded.install()
        explained.see_workers(torch)
        *_, module = map(load, PARTS)
        watch = module.Watch(
            torch, channel, roots=guarded.roots, localise=load("localise").first_non_finite, settings=settings
        )
        optimizers = importlib.import_module("torch.optim.optimizer")
        hook_steps(optimizers, guarded, watch)
        load("smoke").of_job(torch, optimizers, watch.finish)
        watch.install()

    if "torch" in sys.modules:
        armed(sys.modules["torch"])
    else:
        sys.meta_path.insert(0, TorchFinder(armed))


def hook_steps(optimizers, guarded, watch):
    """Judge and watch before every step of every optimizer, and note what it left."""

    def before_step(optimizer, args, kwargs):
        if len(args) == 1 and not kwargs and watch.passes(optimizer):
            return None
        guarded.check(optimizer)
        return watch.before_step(optimizer, args, kwargs)

    optimizers.register_optimizer_step_pre_hook(before_step)
    optimizers.register_optimizer_step_post_hook(lambda optimizer, args, kwargs: watch.after_step(optimizer))


held = os.environ.pop("ML_INTERN_HELD", "")  # a child of the script is not held
try:
    arm()
finally:
    if held:
        load("standing").wait()
