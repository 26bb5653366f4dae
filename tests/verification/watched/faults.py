"""Rows of which one batch carries a fault, and an optimizer whose state breaks, both at step `AT`."""

import torch
from network import BACKWARD, FORWARD, PRECISION
from torch.optim.optimizer import register_optimizer_step_pre_hook

AT, BATCH, STEPS = 12, 4, 20
FAULTS = ("none", "forward", "backward", "data", "optimizer state", "mixed precision")
_CODES = {"forward": FORWARD, "backward": BACKWARD, "mixed precision": PRECISION, "data": float("nan")}
_now = {"fault": "none"}


class Rows(torch.utils.data.IterableDataset):
    """Pairs of x (8,) and a class, in their order; no loader shuffles them."""

    def __init__(self, fault, names=None):
        self.fault = fault
        self.names = names

    def __iter__(self):
        random = torch.Generator().manual_seed(0)
        for number in range(BATCH * STEPS):
            x = torch.randn(8, generator=random)
            label = (x[1] > 0).long()
            if number // BATCH + 1 == AT and self.fault in _CODES:
                x[0] = _CODES[self.fault]
            yield dict(zip(self.names, (x, label), strict=True)) if self.names else (x, label)


def _break(optimizer, args, kwargs):
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state = next((s for p in parameters[2:3] if (s := optimizer.state.get(p))), {})  # of blocks.1.layer.weight
    if _now["fault"] == "optimizer state" and int(state.get("step", 0)) == AT - 1:
        state["exp_avg_sq"].fill_(float("nan"))


register_optimizer_step_pre_hook(_break)


def try_all(train, faults=FAULTS):
    """Train with each fault; what the watch raises ends one training and not the others."""
    for fault in faults:
        torch.manual_seed(0)
        _now["fault"] = fault
        try:
            train(fault)
        except RuntimeError as error:
            print(fault, "->", type(error).__name__, error)
