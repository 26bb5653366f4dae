"""Judge a training by its numbers alone: spikes, plateaus, dead gradients, memory that grows. Pure; without torch.

Every rule errs on the side of silence: a healthy training that is stopped costs more trust than a sick one that is
seen a little later.
"""

from __future__ import annotations

import collections
import itertools
import math

HISTORY = 100
ENOUGH = 20
DEVIATIONS = 8.0
PATIENCE = 3
UNDONE = 0.1
PART = 500
CHANCE = 1e-4
COMING_BACK = 50
LIMIT_AGE = 10
"""A spike is a loss above median + 8 scaled MAD of the last 100 steps, three times in a row, once 20 are known.

After 1,500 steps it takes one in 500 of all steps so far: the longer a training went well, the more of it a stop throws
away, and Adam comes back from jumps that last for some tens of steps.

It takes more where single losses are above it anyway, as those of small batches that hold a hard row: as many in a row
as would come by chance in one of ten thousand trainings of that length.

While the losses come back, so that the last is a quarter nearer to it than the highest of the row, they have 50 more
steps to get there.

It must also undo a tenth of what the loss has fallen since the start: near zero the noise is many times the median, and
a fall from 2.3 to 0.0001 that jumps to 0.05 is no divergence. Losses above the threshold do not enter the history.
"""


