"""Where the words promise a straight-through gradient, one arrives at the input in spite of what is rounded or chosen.

Source: Bengio et al., "Estimating or propagating gradients through stochastic neurons", arXiv 1308.3432 §2.3; van den
Oord et al., arXiv 1711.00937 §3.2.
"""

from __future__ import annotations

import re

import torch
from probes.candidate import Candidate, listed
from probes.checks.base import Outcome, check, failed, not_applicable

_PROMISED = re.compile(r"straight.?through|\bSTE\b", re.IGNORECASE)
_MOVES = 1e-6
_SPREAD = 3.0
"""Size of the change of the input, in units of its own spread, that must make another choice somewhere."""


@check(family="gradients", cost="cheap", needs=("forward",))
def straight_through(candidate: Candidate) -> Outcome | None:
    """Ask the first output for its gradient at the inputs that move it."""
    if not _PROMISED.search(candidate.text):
        return not_applicable("no straight-through gradient is spoken of")
    network = candidate.warm
    inputs = candidate.inputs(4, seed=3)
    places = [place for place, given in enumerate(inputs) if given.is_floating_point()]
    for place in places:
        asked = [given.clone() for given in inputs]
        asked[place].requires_grad_()
        torch.manual_seed(0)
        output = listed(network(*asked))[0]
        weight = torch.randn(output.shape, generator=torch.Generator().manual_seed(1))
        slope = None
        if output.requires_grad and output.is_floating_point():
            (slope,) = torch.autograd.grad((output * weight).sum(), asked[place], allow_unused=True)
        if (slope is None or not bool(slope.any())) and _is_moved(candidate, inputs, place):
            return failed(
                f"input {candidate.contract.inputs[place].name!r} moves the output, which has no gradient there; the "
                "words promise a straight-through one",
                where=candidate.forward_place,
                advice="give on value + (chosen - value).detach(): forward the choice, backward the value's gradient",
            )
    return None if places else not_applicable("no input has a gradient")


def _is_moved(candidate: Candidate, inputs: list[torch.Tensor], place: int) -> bool:
    moved = [given.clone() for given in inputs]
    moved[place] = moved[place].flip(0) + _SPREAD * (moved[place] - moved[place].mean())
    one, other = (candidate.run(candidate.warm, given)[0] for given in (inputs, moved))
    return bool(((one - other).abs() > _MOVES).any())
