"""Where order must matter, other orders give other outputs.

Source: Dosovitskiy et al., arXiv 2010.11929 §3.1; Vaswani et al., arXiv 1706.03762 §3.5.
"""

from __future__ import annotations

import torch
from probes.candidate import TIME, Candidate, close
from probes.checks.base import Outcome, check, failed, not_applicable


@check(family="invariances", cost="cheap", needs=("forward",))
def position_sensitivity(candidate: Candidate) -> Outcome | None:
    """Shuffle tokens or patches."""
    positional = candidate.contract.positional
    if not positional:
        return not_applicable("the contract does not say that positions matter")
    inputs = candidate.inputs(2, seed=1)
    order = torch.tensor([3, 1, 5, 0, 6, 2, 4])
    if positional == "tokens":
        if inputs[0].ndim < 2 or inputs[0].shape[1] != TIME:
            order = torch.randperm(inputs[0].shape[1], generator=torch.Generator().manual_seed(0))
        shuffled = inputs[0][:, order]
    else:
        shuffled = _patches(inputs[0], int(positional.split(":")[1]))
    before = candidate.run(candidate.warm, inputs)[0]
    after = candidate.run(candidate.warm, [shuffled, *inputs[1:]])[0]
    per_token = positional == "tokens" and before.ndim > 2 and before.shape[1] == len(order)
    expected = before[:, order] if per_token else before
    if candidate.contract.causal and per_token:
        # a causal network without positions still tells the last token from the multiset before it
        expected, after = before[:, -1:], _last_with_shuffled_context(candidate, inputs)
    if not close(after, expected, 1e-5):
        return None
    return failed(
        "shuffling the tokens or patches changes nothing but their order: positions have no effect",
        where=candidate.forward_place,
        advice="add the position embedding to the tokens, with one row a position (arange over the length, not the "
        "batch)",
    )


def _last_with_shuffled_context(candidate: Candidate, inputs: list[torch.Tensor]) -> torch.Tensor:
    length = inputs[0].shape[1]
    order = torch.tensor([*reversed(range(length - 1)), length - 1])
    return candidate.run(candidate.warm, [inputs[0][:, order], *inputs[1:]])[0][:, -1:]


def _patches(image: torch.Tensor, size: int) -> torch.Tensor:
    """Exchange the patches of (batch, channels, height, width)."""
    batch, channels, height, width = image.shape
    rows, columns = height // size, width // size
    cut = image[:, :, : rows * size, : columns * size].reshape(batch, channels, rows, size, columns, size)
    flat = cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, channels, size, size)
    flat = flat[:, torch.randperm(rows * columns, generator=torch.Generator().manual_seed(0))]
    back = flat.reshape(batch, rows, columns, channels, size, size).permute(0, 3, 1, 4, 2, 5)
    made = image.clone()
    made[:, :, : rows * size, : columns * size] = back.reshape(batch, channels, rows * size, columns * size)
    return made
