"""Errors of one row do not make up for those of another: sizes are taken before anything is summed.

Source: metamorphic testing; the definition of the mean absolute error, which is not the size of the mean error.
"""

from __future__ import annotations

import inspect
import re

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, inconclusive, not_applicable
from probes.checks.loop.evaluation_oracle import Predictor, scored

_MEANT = re.compile(r"\bbias\b|signed|mean error|calibrat", re.IGNORECASE)
_LEFT = 0.1
"""Share of what errors of one sign cost that errors of both signs must cost at least."""


class _Off(Predictor):
    """Knows the answers and misses all of them by as much, below for the rows in `wrong`, above for the others."""

    def __init__(self, candidate: Candidate, answer: int, by: float, wrong: set[int]) -> None:
        super().__init__(candidate, "val", wrong)
        self._answer, self._by = answer, by

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Look the rows up."""
        found = [self.found(one) for one in inputs[0]]
        answers = torch.stack([row[self._answer] for _, row in found])
        signs = torch.tensor([-1.0 if place in self._wrong else 1.0 for place, _ in found])
        return answers + self._by * signs.view(-1, *[1] * (answers.ndim - 1)) + 0 * self.weight


@check(family="loop", cost="moderate", needs=("forward", "evaluate", "loss"))
def cancelled_errors(candidate: Candidate) -> Outcome | None:
    """Score predictors that miss every row by as much: all above, and every second one below."""
    said = inspect.getdoc(candidate.module.evaluate) or ""
    if candidate.contract.oracle != "regression" or not candidate.is_single or _MEANT.search(said):
        return not_applicable(
            "only where one output is to be the target, and no word speaks of errors with their signs"
        )
    rows = candidate.rows("val")
    shape = candidate.output_shapes(len(rows[0]))[0]
    answers = [place for place, tensor in enumerate(rows) if place and tensor.shape == shape]
    if len(answers) != 1:
        return not_applicable("no single tensor of a row is what the output is to be")
    count, by = len(rows[0]), float(rows[answers[0]].float().std())
    second = set(range(1, count, 2))
    tried = ((0.0, set()), (by, set()), (by, second))
    predictors = [_Off(candidate, answers[0], size, wrong) for size, wrong in tried]
    if len(predictors[0]) < count:
        return inconclusive("rows of the validation part repeat")
    with torch.no_grad():
        scores = [scored(candidate, predictor) for predictor in predictors]
    if None in scores:
        return not_applicable("evaluate gives no number")
    perfect, one_sign, both = scores
    if one_sign - perfect < _LEFT * by or both - perfect > _LEFT * (one_sign - perfect):
        return None
    return failed(
        f"errors of one sign cost {one_sign - perfect:.3g}, as large ones of both signs {both - perfect:.3g}",
        where=candidate.place(candidate.module.evaluate),
        advice="they cancel: take the size of each row's error, then sum, as in (guess - target).abs().sum()",
    )
