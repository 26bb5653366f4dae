"""Take numbers of a running training without holding it up: memory, and values still on an accelerator."""

from __future__ import annotations

import math
import os
from pathlib import Path


def memory_limit(torch, device):
    """Give the bytes that this training may have; 0 where that is not known."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    given = os.environ.get("ML_INTERN_MEMORY_LIMIT", "")
    return int(given) if given.isdigit() else 0


def memory_used(torch, device):
    """Give bytes in use: of the accelerator's, else private memory of this process."""
    if device.startswith("cuda"):
        return torch.cuda.memory_allocated(device.partition(" ")[0])
    _, resident, shared = Path("/proc/self/statm").read_text("ascii").split()[:3]
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


class Later:
    """A number on its way from an accelerator; `float` waits for the copy, not for the work queued after it."""

    def __init__(self, torch, number):
        self.event = None
        self.number = number.detach()
        if number.device.type == "cuda":
            self.number = torch.empty((), dtype=number.dtype, pin_memory=True)
            self.number.copy_(number.detach().reshape(()), non_blocking=True)
            self.event = torch.cuda.Event()
            self.event.record()

    def __float__(self):
        if self.event is not None:
            self.event.synchronize()
        return float(self.number)


def norm(torch, gradients, *, is_here):
    """Give the 2-norm of all gradients together, as a number where they lie in host memory (`is_here`).

    Not the sum of squares of one long vector: a step of a small network takes a few hundred microseconds.
    """
    gradients = [g._values() if g.is_sparse else g for g in gradients]
    if not is_here:
        return torch.nn.utils.get_total_norm(gradients)
    squares = 0.0
    for part in torch._foreach_norm(gradients):
        length = part.item()
        squares += length * length
    if not math.isfinite(squares) and all(bool(g.isfinite().all()) for g in gradients):
        return math.sqrt(sum(float(g.double().norm()) ** 2 for g in gradients))  # too large for its own type only
    return math.sqrt(squares)
