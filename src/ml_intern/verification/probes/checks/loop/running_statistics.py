"""A network is evaluated with the running statistics of its training: averages of weights need theirs as well.

Source: Izmailov et al., "Averaging weights leads to wider optima", arXiv 1803.05407 §3.2, on batch normalisation;
PyTorch documentation of `torch.optim.swa_utils.update_bn`.
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.recording import notes_of


@check(family="loop", cost="dear", needs=("forward", "loss", "run"))
def running_statistics(candidate: Candidate) -> Outcome | None:
    """Compare running means at the evaluation with those before the first step, where the steps have moved them."""
    unset = notes_of(candidate).unset
    if not unset:
        return None
    return failed(
        f"the evaluated network has {', '.join(unset[:3])} as before the first step, which training has moved since",
        where=candidate.place(candidate.module.train),
        advice="copy the buffers with the weights (AveragedModel(..., use_buffers=True)), or call update_bn",
    )
