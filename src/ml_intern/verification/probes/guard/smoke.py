"""Shorten a script to a smoke run: few batches a loader, few steps. Runs inside the sandbox, where the host asks.

A loader gives two batches; once the steps are made, one, so that loops over epochs come to their end soon. A script
that draws its batches by itself, or goes on for long, is ended as soon as it has made its steps.
"""

from __future__ import annotations

import gc
import itertools
import os
import sys

ENDED = 75
"""Exit status that tells the host that the script was ended here and did not end by itself."""
BATCHES = 2
EVALUATED = 20
"""Batches that a loader gives where no gradients are kept: scores of very few rows mislead a script."""
PATIENCE = 8
"""Times the steps that a script with loaders may make before it is ended."""


class Smoke:
    """Counts steps and batches of a process; only the first one is ended, no child of it."""

    def __init__(self, torch, limit, finish):
        self.torch, self.limit, self.finish = torch, limit, finish
        self.steps, self.has_loader = 0, False
        # started anew and not forked, a child (a loader's worker) gets a Smoke of its own, but also this
        self.process = os.environ.setdefault("ML_INTERN_SMOKE_PROCESS", str(os.getpid()))

    def install(self, optimizers):
        """Let every loader stop early, and count steps."""
        # the first step imports PyTorch's compiler, a sixth of whose time is search for cycles among what stays
        gc.disable()
        optimizers.register_optimizer_step_post_hook(self.after_step)
        kind, smoke = self.torch.utils.data.DataLoader, self
        iterate = kind.__iter__

        def few(loader):
            return itertools.islice(iterate(loader), smoke.batches())

        kind.__iter__ = few

    def batches(self):
        """Say how many batches a loader may give from now on."""
        if not self.torch.is_grad_enabled():
            return EVALUATED if self.steps < self.limit else BATCHES
        self.has_loader = True
        return BATCHES if self.steps < self.limit else 1

    def after_step(self, optimizer, args, kwargs):
        """Count, and end the script where it would go on for long."""
        self.steps += 1
        gc.enable()
        if self.steps >= self.limit * (PATIENCE if self.has_loader else 1) and str(os.getpid()) == self.process:
            self.finish()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ENDED)


def of_job(torch, optimizers, finish):
    """Shorten this process where the host asked for it; its children find it in their environment."""
    if limit := os.environ.get("ML_INTERN_SMOKE_STEPS", ""):
        Smoke(torch, int(limit), finish).install(optimizers)
