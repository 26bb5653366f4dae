"""A network that prepares the data, such as a teacher, answers in evaluation mode.

With dropout on, or with the statistics of a batch, its answers are other ones each time and depend on their neighbours.

Source: Hinton et al., arXiv 1503.02531; PyTorch documentation of `nn.Module.eval`.
"""

from __future__ import annotations

import re

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.recording import answers_in_training, notes_of
from torch import nn

_MEANT = re.compile(r"mean.?teacher|monte.?carlo|mc.?dropout", re.IGNORECASE)
"""Words of methods whose other network is noisy on purpose."""


@check(family="data", cost="moderate", needs=("splits",))
def prepared_answers(candidate: Candidate) -> Outcome | None:
    """Watch layers that are called without a gradient while the data are made, and of other networks in the loop."""
    found: list[str] = []

    def watch(module: nn.Module, given: object) -> None:
        if answers_in_training(module):
            found.append(type(module).__name__)

    hook = nn.modules.module.register_module_forward_pre_hook(watch)
    try:
        candidate.module.make_splits()
    finally:
        hook.remove()
    where = candidate.place(candidate.module.make_splits)
    if (
        not found
        and candidate.has("run")
        and "loss" not in candidate.does_not_work
        and not _MEANT.search(candidate.text)
    ):
        found, where = notes_of(candidate).answered, candidate.place(candidate.module.train)
    if not found:
        return None
    return failed(
        f"{', '.join(sorted(set(found)))} of a network that prepares answers is in training mode",
        where=where,
        advice="teacher.eval() before it answers",
    )
