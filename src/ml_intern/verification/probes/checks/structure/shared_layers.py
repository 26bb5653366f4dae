"""A list of layers holds different layers, not one layer several times."""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.locate import assigned_at
from torch import nn


@check(family="structure", cost="free", needs=("forward",))
def shared_layers(candidate: Candidate) -> Outcome | None:
    """Compare identities in ModuleList and Sequential."""
    for name, module in candidate.network.named_modules():
        if isinstance(module, nn.ModuleList | nn.Sequential):
            layers = [id(layer) for layer in module if any(True for _ in layer.parameters())]
            if len(set(layers)) < len(layers):
                return failed(
                    f"{name}{assigned_at(candidate.network, name, candidate.root)} holds one and the same layer "
                    f"{len(layers) - len(set(layers)) + 1} times",
                    advice="[Block() for _ in range(depth)] makes new layers, [Block()] * depth repeats one",
                )
    return None
