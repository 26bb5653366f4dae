"""What is called a lower bound is one: reconstruction and divergence are both in it, summed alike, in loss and metric.

Source: Kingma and Welling, arXiv 1312.6114, equation 3; Bowman et al., arXiv 1511.06349 §3.1, on warming up the weight
of the divergence: it ends at its full value.
"""

from __future__ import annotations

import inspect
import re

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.latent import Code, find_code
from probes.recording import notes_of
from torch import nn

_BOUND = re.compile(r"\belbo\b|lower bound|\bnats\b", re.IGNORECASE)
_WEIGHT = re.compile(r"beta|kl|weight|anneal", re.IGNORECASE)
_ALIKE = 0.03


class _Fixed(nn.Module):
    """Gives the same outputs for every row."""

    def __init__(self, shapes: list[tuple[int, ...]], code: Code, mean: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self._shapes, self._code, self._mean = shapes, code, mean

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give zeros, and the mean that is asked for; the spread stands for a deviation of 1."""
        outputs = [torch.zeros(len(inputs[0]), *shape[1:]) for shape in self._shapes]
        outputs[self._code.mean] += self._mean
        outputs[self._code.spread] += self._code.form == "deviation"
        return tuple(outputs)


@check(family="loop", cost="dear", needs=("forward", "loss", "run"))
def latent_bound(candidate: Candidate) -> Outcome | None:
    """Ask the metric about two means of the code, and the loss about the curvature of its two terms."""
    code = find_code(candidate)
    if code is None:
        return not_applicable("the loss holds no code to a normal distribution")
    if (faded := _faded(candidate)) is not None:
        return faded
    if _BOUND.search(inspect.getdoc(candidate.module.evaluate) or "") is None:
        return not_applicable("evaluate is not said to give a bound")
    shapes = candidate.output_shapes(4)
    scores = []
    for mean in (0.0, 3.0):
        torch.manual_seed(0)
        scores.append(float(candidate.module.evaluate(_Fixed(shapes, code, mean), candidate.splits["val"])))
    if abs(scores[1] - scores[0]) < 1e-6 * (1 + abs(scores[0])):
        return failed(
            f"the bound is {scores[0]:.4g} wherever the mean of the code is: the divergence is not in it",
            where=candidate.place(candidate.module.evaluate),
            advice="report reconstruction plus divergence",
        )
    return _averaged(candidate, code)


def _faded(candidate: Candidate) -> Outcome | None:
    """Find a weight that the loop lowers to nothing, so that the divergence is gone at the end."""
    for name, values in notes_of(candidate).weights.items():
        if _WEIGHT.search(name) and len(values) > 2 and values[-1] < 0.1 * values[0]:
            return failed(
                f"{name!r} of the loss falls from {values[0]:.3g} to {values[-1]:.3g} in training: at its end the code "
                "is held to nothing",
                where=candidate.place(candidate.module.train),
                advice="warm it up: min(1, step / warmup)",
            )
    return None


def _averaged(candidate: Candidate, code: Code) -> Outcome | None:
    """Compare the curvature of a likelihood of bits or of a unit normal with that of the divergence."""
    batch = candidate.batch(4)
    outputs = [torch.zeros(shape, dtype=torch.float64) for shape in candidate.output_shapes(4)]
    batch = [tensor.double() if tensor.is_floating_point() else tensor for tensor in batch]
    count = outputs[0][0].numel()
    values = []
    for step in (-0.1, 0.0, 0.1):
        moved = [outputs[0] + step, *outputs[1:]]
        values.append(float(candidate.loss(tuple(moved), batch)))
    curvature = (values[0] - 2 * values[1] + values[2]) / 0.01 / count
    for unit in (0.25, 1.0, 2.0):  # a bit, half a square, a square
        if abs(curvature / unit / code.weight * count - 1) < _ALIKE:
            return failed(
                f"the reconstruction is averaged over {count} values and the divergence summed: it weighs "
                f"{count} times too much for a bound",
                where=candidate.place(candidate.module.compute_loss),
                advice="sum the reconstruction over the values of a row, as the divergence is over the code",
            )
    return None
