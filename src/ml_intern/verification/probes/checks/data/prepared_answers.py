"""A network that prepares the data, such as a teacher, answers in evaluation mode.

With dropout on, or with the statistics of a batch, its answers are other ones each time and depend on their neighbours.

Source: Hinton et al., arXiv 1503.02531; PyTorch documentation of `nn.Module.eval`.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from torch import nn

_DIFFERENT = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)


@check(family="data", cost="moderate", needs=("splits",))
def prepared_answers(candidate: Candidate) -> Outcome | None:
    """Watch the layers that are called without a gradient while the data are made."""
    found: list[str] = []

    def watch(module: nn.Module, given: object) -> None:
        if isinstance(module, _DIFFERENT) and module.training and not torch.is_grad_enabled():
            found.append(type(module).__name__)

    hook = nn.modules.module.register_module_forward_pre_hook(watch)
    try:
        candidate.module.make_splits()
    finally:
        hook.remove()
    if not found:
        return None
    return failed(
        f"{', '.join(sorted(set(found)))} of a network that prepares the data answers in training mode",
        where=candidate.place(candidate.module.make_splits),
        advice="teacher.eval() before it answers",
    )
