"""Find the Gaussian code of a variational network in its loss: which outputs are mean and spread, and in what form.

The divergence from the standard normal is quadratic in the mean and has one of three known forms in the other output,
so the loss itself says what spread the code is meant to have (Kingma and Welling, arXiv 1312.6114, appendix B).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from probes.candidate import Candidate, Tensors

_TRIED = (0.3, 0.6, 1.1)
_ALIKE = 0.02
_FORMS: dict[str, tuple[Callable[[float], float], float]] = {
    "log variance": (lambda o: torch.tensor(o).mul(0.5).exp().item(), 0.0),
    "log deviation": (lambda o: torch.tensor(o).exp().item(), 0.0),
    "deviation": (lambda o: 1 + o, 1.0),
}
"""The deviation that a step away from the best value of the output stands for, and that best value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Places of mean and spread among the outputs, the form of the spread, and the weight of the divergence."""

    mean: int
    spread: int
    form: str
    weight: float

    def deviation(self, output: torch.Tensor) -> torch.Tensor:
        """Give the deviation that an output stands for in the loss."""
        if self.form == "deviation":
            return output
        return (0.5 * output).exp() if self.form == "log variance" else output.exp()


def find_code(candidate: Candidate) -> Code | None:
    """Give the code that the loss holds to the standard normal; None where there is none of a known form."""
    shapes = candidate.contract.outputs
    batch = candidate.batch(4)
    outputs = [torch.zeros(shape) for shape in candidate.output_shapes(4)]
    for mean, shape in enumerate(shapes):
        for spread, other in enumerate(shapes):
            if mean == spread or shape != other or len(shape) != 2 or len(shapes) < 3:
                continue
            if (found := _code(candidate, batch, outputs, mean, spread)) is not None:
                return found
    return None


def _code(candidate: Candidate, batch: Tensors, outputs: Tensors, mean: int, spread: int) -> Code | None:
    for form, (deviation, best) in _FORMS.items():

        def loss(at: float, step: float, best: float = best) -> float:
            given = [output.clone() for output in outputs]
            given[mean] += at
            given[spread] += best + step
            return float(candidate.loss(tuple(given), batch))

        least = loss(0, 0)
        weight = 2 * (loss(1, 0) - least) / outputs[mean].shape[1]
        if not weight > 1e-9 or abs(loss(2, 0) - least - 2 * weight * outputs[mean].shape[1]) > _ALIKE * weight:
            continue
        expected = [_divergence(deviation(step)) for step in _TRIED]
        seen = [(loss(0, step) - least) / weight / outputs[mean].shape[1] for step in _TRIED]
        if all(abs(a - b) <= _ALIKE * a + 1e-4 for a, b in zip(expected, seen, strict=True)):
            return Code(mean=mean, spread=spread, form=form, weight=weight)
    return None


def _divergence(deviation: float) -> float:
    """Give the divergence of a normal of mean 0 from the standard normal."""
    return 0.5 * (deviation**2 - 1) - torch.tensor(deviation).log().item()
