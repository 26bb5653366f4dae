"""What the training watch costs: CPU time of its own beside that of the steps, on a small and a middle ViT.

    SANDBOX_PYTHON benchmarks/watch_cost.py

Runs with the sandbox's Python, outside a sandbox. Bursts with and without the watch would differ by less than they
vary, so the watch's own clock is read. Prints a line for each network: the first steps, each of which the watch sees as
a whole, and those after them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

GUARD = Path(__file__).parent.parent / "src/ml_intern/verification/probes/guard"
NETWORKS = {"small": (128, 6, 16, 200), "middle": (192, 6, 64, 40)}
"""Width, blocks, batch size, steps after the first."""
FIRST = 100
"""Steps that the watch sees as a whole, each of them (`THOROUGH` of the guard's `courses.py`)."""
WARM_UP = 5
"""Steps of these before it counts: the first copy of the state is made there."""


def main() -> None:
    """Train both networks on noise and print what the watch took."""
    sys.path.insert(0, str(GUARD))
    import arm  # noqa: PLC0415 - arms what comes after
    import torch  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415

    torch.set_num_threads(1)
    guard, watching = sys.modules["ml_intern_guard"], arm.load("watch")
    guard.Guard.check = lambda self, optimizer: None  # nothing is verified here
    watches = [o for o in __import__("gc").get_objects() if type(o) is watching.Watch]
    for name, (width, blocks, batch, steps) in NETWORKS.items():
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True)
        network = nn.Sequential(nn.Linear(48, width), nn.TransformerEncoder(layer, blocks), nn.Linear(width, 10))
        watches[0].roots = lambda optimizer, network=network: [network]
        marks = [(0.0, 0.0)] * 3
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
        for number in range(FIRST + steps + 1):
            if number in {WARM_UP, FIRST, FIRST + steps}:
                marks[(WARM_UP, FIRST, FIRST + steps).index(number)] = (time.thread_time(), watches[0].cost)
            loss = network(torch.randn(batch, 64, 48)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        size = sum(p.numel() for p in network.parameters())
        first, later = (_cost(*marks[place : place + 2]) for place in range(2))
        print(f"{name}: {size:,} parameters, batch {batch}: first {FIRST} steps {first}, later {later}")


def _cost(before: tuple[float, float], after: tuple[float, float]) -> str:
    whole, own = (late - early for early, late in zip(before, after, strict=True))
    return f"{100 * own / (whole - own):.2f} %"


if __name__ == "__main__":
    main()