def median(numbers):
    """Give the upper median of a non-empty collection."""
    return sorted(numbers)[len(numbers) // 2]


class LossHistory:
    """The last losses that looked healthy, and how many in a row did not."""

    def __init__(self):
        self.losses = collections.deque(maxlen=HISTORY)
        self.first = []
        self.passed = collections.deque(maxlen=HISTORY)  # whether each step before the row of high ones was high
        self.high = self.count = 0
        self.highest = 0.0  # of the row of high ones
        self.limit, self.age = 0.0, LIMIT_AGE

    def spike(self, loss):
        """Take in `loss`; give the threshold if enough in a row are above it, else None.

        The threshold is some steps old while losses stay below it: it costs two sorted lists.
        """
        self.count += 1
        self.age += 1
        if len(self.losses) >= ENOUGH and (loss > self.limit or self.age > LIMIT_AGE):
            self.limit, self.age = self.threshold(), 0
            if loss > self.limit:
                self.high += 1
                self.highest = loss if self.high == 1 else max(self.highest, loss)
                return self.limit if self.high >= self.patience() and not self.comes_back(loss) else None
        self.passed.extend([True] * self.high)
        self.passed.append(False)
        self.high = 0
        self.losses.append(loss)
        if len(self.first) < ENOUGH:
            self.first.append(loss)
        return None

    def comes_back(self, loss):
        """Tell whether `loss`, the last of a row of high ones, is on its way back and may take some steps more."""
        is_nearer = loss - self.limit < 0.75 * (self.highest - self.limit)
        return is_nearer and self.high < self.patience() + COMING_BACK

    def patience(self):
        """Give how many high losses in a row are a spike."""
        known, least = sum(self.passed), max(PATIENCE, self.count // PART)
        if not known:
            return least
        often = min((known + 1 + math.sqrt(known)) / (len(self.passed) + 1), 0.9)  # not less, as few are known
        return max(least, math.ceil(math.log(CHANCE / self.count) / math.log(often)))

    def threshold(self):
        """Give what a loss must not pass again and again."""
        middle = median(self.losses)
        deviation = median([abs(loss - middle) for loss in self.losses])
        fallen = median(self.first) - middle
        return middle + max(DEVIATIONS * 1.4826 * deviation, 0.5 * abs(middle) + 1e-3, UNDONE * fallen)


class Trend:
    """Look every 50 steps whether the loss moves at all, and whether it has left where it began."""

    EVERY = 50
    PLATEAU = 300
    """Steps after which a loss that has not fallen by 2 % is worth a word."""

    def __init__(self):
        self.recent = collections.deque(maxlen=HISTORY)
        self.first = []
        self.best = None
        self.seen = 0

    def add(self, loss):
        """Take in `loss`; give what is remarkable as (name, sentence), or None."""
        self.recent.append(loss)
        self.seen += 1
        if len(self.first) < ENOUGH:
            self.first.append(loss)
        if self.seen % self.EVERY or self.seen < 2 * self.EVERY:
            return None
        start, now = median(self.first), median(self.recent)
        self.best = now if self.best is None else min(self.best, now)
        if now > start + max(abs(start), start - self.best):
            return "divergence", (
                f"the loss rises: {start:.4g} at the start, {self.best:.4g} at its best, {now:.4g} now; "
                "try a tenth of the learning rate, warm-up and gradient clipping"
            )
        if self.seen >= self.PLATEAU and self.best > start - 0.02 * abs(start):
            return "plateau", (
                f"after {self.seen} steps the loss is where it began ({start:.4g} → {now:.4g}); "
                "is the learning rate too small, are labels shuffled apart from inputs, does the gradient arrive?"
            )
        return None


class Gradients:
    """Count how long the gradient has been nothing."""

    PATIENCE = 20

    def __init__(self):
        self.zeros = 0

    def add(self, norm, loss):
        """Take in a norm; give what is remarkable as (name, sentence), or None. A loss of 0 has no gradient rightly."""
        self.zeros = self.zeros + 1 if norm < 1e-12 and loss else 0
        if self.zeros != self.PATIENCE:
            return None
        return "dead gradient", (
            f"the gradient has been zero for {self.zeros} steps in a row; "
            "look for detach, no_grad, argmax or rounding before the loss, dead ReLUs, or a saturated softmax"
        )


class Memory:
    """Foresee that memory runs out from its steady growth per step."""

    POINTS = 12

    def __init__(self, limit):
        self.limit = limit
        self.points = collections.deque(maxlen=4 * self.POINTS)

    def add(self, step, used):
        """Take in bytes `used` at `step`; give what is remarkable as (name, sentence), or None.

        The growth must go on: the second half of what was seen grows at least half as fast as the whole.
        """
        self.points.append((step, used))
        if not self.limit or len(self.points) < self.POINTS:
            return None
        half = len(self.points) // 2
        whole, recent = self.slope(0), self.slope(half)
        if min(whole, recent) <= 0 or recent < 0.5 * whole:
            return None
        left = (self.limit - used) / recent
        if left > 10 * step and used < 0.9 * self.limit:
            return None
        return "memory", (
            f"memory grows by {recent / 1e6:.3g} MB a step and reaches its limit of {self.limit / 1e9:.3g} GB at about "
            f"step {step + int(left)}; is a loss or an output kept with its graph (use .item() or .detach())?"
        )

    def slope(self, start):
        """Give bytes per step from the point number `start` to the last; only if memory fell nowhere by much."""
        points = list(self.points)[start:]
        (first, low), (last, high) = points[0], points[-1]
        drops = sum(max(a - b, 0) for (_, a), (_, b) in itertools.pairwise(points))
        return (high - low) / max(last - first, 1) if high - low > max(2 * drops, 8 << 20) else 0.0


class Activations:
    """Compare the largest activation of each module with what it was at the first look."""

    GROWTH, LARGE = 1000.0, 1e4

    def __init__(self):
        self.first = {}

    def add(self, largest):
        """Take in {module: largest absolute output}; give what is remarkable as (name, sentence), or None."""
        for name, value in largest.items():
            before = self.first.setdefault(name, value)
            if value > self.LARGE and value > self.GROWTH * max(before, 1e-3):
                return "activations", (
                    f"the output of {name} has grown from {before:.3g} to {value:.3g} at its largest; "
                    "float16 ends at 65,504: normalise, clip gradients, or lower the learning rate"
                )
        return None
