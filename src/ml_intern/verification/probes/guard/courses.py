"""What is known of one optimizer's training, and its numbers as lines to report. Runs inside the sandbox."""

from __future__ import annotations

import collections
import math
import weakref

import ml_intern_rules as rules

NAMES = ("step", "seconds", "samples", "learning_rate", "loss", "gradient_norm")
"""What a reading holds, in this order; None where a number is not known. A tuple, for one is made at every step."""
THOROUGH = 100
"""Steps at the beginning each of which is seen as a whole."""
SHARE = 0.005
"""Part of the time that looks at whole steps may take after that; the longest are seen all."""
COUNTS = {"step", "samples"}


class Course:
    """The record of one optimizer; `latest` is the last reading that was judged, `late` one still on its way."""

    def __init__(self, number, optimizer, now, memory):
        self.number = number
        self.name = type(optimizer).__name__
        self.began = self.last = now
        self.step = self.skipped = 0
        self.history, self.trend, self.gradients = rules.LossHistory(), rules.Trend(), rules.Gradients()
        self.activations, self.memory = rules.Activations(), rules.Memory(memory)
        self.trail = collections.deque(maxlen=8)
        self.norms = collections.deque(maxlen=rules.HISTORY)
        self.told = set()
        self.late = self.latest = self.path = self.recovered_at = None
        self.emitted = (-math.inf, 0, 0)
        self.due, self.passed = -math.inf, []
        self.usual = 0.0
        self.is_stopped = False
        self.device = "cpu"
        self.optimizer, self.groups = weakref.ref(optimizer), 0

    def tick(self, now):
        """Count a step that is looked at, and give the losses of those since the last one."""
        self.step += 1
        passed = self.take()
        self.usual += ((now - self.last) / (len(passed) + 1) - self.usual) * 0.1
        self.last = now
        return passed

    def take(self):
        """Give the losses of the steps that passed since the last look; a short training may end before the next."""
        passed, self.passed = self.passed, []
        return passed

    def settle(self, samples):
        """As `take`, where no look is to come; what is known of the last of these steps is the latest reading."""
        if self.passed:
            self.latest = self.last_reading(samples)
        return self.take()

    def rest(self, now, seconds):
        """After a look that took `seconds`, let steps pass, so that looks take a small part of the time; false: none.

        Never in the first steps, where most trainings break, and not on an accelerator, which does not wait for looks.
        """
        if self.step < THOROUGH or self.device != "cpu" or self.gradients.zeros:
            return False
        self.groups = len(self.optimizer().param_groups)
        self.due = now + seconds / SHARE
        return True

    def last_reading(self, samples):
        """Give the reading of the last step; of one that passed unseen, `samples` and the loss are all that is new."""
        if self.late is not None or not self.passed:
            return self.latest if self.late is None else self.late
        rate = None if self.latest is None else self.latest[3]
        return self.step, self.last - self.began, samples, rate, self.passed[-1], None


def told(reading):
    """Name the numbers of a reading, waiting for what is still on its way; leave out what is not known."""
    known = ((name, value) for name, value in zip(NAMES, reading, strict=True) if value is not None)
    return {name: value if name in COUNTS else float(value) for name, value in known}


def broken(bad):
    """Name parameters that an update made not finite."""
    return f"the update made parameters not finite ({', '.join(bad[:3])})"
