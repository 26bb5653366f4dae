"""What the training watch costs: CPU time of its own beside that of the steps, on a small and a middle ViT.

    SANDBOX_PYTHON benchmarks/watch_cost.py

Runs with the sandbox's Python, outside a sandbox. Bursts with and without the watch would differ by less than they
vary, so the watch's own clock is read. Prints a line for each network.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

GUARD = Path(__file__).parent.parent / "src/ml_intern/verification/probes/guard"
NETWORKS = {"small": (128, 6, 16, 60), "middle": (192, 6, 64, 20)}
"""Width, blocks, batch size, steps."""
WARM_UP = 5
"""Steps before it counts: the first copy of the state is made there."""


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
        before, began = 0.0, time.thread_time()
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
        for number in range(steps + WARM_UP):
            if number == WARM_UP:
                before, began = watches[0].cost, time.thread_time()
            loss = network(torch.randn(batch, 64, 48)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        whole, own = time.thread_time() - began, watches[0].cost - before
        size = sum(p.numel() for p in network.parameters())
        share = 100 * own / (whole - own)
        print(
            f"{name}: {size:,} parameters, batch {batch}: {1e3 * own / steps:.2f} ms of "
            f"{1e3 * whole / steps:.0f} ms a step, {share:.2f} %"
        )


if __name__ == "__main__":
    main()
