"""A new instance with the saved weights gives the same outputs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from probes.candidate import Candidate, all_close
from probes.checks.base import Outcome, check, failed, inconclusive
from safetensors.torch import load_model, save_model


@check(family="invariances", cost="cheap", needs=("forward",))
def save_load(candidate: Candidate) -> Outcome | None:
    """Write safetensors, read them into an instance of another seed."""
    network, other = candidate.warm, candidate.build(seed=7).eval()
    inputs = candidate.inputs(3, seed=1)
    first = candidate.run(network, inputs)
    if not all_close(candidate.run(network, inputs, seed=1), first, 1e-5):
        return inconclusive("the network does not repeat itself")
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "model.safetensors")
        save_model(network, file)
        load_model(other, file)
    if all_close(candidate.run(other, inputs), first, 1e-5):
        return None
    return failed(
        "a second instance with the saved weights gives other outputs: part of the state is not saved",
        where=candidate.forward_place,
        advice="register_buffer for tensors, nn.Parameter for weights, nn.ModuleList for layers; draw no random"
        " numbers in __init__ that are not saved",
    )
