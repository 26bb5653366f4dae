"""Reading a row of the validation or test part twice gives the same row: nothing random is left in evaluation."""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed


@check(family="data", cost="free", needs=("splits",))
def repeatable_data(candidate: Candidate) -> Outcome | None:
    """Read the first rows twice, with other random numbers."""
    for part, dataset in candidate.splits.items():
        if part == "train":
            continue
        for place in range(min(4, len(dataset))):
            torch.manual_seed(1)
            first = dataset[place]
            torch.manual_seed(2)
            again = dataset[place]
            is_other = any(
                isinstance(a, torch.Tensor) and not torch.equal(a, b) for a, b in zip(first, again, strict=True)
            )
            if is_other and not _is_left_out(candidate, part):
                return failed(
                    f"row {place} of {part} is another one each time it is read",
                    where=candidate.place(type(dataset)),
                    advice="augment the training part only",
                )
    return None


def _is_left_out(candidate: Candidate, part: str) -> bool:
    """Tell whether `evaluate` gives the same in spite of it: it does not look at what is drawn, such as negatives."""
    if not candidate.has("evaluate") or "evaluate" in candidate.does_not_work:
        return False
    values = []
    network = candidate.build().eval()
    for seed in (1, 2):
        torch.manual_seed(seed)
        with torch.no_grad():
            values.append(candidate.module.evaluate(network, candidate.splits[part]))
    return repr(values[0]) == repr(values[1])
