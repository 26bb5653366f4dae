"""How often the watch takes the noise of a healthy training for a spike, and how soon it sees a real one.

    python benchmarks/spikes.py

Draws losses of trainings that fall from 2.3 in batches of 1 to 32 rows, of which 0.5 to 20 % are answered wrongly; 60
trainings of 1,500 steps each. Prints how many are stopped, by three high losses in a row and by as many as chance would
not give, and after how many steps at 2.3 those that were not are. Takes half a minute.
"""

from __future__ import annotations

import importlib.util
import math
import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import ml_intern

RULES = Path(ml_intern.__file__).parent / "verification" / "probes" / "guard" / "rules.py"
SEEDS = 60
LONGEST = 100


def main() -> None:
    """Draw, judge and print."""
    rules = load_rules()

    class Three(rules.LossHistory):  # type: ignore[name-defined,misc]
        """The same threshold with the patience that does not look at single high losses."""

        def patience(self) -> int:
            return int(max(rules.PATIENCE, self.count // rules.PART))

    drawn = [
        losses(seed, share, rows)
        for share in (0.005, 0.02, 0.05, 0.1, 0.2)
        for rows in (1, 4, 8, 32)
        for seed in range(SEEDS)
    ]
    for name, kind in (("three in a row", Three), ("more than chance", rules.LossHistory)):
        stopped, waits = 0, list[int]()
        for training in drawn:
            history = kind()
            if any(history.spike(loss) is not None for loss in training):
                stopped += 1
            else:
                waits.append(next((n for n in range(1, LONGEST) if history.spike(2.3) is not None), LONGEST))
        print(f"{name:<18} stops {stopped} of {len(drawn)}; a jump after {statistics.median(waits):.0f} steps (median)")


def losses(seed: int, share: float, rows: int, steps: int = 1500) -> Sequence[float]:
    """Draw the losses of a healthy training in batches of `rows`, of which a `share` is answered wrongly."""
    noise = random.Random(seed)

    def of_a_row() -> float:
        return noise.expovariate(0.5) if noise.random() < share else 0.02 * math.exp(noise.gauss(0, 1))

    return [2.3 * math.exp(-n / 20) + sum(of_a_row() for _ in range(rows)) / rows for n in range(steps)]


def load_rules() -> ModuleType:
    """Load the rules of the watch that runs in the sandbox; they need no torch."""
    spec = importlib.util.spec_from_file_location("rules", RULES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
