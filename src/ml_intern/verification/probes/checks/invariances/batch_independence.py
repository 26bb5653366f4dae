"""Changing one sample of a batch changes its own output and no other's.

Source: Karpathy, "A recipe for training neural networks" (2019), "use backprop to chart dependencies".
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from probes.candidate import Candidate, Tensors, all_close
from probes.checks.base import Outcome, check, failed, inconclusive
from probes.drawing import changed
from probes.locate import first_layer_that_mixes

_BATCH = 4
_NOISE = 1e-5
"""What sums in another order may differ by; a mean over the batch of many values moves little more."""


@check(family="invariances", cost="cheap", needs=("forward",))
def batch_independence(candidate: Candidate) -> Outcome | None:
    """Exchange one sample after the other for one of another mean and deviation, and ask one alone."""
    network = candidate.warm
    before = candidate.inputs(_BATCH, seed=1)
    outputs = candidate.run(network, before)
    if any(output.ndim == 0 or len(output) != _BATCH for output in outputs):
        return None
    for sample in (0, 1, _BATCH - 1):
        after = _exchanged(candidate, before, sample)
        others = [place for place in range(_BATCH) if place != sample]
        moved = candidate.run(network, after)
        if not all_close([o[others] for o in moved], [o[others] for o in outputs], _NOISE):
            where = first_layer_that_mixes(network, before, after, others)
            return failed(
                f"changing sample {sample} of a batch changes the outputs of the others, first {where}",
                where=candidate.forward_place,
                advice="a view, reshape, transpose, softmax, mean or norm works along axis 0, the batch; is "
                "batch_first=True missing?",
            )
        if all(torch.equal(o[sample], m[sample]) for o, m in zip(outputs, moved, strict=True)):
            return failed(
                f"the output of sample {sample} does not depend on its own input",
                where=candidate.forward_place,
                advice="check which row of the batch is read",
            )
    alone = candidate.run(network, [given[:1] for given in before])
    if not all_close(alone, [o[:1] for o in outputs], 1e-3):
        if not all_close(candidate.run(network, before, seed=9), outputs, 1e-3):
            return inconclusive("the network draws random numbers, other ones for a sample alone")
        return failed(
            "a sample alone gets another output than in a batch",
            where=candidate.forward_place,
            advice="something depends on the batch size or on statistics of the batch (track_running_stats=False)",
        )
    return None


def _is_free(spec: SimpleNamespace) -> bool:
    return spec.dtype == "float32" and spec.role is None and spec.high is None


def _exchanged(candidate: Candidate, before: Tensors, sample: int) -> Tensors:
    generator = torch.Generator().manual_seed(13 + sample)
    after = [given.clone() for given in before]
    for spec, given in zip(candidate.contract.inputs, after, strict=True):
        if given.ndim and len(given) == _BATCH:
            given[sample] = changed(spec, given[sample : sample + 1], generator)[0]
            if _is_free(spec):
                given[sample] = 3 * given[sample] + 1
    return after
