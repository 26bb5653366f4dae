"""Go back to the last healthy state with a tenth of the learning rate and clipped gradients. Runs inside the sandbox.

A lower rate alone keeps weights that are broken already, and going back alone meets the same rate again. The script's
own loop and schedule stay as they are: the rate is lowered only while a step is made.
"""

from __future__ import annotations

import importlib
import math
import os

import ml_intern_rules as rules

MOST = 3
RATE = 0.1
SOON = 20
"""Steps after a recovery within which the next one goes further back."""


class Recovery:
    """What `on_divergence = auto` does; with `ask` it never acts."""

    def __init__(self, torch, states, channel, policy=None):
        self.torch = torch
        self.states = states
        self.channel = channel
        self.is_automatic = (policy or os.environ.get("ML_INTERN_ON_DIVERGENCE")) == "auto"
        self.times = 0
        self.factor = 1.0
        self.clip = math.inf
        self.rates = []
        self.hook = None

    def attempt(self, course, trainings, step, reason, where):
        """Take every training of `trainings` (optimizer, networks) back; false where that cannot be done."""
        if not self.is_automatic or self.times >= MOST:
            return False
        again = course.recovered_at is not None and step - course.recovered_at < SOON
        backs = [self.states.roll_back(optimizer, networks, again=again) for optimizer, networks in trainings]
        if not any(back is not None for back in backs):
            return False
        self.times += 1
        self.factor *= RATE
        back = max(back for back in backs if back is not None)
        healthy = [norm for made, norm in course.norms if made <= back]
        self.clip = rules.median(healthy) if healthy else 1.0
        course.recovered_at, course.history.high = step, 0
        facts = {"step": step, "reason": reason, "where": where, "back": back}
        if self.channel is not None:
            self.channel.write(
                kind="recovered", optimizer=course.number, factor=self.factor, clip=float(self.clip), **facts
            )
        return True

    def tame(self, optimizer, gradients, norm):
        """Before a step: clip, and lower the rate until `release`."""
        if self.factor == 1.0:
            return
        if norm is not None:
            ratio = self.clip / (norm + 1e-6)
            self.torch._foreach_mul_(gradients, min(ratio, 1.0) if isinstance(ratio, float) else ratio.clamp(max=1.0))
        if self.hook is None:  # only now: at some steps every call counts
            after = importlib.import_module("torch.optim.optimizer").register_optimizer_step_post_hook
            self.hook = after(lambda optimizer, args, kwargs: self.release())
        self.rates = [(group, group["lr"]) for group in optimizer.param_groups if "lr" in group]
        for group, rate in self.rates:
            group["lr"] = rate * self.factor

    def release(self):
        """After a step: the script's own rates stand again."""
        for group, rate in self.rates:
            group["lr"] = rate
        self.rates = []
