"""The metric of a perfect predictor is perfect, of a wrong one worse, and each row counts, once where it is accuracy.

Source: metamorphic testing; this project's notes on evaluation bugs (last batch only, mean of batches, argmax axis).
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, inconclusive, not_applicable
from probes.metric_names import mentioned
from probes.oracle import class_axis, ideal
from torch import nn

_ACCURACY = ("classification",)
_SPANS = ("segmentation", "tagging")
"""Tasks with metrics of their own, such as the F1 of entities or the intersection over the union."""
_LIKE_ACCURACY = frozenset({"accuracy", "micro_f1"})
_OF_ALL_CLASSES = frozenset({"balanced_accuracy", "macro_f1", "weighted_f1", "mean_iou", "exact_match"})
"""Metrics that are 1 for the perfect predictor and lower for every other."""


class Predictor(nn.Module):
    """Knows the answers, and gives wrong ones for the rows in `wrong`."""

    def __init__(self, candidate: Candidate, part: str, wrong: set[int], *, sharp: float = 0.4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self._candidate, self._wrong, self._sharp = candidate, wrong, sharp
        dataset = candidate.splits[part]
        rows = [dataset[place] for place in range(len(dataset))]
        self._rows = {
            _key(candidate.model_inputs([x[None] for x in row])[0][0]): (n, row) for n, row in enumerate(rows)
        }

    def __len__(self) -> int:
        """Count the rows that differ."""
        return len(self._rows)

    def found(self, one: torch.Tensor) -> tuple[int, tuple]:
        """Give place and content of the row whose first input this is."""
        return self._rows[_key(one)]

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Look the rows of the first input up."""
        found = [self.found(one) for one in inputs[0]]
        batch = [torch.stack(column) for column in zip(*(row for _, row in found), strict=True)]
        good = ideal(self._candidate, batch)
        bad = ideal(self._candidate, batch, sharp=self._sharp, wrong=True)
        is_wrong = torch.tensor([place in self._wrong for place, _ in found])
        return torch.where(is_wrong.view(-1, *[1] * (good.ndim - 1)), bad, good) + 0 * self.weight


@check(family="loop", cost="moderate", needs=("forward", "evaluate", "loss"))
def evaluation_oracle(candidate: Candidate) -> Outcome | None:
    """Score predictors that are right on all rows, none, half, and all but the last."""
    class_axis(candidate)
    count = len(candidate.splits["val"])
    if len(Predictor(candidate, "val", set())) < count:
        return inconclusive("rows of the validation part repeat")
    if candidate.contract.task in _SPANS:
        return _spans(candidate, count)
    if candidate.contract.task not in _ACCURACY:
        return _loss(candidate)
    names = mentioned(candidate)
    if names and not names <= _LIKE_ACCURACY | _OF_ALL_CLASSES | {"altered"}:
        return not_applicable(f"its words name what is no accuracy: {', '.join(sorted(names))}")
    return _spans(candidate, count) if names - _LIKE_ACCURACY else _accuracy(candidate, count)


def _accuracy(candidate: Candidate, count: int) -> Outcome | None:
    for told, wrong in {
        "right on every row": set(),
        "wrong on every row": set(range(count)),
        "wrong on every second row": set(range(1, count, 2)),
        "wrong on the last row": {count - 1},
    }.items():
        score, expected = _score(candidate, wrong), 1 - len(wrong) / count
        if score is None:
            return inconclusive("evaluate gives no number")
        if abs(score - expected) > 1e-4 and abs(score - 100 * expected) > 1e-2:
            return failed(
                f"a predictor that is {told} scores {score:.4g}, expected is {expected:.4g}",
                where=candidate.place(candidate.module.evaluate),
                advice="sum right answers and rows over all batches, and divide once; argmax over the classes",
            )
    return None


def _spans(candidate: Candidate, count: int) -> Outcome | None:
    """Ask only that the metric is perfect for the perfect predictor, and worse for each that is not."""
    where = candidate.place(candidate.module.evaluate)
    right, worst = _score(candidate, set()), _score(candidate, set(range(count)))
    half, last = _score(candidate, set(range(1, count, 2))), _score(candidate, {_last_labelled(candidate, count)})
    if right is None or worst is None or half is None or last is None:
        return inconclusive("evaluate gives no number")
    if right < worst:
        return None  # an error or a loss
    if (
        len(candidate.rows("val")[-1].unique()) >= candidate.contract.classes
        and min(abs(right - 1), abs(right - 100)) > 1e-2
    ):
        return failed(
            f"a predictor that is right on every row scores {right:.4g}",
            where=where,
            advice="argmax over the classes; divide by what was counted, not by a number of batches",
        )
    wrong = {"every row": worst, "every second row": half if count > 1 else worst, "the last row": last}
    for told, score in wrong.items():
        if score > right - 1e-6:
            return failed(
                f"a predictor that is wrong on {told} scores {score:.4g}, as one that is always right",
                where=where,
                advice="count every row of every batch, and compare outputs with the targets of the same positions",
            )
    return None


def _last_labelled(candidate: Candidate, count: int) -> int:
    """Give the last row that has a label which counts."""
    rows, target = candidate.rows("val")[-1], candidate.contract.target
    ignored = torch.zeros_like(rows) if target is None or target.ignore is None else rows == target.ignore
    return int((ignored == 0).reshape(count, -1).any(1).nonzero().max())


def _loss(candidate: Candidate) -> Outcome | None:
    right, wrong = _score(candidate, set()), _score(candidate, set(range(len(candidate.splits["val"]))))
    if right is None or wrong is None or candidate.contract.task not in {"lm", "mlm", "seq2seq"}:
        return None
    if right < wrong or abs(right - 1) < 1e-4:
        return None
    return failed(
        f"a perfect predictor scores {right:.4g}, one that is always wrong {wrong:.4g}",
        where=candidate.place(candidate.module.evaluate),
        advice="compare outputs with the targets of the same positions",
    )


def _score(candidate: Candidate, wrong: set[int]) -> float | None:
    return scored(candidate, Predictor(candidate, "val", wrong))


def scored(candidate: Candidate, predictor: nn.Module) -> float | None:
    """Give what `evaluate` says of a predictor on the validation part; None where that is no number."""
    score = candidate.module.evaluate(predictor, candidate.splits["val"])
    return float(score) if isinstance(score, int | float | torch.Tensor) else None


def _key(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().numpy().tobytes()
