"""What stands at padded positions changes nothing, padding a sequence leaves its output, and its end is read.

Source: Vaswani et al., arXiv 1706.03762; the padding mask of PyTorch's attention layers.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors, close
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.drawing import changed

_LENGTH, _VALID = 9, 5


@check(family="invariances", cost="cheap", needs=("forward",))
def padding(candidate: Candidate) -> Outcome | None:
    """Hide the end of the sequences, put other content there, and cut it off."""
    specs = candidate.contract.inputs
    masks = [place for place, spec in enumerate(specs) if spec.role == "padding_mask"]
    if len(masks) != 1 or len(specs[masks[0]].shape) != 2:
        return not_applicable("no single padding mask of shape (batch, length) among the inputs")
    mask = masks[0]
    masked = _masked(candidate, mask)
    if not masked:
        return not_applicable("no input has the shape of the mask")
    inputs = candidate.inputs(3, _LENGTH, seed=1)
    inputs[mask][:, _VALID:] = False
    before = candidate.run(candidate.warm, inputs)[0]
    if not any(close(_cut(before), _cut(_other(candidate, inputs, place))) for place in masked):
        return failed(
            "what stands at padded positions changes the output of the valid ones",
            where=candidate.forward_place,
            advice="the mask is True where a token counts: fill the scores of the others with -inf (mask[:, None, None]"
            " == 0), leave them out of means, pack sequences; nn.MultiheadAttention wants the opposite, ~mask",
        )
    if all(_leaves_the_end(candidate, mask, masked, valid) for valid in (_VALID - 1, _VALID)):
        return failed(
            "the last valid position of a padded sequence has no influence on the output, those before it have",
            where=candidate.forward_place,
            advice="lengths are one too small, or a slice ends before the last valid step",
        )
    return _shorter(candidate, inputs, before) if len(masked) == 1 else None


def _masked(candidate: Candidate, mask: int) -> list[int]:
    specs = candidate.contract.inputs
    length = specs[mask].shape[1]
    found = [p for p, s in enumerate(specs) if p != mask and len(s.shape) > 1 and s.shape[1] == length]
    named = [p for p in found if specs[p].name and specs[mask].name.startswith(specs[p].name)]
    return named or found


def _other(candidate: Candidate, inputs: Tensors, place: int) -> torch.Tensor:
    after = [given.clone() for given in inputs]
    tail = after[place][:, _VALID:]
    tail.copy_(changed(candidate.contract.inputs[place], tail.clone(), torch.Generator().manual_seed(3)))
    return candidate.run(candidate.warm, after)[0]


def _leaves_the_end(candidate: Candidate, mask: int, masked: list[int], valid: int) -> bool:
    """Tell whether another content of the last of `valid` positions moves nothing, and one of the first does."""
    inputs = candidate.inputs(3, _LENGTH, seed=1)
    if inputs[mask].shape[1] <= valid:
        return False
    inputs[mask][:, valid:] = False
    before = candidate.run(candidate.warm, inputs)
    masked = [place for place in masked if candidate.contract.inputs[place].role is None]

    def moves(position: int) -> bool:
        after = [given.clone() for given in inputs]
        for place in masked:
            one = after[place][:, position]
            one.copy_(changed(candidate.contract.inputs[place], one.clone(), torch.Generator().manual_seed(position)))
        now = candidate.run(candidate.warm, after)
        return any(not torch.equal(a, b) for a, b in zip(before, now, strict=True))

    return moves(0) and not moves(valid - 1)


def _shorter(candidate: Candidate, inputs: Tensors, before: torch.Tensor) -> Outcome | None:
    if not all(spec.shape[1:2] == ["T"] for spec in candidate.contract.inputs):
        return None
    alone = candidate.run(candidate.warm, [given[:, :_VALID] for given in inputs])[0]
    if close(_cut(before), alone, 1e-4):
        return None
    return failed(
        "a padded sequence gets another output than the same sequence without padding",
        where=candidate.forward_place,
        advice="read the last valid step and not the last one; divide by the number of valid steps; mask keys, not "
        "queries",
    )


def _cut(output: torch.Tensor) -> torch.Tensor:
    return output[:, :_VALID] if output.ndim > 1 and output.shape[1] == _LENGTH else output
