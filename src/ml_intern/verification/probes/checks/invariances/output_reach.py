"""Outputs stay in the range they are declared to have, and can reach the targets they are trained on."""

from __future__ import annotations

from probes.candidate import Candidate, listed
from probes.checks.base import Outcome, check, failed

_BOUNDS = ((0.0, 1.0), (-1.0, 1.0), (0.0, float("inf")))
_TASKS = ("reconstruction", "regression", "denoising")


@check(family="invariances", cost="cheap", needs=("forward",))
def output_reach(candidate: Candidate) -> Outcome | None:
    """Ask with very large inputs; compare with the targets of the training part."""
    wide = [5 * given if given.is_floating_point() else given for given in candidate.inputs(4)]
    outputs = candidate.run(candidate.warm, wide)
    for bound in candidate.contract.output_range:
        output = outputs[bound.output]
        if output.min() < bound.low or output.max() > bound.high:
            return failed(
                f"output {bound.output} leaves [{bound.low:g}, {bound.high:g}]: it spans [{output.min():.3g}, "
                f"{output.max():.3g}]",
                where=candidate.forward_place,
                advice="a sigmoid, tanh or softmax at the end of this output",
            )
    if (
        candidate.contract.task in _TASKS
        and candidate.has("make_splits")
        and candidate.contract.oracle
        in {
            "reconstruction",
            "regression",
        }
    ):
        return _targets(candidate)
    return None


def _targets(candidate: Candidate) -> Outcome | None:
    rows = [tensor[:64] for tensor in candidate.rows("train")]
    target = rows[0] if candidate.contract.oracle == "reconstruction" else rows[-1]
    inputs = [1000 * g if g.is_floating_point() else g for g in candidate.model_inputs(rows)]
    output = listed(candidate.run(candidate.warm, inputs))[0]
    for low, high in _BOUNDS:
        touches = abs(output.min() - low) < 0.02 and (high == float("inf") or abs(output.max() - high) < 0.02)
        inside = output.min() >= low and output.max() <= high and output.std() > 0
        outside = ((target < low - 0.05) | (target > high + 0.05)).float().mean()
        if touches and inside and outside > 0.02:
            return failed(
                f"the outputs stay in [{low:g}, {high:g}], the targets span [{target.min():.2f}, {target.max():.2f}]",
                where=candidate.forward_place,
                advice="no sigmoid, tanh or ReLU at the end, or targets scaled into this range",
            )
    return None
