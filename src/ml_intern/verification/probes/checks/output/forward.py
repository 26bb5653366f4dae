"""Random inputs of the declared shapes give the declared outputs, for several batch sizes and lengths.

Source: the dummy forward pass of this project; `ml-intern bench verification` says how few it kills alone.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, listed
from probes.checks.base import Outcome, check, failed
from probes.locate import first_layer_not_finite

_SIZES = ((4, 7), (1, 7), (2, 7), (3, 11))
"""Batch and length."""


@check(family="output", cost="cheap", crash=True)
def forward(candidate: Candidate) -> Outcome | None:
    """Call the network in evaluation mode; shapes, kinds and values must be right."""
    for batch, time in _SIZES:
        inputs = candidate.inputs(batch, time)
        outputs = candidate.run(candidate.network, inputs)
        if (problem := _problem(candidate, outputs, batch, time)) is not None:
            return problem
        if not all(bool(o.isfinite().all()) for o in outputs if o.is_floating_point()):
            where = first_layer_not_finite(candidate.network, inputs)
            return failed(
                f"with {_told(inputs)} the output is NaN or infinite, first in {where}",
                where=candidate.forward_place,
                advice="look there for a division by zero, log or sqrt of what can be 0 or below, or a softmax over a "
                "row that is all -inf (a mask that hides everything)",
            )
    return _training_mode(candidate)


def _problem(candidate: Candidate, outputs: list[torch.Tensor], batch: int, time: int) -> Outcome | None:
    given = [tuple(output.shape) for output in outputs]
    wanted = candidate.output_shapes(batch, time)
    if given == wanted:
        return None
    asked = f"batch {batch}, length {time}" if candidate.has_lengths else f"batch {batch}"
    return failed(
        f"for {asked} the output is {_written(given)}, declared is {_written(wanted)}",
        where=candidate.forward_place,
        advice="no fixed batch size or length in view and reshape; check the size of the last layer, squeeze without "
        "an axis, and the order of axes",
    )


def _training_mode(candidate: Candidate) -> Outcome | None:
    """Training mode must work as well; what it gives may be more."""
    network = candidate.build().train()
    listed(network(*candidate.inputs(4)))
    return None


def _told(inputs: list[torch.Tensor]) -> str:
    return ", ".join(str(tuple(given.shape)) for given in inputs)


def _written(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes)) or "no tensor"
