"""At full size the declared outputs come out, and parameters and operations are those that the paper gives.

Asked of networks that are too large to allocate, under FakeTensorMode: shapes without values, whatever the size.

Source: PyTorch documentation, "Fake tensor" and `torch.utils.flop_counter`.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, listed
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.fullsize import needs_large, shapes_only
from torch.utils.flop_counter import FlopCounterMode

_SIZES = ((2, 7), (3, 11))
"""Batch and length."""


@check(family="fake", cost="moderate")
def full_parameters(candidate: Candidate) -> Outcome | None:
    """Count the parameters on the meta device."""
    count, claimed = needs_large(candidate).parameters, candidate.contract.claims.params
    if not claimed or abs(count / claimed - 1) <= 0.01:
        return passed(f"{count:,} parameters")
    return failed(
        f"{count:,} parameters, claimed are {claimed:,} ({count / claimed - 1:+.1%})",
        advice="compare widths, depth, biases and tied or repeated layers with the paper's",
    )


@check(family="fake", cost="moderate", crash=True)
def full_forward(candidate: Candidate) -> Outcome | None:
    """Compare the shapes of the outputs for two batch sizes and lengths."""
    needs_large(candidate)
    with shapes_only(candidate) as network, torch.no_grad():
        network.eval()
        for batch, time in _SIZES:
            given = [tuple(o.shape) for o in listed(network(*candidate.inputs(batch, time)))]
            wanted = candidate.output_shapes(batch, time)
            if given != wanted:
                return failed(
                    f"for batch {batch}, length {time} the output is {given}, declared is {wanted}",
                    where=candidate.place(type(network).forward),
                    advice="no fixed batch size or length in view and reshape; check the size of the last layer",
                )
    return None


@check(family="fake", cost="moderate", needs=("full-forward",))
def full_operations(candidate: Candidate) -> Outcome | None:
    """Count the operations of a batch of one."""
    needs_large(candidate)
    claimed = candidate.contract.claims.mflops
    if not claimed:
        return not_applicable("no claim about operations")
    with shapes_only(candidate) as network, torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(*candidate.inputs(1))
    count = counter.get_total_flops() / 1e6
    if abs(count / claimed - 1) <= 0.05:
        return passed(f"{count:.4g} MFLOPs")
    return failed(
        f"{count:.4g} MFLOPs, claimed are {claimed:.4g} ({count / claimed - 1:+.0%})",
        where=candidate.place(type(network).forward),
        advice="compare strides, the number of tokens, heads and the width of the hidden layers with the paper's",
    )
