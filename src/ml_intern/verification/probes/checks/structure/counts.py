"""Parameters, operations and depth are those that the paper gives.

Source: the paper's own table of sizes, as the contract claims it.
"""

from __future__ import annotations

from collections import Counter

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@check(family="structure", cost="free", needs=("forward",))
def parameter_count(candidate: Candidate) -> Outcome | None:
    """Count trainable and frozen parameters, shared ones once."""
    claimed = candidate.claims.params
    count = sum(parameter.numel() for parameter in candidate.network.parameters())
    if not claimed:
        return not_applicable(f"no claim; it has {count:,} parameters")
    if abs(count / claimed - 1) <= 0.01:
        return passed(f"{count:,} parameters")
    return failed(
        f"{count:,} parameters, claimed are {claimed:,} ({count / claimed - 1:+.1%})",
        where=candidate.place(type(candidate.network)),
        advice="compare widths, depth, biases and tied or repeated layers with the paper's",
    )


@check(family="structure", cost="cheap", needs=("forward",))
def operation_count(candidate: Candidate) -> Outcome | None:
    """Count the operations of a batch of one."""
    claimed = candidate.claims.mflops
    if not claimed:
        return not_applicable("no claim about operations")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        candidate.network(*candidate.inputs(1))
    count = counter.get_total_flops() / 1e6
    if abs(count / claimed - 1) <= 0.05:
        return passed(f"{count:.3g} MFLOPs")
    return failed(
        f"{count:.4g} MFLOPs, claimed are {claimed:.4g} ({count / claimed - 1:+.0%})",
        where=candidate.forward_place,
        advice="compare strides, pooling, the size of maps and the number of tokens with the paper's",
    )


@check(family="structure", cost="free", needs=("forward",))
def depth(candidate: Candidate) -> Outcome | None:
    """Count the layers of one class in the longest list of layers."""
    claimed = candidate.claims.depth
    if not claimed:
        return not_applicable("no claim about depth")
    lists = [m for m in candidate.network.modules() if isinstance(m, nn.ModuleList | nn.Sequential)]
    counts = [max(Counter(type(layer) for layer in one).values()) for one in lists if len(one)]
    if claimed in counts:
        return None
    if not counts:
        return not_applicable("no list of layers")
    if claimed == 1:
        return not_applicable("a single block may be written out; a list of one says nothing more")
    return failed(
        f"no list of {claimed} equal blocks; the longest has {max(counts)}",
        where=candidate.place(type(candidate.network)),
        advice="build as many blocks as the paper has",
    )
