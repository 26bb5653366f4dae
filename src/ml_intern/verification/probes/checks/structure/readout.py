"""The head reads the token that the paper reads.

Source: Dosovitskiy et al., arXiv 2010.11929 §3.1: the class token.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable


@check(family="structure", cost="cheap", needs=("forward",))
def readout(candidate: Candidate) -> Outcome | None:
    """See at which tokens of the last layer with tokens the output has a slope."""
    claimed = candidate.claims.readout
    if claimed is None:
        return not_applicable("no claim about the token that is read")
    tokens = _last_tokens(candidate)
    if tokens is None:
        return not_applicable("no layer gives (batch, tokens, width)")
    used = tokens.abs().sum((0, 2)).nonzero().flatten().tolist()
    wanted = claimed % tokens.shape[1]
    if used == [wanted]:
        return None
    read = f"token {used[0]}" if len(used) == 1 else f"{len(used)} tokens"
    return failed(
        f"the head reads {read}, claimed is token {wanted} of {tokens.shape[1]}",
        where=candidate.forward_place,
        advice=f"x[:, {claimed}] after the last block",
    )


def _last_tokens(candidate: Candidate) -> torch.Tensor | None:
    """Give the slope of the output in the last (batch, tokens, width) tensor that a layer gives."""
    kept: list[torch.Tensor] = []

    def keep(module: object, given: object, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 3 and len(output) == 2 and output.requires_grad:
            kept.append(output)

    hooks = [module.register_forward_hook(keep) for module in candidate.warm.modules()]
    try:
        output = candidate.warm(*candidate.inputs(2))
    finally:
        for hook in hooks:
            hook.remove()
    if not kept or not isinstance(output, torch.Tensor) or output is kept[-1]:
        return None
    (slope,) = torch.autograd.grad((output * torch.randn_like(output)).sum(), kept[-1], allow_unused=True)
    return slope
