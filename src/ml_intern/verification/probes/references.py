"""Reference metrics of known outputs, over all rows at once, in every definition that goes by the name.

Sources: scikit-learn's user guide, "Metrics and scoring"; Fawcett (2006) on the area under the ROC curve; Everingham et
al. (2010) §4 on the intersection over the union; Opitz and Burst, arXiv 1911.03347, on the two macro F1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

_MANY_CLASSES = 64
"""Above which only the first and the last class are left out in turn."""
_SMOOTH = (0.0, 1e-6, 0.5, 1.0)
"""What programs add to both areas so that an absent class gives no 0/0."""
Values = list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What a network gave for labelled positions.

    Attributes:
        scores: (rows, positions, classes), logits in float64.
        truth: (rows, positions), a class each.
        counted: (rows, positions), whether the label counts.
    """

    scores: torch.Tensor
    truth: torch.Tensor
    counted: torch.Tensor

    def rows(self, places: Sequence[int]) -> Scored:
        """Take some of the rows."""
        return Scored(scores=self.scores[places], truth=self.truth[places], counted=self.counted[places])

    @property
    def classes(self) -> int:
        """How many there are."""
        return self.scores.shape[-1]

    @property
    def right(self) -> torch.Tensor:
        """(rows, positions), whether the best class is the label."""
        return (self.scores.argmax(-1) == self.truth) & self.counted

    @property
    def labels(self) -> torch.Tensor:
        """(counted,), the labels that count."""
        return self.truth[self.counted]

    @property
    def surprise(self) -> torch.Tensor:
        """(rows, positions), minus the logarithm of the label's probability; 0 where nothing counts."""
        known = self.truth.clamp(0, self.classes - 1)
        lost = -self.scores.log_softmax(-1).gather(-1, known[..., None])[..., 0]
        return lost.masked_fill(~self.counted, 0.0)

    def counts(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Give how often each class is right, guessed and real in each row: (rows, classes) each."""
        guess, shape = self.scores.argmax(-1), (len(self.truth), self.classes)
        which = torch.arange(shape[0])[:, None] * shape[1]
        return tuple(
            (which + classes)[mask].bincount(minlength=shape[0] * shape[1]).reshape(shape).double()
            for classes, mask in ((guess, self.right), (guess, self.counted), (self.truth, self.counted))
        )


def accuracy(scored: Scored) -> Values:
    """Give the share of right labels: of all, by row, of rows without a mistake, and of all without one class."""
    right, counted = scored.right.sum(1).double(), scored.counted.sum(1).double()
    some = counted > 0
    by_row = right[some] / counted[some]
    whole = [_ratio(right.sum(), counted.sum()), float(by_row.mean()), float((by_row == 1).double().mean())]
    hits, _, real = _counts(scored)
    return [*whole, *(_ratio(hits.sum() - hits[c], real.sum() - real[c]) for c in _left_out(scored))]


def error_rate(scored: Scored) -> Values:
    """Give what accuracy lacks to one."""
    return [1 - value for value in accuracy(scored)]


def exact_match(scored: Scored) -> Values:
    """Give the share of rows without a mistake."""
    return accuracy(scored)[2:3]


def balanced_accuracy(scored: Scored) -> Values:
    """Give the mean recall of the classes, also where chance is made zero."""
    found = _averages(_by_class(scored, "recall"), scored)
    chance = 1 / scored.classes
    return [*found, (found[0] - chance) / (1 - chance)]


def macro_f1(scored: Scored) -> Values:
    """Give the mean F1 of the classes, and the F1 of mean precision and mean recall."""
    precision, recall = (_averages(_by_class(scored, kind), scored) for kind in ("precision", "recall"))
    joint = [2 * p * r / (p + r) if p + r else 0.0 for p, r in zip(precision, recall, strict=True)]
    return [*_averages(_by_class(scored, "f1"), scored), *joint]


def micro_f1(scored: Scored) -> Values:
    """Give the F1 of all classes counted together, which is accuracy, and of all but one."""
    right, guessed, real = _counts(scored)
    parts = [[c for c in range(scored.classes) if c != left] for left in _left_out(scored)]
    return [
        accuracy(scored)[0],
        *(_ratio(2 * right[p].sum(), guessed[p].sum() + real[p].sum()) for p in parts if len(p) > 1),
    ]


def weighted_f1(scored: Scored) -> Values:
    """Give the F1 of the classes, weighted by their labels, with and without one of them."""
    return _weighted(scored, "f1")


def f1(scored: Scored) -> Values:
    """Give every F1 that goes by the name alone: of class 1 where there are two, otherwise any."""
    return _any_kind(scored, "f1")


def precision(scored: Scored) -> Values:
    """Give the precision of class 1 where there are two, otherwise any."""
    return _any_kind(scored, "precision")


def recall(scored: Scored) -> Values:
    """Give the recall of class 1 where there are two, otherwise any."""
    return _any_kind(scored, "recall")


def mean_iou(scored: Scored) -> Values:
    """Give the mean intersection over the union: over the set, by image, of one class, of all areas together."""
    return _areas(scored, "iou")


def dice(scored: Scored) -> Values:
    """Give twice the intersection over the sum of both areas, as `mean_iou`."""
    return _areas(scored, "f1")


def auroc(scored: Scored) -> Values:
    """Give the share of pairs in which the positive has the larger score, ties counting half: two classes only."""
    labels = scored.labels
    return [_ranked(score[scored.counted], labels == 1) for score in _positive_scores(scored)]


def average_precision(scored: Scored) -> Values:
    """Give the mean precision at each positive by falling score, and the area by trapezoids."""
    both = (_precisions(score[scored.counted], scored.labels == 1) for score in _positive_scores(scored))
    return [value for values in both for value in values]


def log_loss(scored: Scored) -> Values:
    """Give the mean surprise in nats a label, and as the mean over rows of their mean and of their sum."""
    lost, counted = scored.surprise.sum(1), scored.counted.sum(1).double()
    some = counted > 0
    return [_ratio(lost.sum(), counted.sum()), float((lost[some] / counted[some]).mean()), float(lost[some].mean())]


def perplexity(scored: Scored) -> Values:
    """Give the exponential of the mean surprise, also as the mean over rows."""
    lost, counted = scored.surprise.sum(1), scored.counted.sum(1).double()
    some = counted > 0
    by_row = (lost[some] / counted[some]).exp().mean()
    return [*(_exponential(nats) for nats in log_loss(scored)), float(by_row)]


def bits_per_token(scored: Scored) -> Values:
    """Give the mean surprise in bits."""
    return [nats / math.log(2) for nats in log_loss(scored)]


def top_k(scored: Scored, k: int) -> Values:
    """Give the share of labels among the `k` largest scores: of all, and by row."""
    own = scored.scores.gather(-1, scored.truth.clamp(0, scored.classes - 1)[..., None])
    hit = ((scored.scores > own).sum(-1) < k) & scored.counted
    counted = scored.counted.sum(1).double()
    some = counted > 0
    return [_ratio(hit.sum(), counted.sum()), float((hit.sum(1)[some] / counted[some]).mean())]


OF_CLASSES: dict[str, Callable[[Scored], Values]] = {
    "accuracy": accuracy,
    "error_rate": error_rate,
    "exact_match": exact_match,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "micro_f1": micro_f1,
    "weighted_f1": weighted_f1,
    "f1": f1,
    "precision": precision,
    "recall": recall,
    "mean_iou": mean_iou,
    "dice": dice,
    "log_loss": log_loss,
    "perplexity": perplexity,
    "bits_per_token": bits_per_token,
}
"""The most usual definition of each comes first."""
OF_TWO: dict[str, Callable[[Scored], Values]] = {"auroc": auroc, "average_precision": average_precision}
"""Metrics of two classes only."""


def thresholded(scored: Scored, threshold: float) -> Scored:
    """Put 1 and 0 in the place of scores: above a threshold of the logit of two classes, or not."""
    said = ((scored.scores[..., 1] - scored.scores[..., 0]) > threshold).double()
    return replace(scored, scores=torch.stack([1 - said, said], -1))


def double_union(scored: Scored) -> float:
    """Give the mean of the intersection over the sum of both areas: the intersection is counted twice."""
    right, guessed, real = _counts(scored)
    return _first_mean(right / (guessed + real))


def among_all(scored: Scored, values: torch.Tensor) -> float:
    """Divide the sum of `values` over counted positions by the number of all positions."""
    return _ratio(values.double().sum(), scored.counted.numel())


def squared_error(out: torch.Tensor, target: torch.Tensor) -> float:
    """Give the mean squared error."""
    return float((out - target).square().mean())


def absolute_error(out: torch.Tensor, target: torch.Tensor) -> float:
    """Give the mean absolute error."""
    return float((out - target).abs().mean())


def root_errors(out: torch.Tensor, target: torch.Tensor) -> Values:
    """Give the root of the mean squared error: of all, and as the mean over columns or rows of theirs."""
    squares = (out - target).square().reshape(len(out), -1)
    whole = float(squares.mean().sqrt())
    if squares.shape[1] == 1:  # the root of a single square would be the absolute error
        return [whole] * 3
    return [whole, float(squares.mean(0).sqrt().mean()), float(squares.mean(1).sqrt().mean())]


def explained(out: torch.Tensor, target: torch.Tensor, centre: torch.Tensor | float | None = None) -> float:
    """Give 1 minus the squared error over that of `centre`, the target's mean where it is None."""
    middle = target.mean() if centre is None else centre
    return 1 - _ratio((out - target).square().sum(), (target - middle).square().sum())


def found_again(one: torch.Tensor, other: torch.Tensor, k: int) -> float:
    """Give how often row n of `other` is among the `k` rows most similar to row n of `one`: (rows, dim) each."""
    similar = one @ other.T
    return float(((similar > similar.diagonal()[:, None]).sum(1) < k).double().mean())


def _counts(scored: Scored) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give how often each class is right, guessed and real: (classes,) each."""
    right, guessed, real = scored.counts()
    return right.sum(0), guessed.sum(0), real.sum(0)


def _by_class(scored: Scored, kind: str) -> torch.Tensor:
    return _over(_counts(scored), kind)


def _over(counts: tuple[torch.Tensor, torch.Tensor, torch.Tensor], kind: str, smooth: float = 0.0) -> torch.Tensor:
    """Give a ratio for each class, nan where it is 0/0."""
    right, guessed, real = counts
    over = {"precision": guessed, "recall": real, "iou": guessed + real - right, "f1": (guessed + real) / 2}[kind]
    return (right + smooth) / (over + smooth)


def _averages(values: torch.Tensor, scored: Scored) -> Values:
    """Average over the classes: absent ones as 0, as 1, left out; of the labels; and without one of them."""
    real = _counts(scored)[2] > 0
    keeps = [torch.ones_like(real), *(torch.arange(scored.classes) != left for left in _left_out(scored))]
    found = []
    for keep in keeps:
        mine = values[keep]
        found += [float(mine.nan_to_num(0.0).mean()), float(mine.nan_to_num(1.0).mean()), float(mine.nanmean())]
        found.append(float(values[keep & real].nan_to_num(0.0).mean()))
    return found


def _first_mean(values: torch.Tensor) -> float:
    return float(values.nan_to_num(0.0).mean())


def _left_out(scored: Scored) -> Iterator[int]:
    """Give the classes that a mean may leave out, such as the background; of two, neither."""
    if scored.classes > _MANY_CLASSES:
        yield from (0, scored.classes - 1)
    elif scored.classes > 2:
        yield from range(scored.classes)


def _weighted(scored: Scored, kind: str) -> Values:
    values, weights = _by_class(scored, kind).nan_to_num(0.0), _counts(scored)[2]
    keeps = [torch.arange(scored.classes) != left for left in (-1, *_left_out(scored))]
    return [_ratio((values * weights)[keep].sum(), weights[keep].sum()) for keep in keeps]


def _any_kind(scored: Scored, kind: str) -> Values:
    values = _by_class(scored, kind)
    if scored.classes == 2:
        own = [float(values[1].nan_to_num(0.0)), float(values[1].nan_to_num(1.0)), float(values[0].nan_to_num(0.0))]
        return [*own, *_averages(values, scored), *_weighted(scored, kind)]
    whole = micro_f1(scored)  # of single labels, precision and recall of all classes together are the same
    return [*_averages(values, scored), *_weighted(scored, kind), *whole, *values.nan_to_num(0.0).tolist()]


def _areas(scored: Scored, kind: str) -> Values:
    found: Values = []
    images = scored.rows(scored.counted.any(1).nonzero().flatten().tolist()).counts()
    for smooth in _SMOOTH:
        values, by_image = _over(_counts(scored), kind, smooth), _over(images, kind, smooth)  # (images, classes)
        found += _averages(values, scored)
        found += [_first_mean(by_image.nanmean(1)), _first_mean(by_image), float(by_image.nan_to_num(1.0).mean())]
        found += [_first_mean(by_image.nanmean(0)), _first_mean(by_image.nanmean(0)[1:])]
        found += [*values.nan_to_num(0.0).tolist(), *by_image.nan_to_num(0.0).mean(0).tolist()]
        found += by_image.nan_to_num(1.0).mean(0).tolist()
    right, guessed, real = (counts.sum() for counts in _counts(scored))
    return [*found, _ratio(right, guessed + real - right if kind == "iou" else (guessed + real) / 2)]


def _positive_scores(scored: Scored) -> tuple[torch.Tensor, torch.Tensor]:
    """Give what ranks the positions of two classes: the probability of class 1, or its logit alone."""
    return scored.scores[..., 1] - scored.scores[..., 0], scored.scores[..., 1]


def _ranked(score: torch.Tensor, positive: torch.Tensor) -> float:
    lower, mine = score[~positive].sort().values, score[positive]
    below = torch.searchsorted(lower, mine)
    not_above = torch.searchsorted(lower, mine, right=True)
    return _ratio((below + not_above).double().sum() / 2, len(lower) * len(mine))


def _precisions(score: torch.Tensor, positive: torch.Tensor) -> Values:
    hits = positive[score.argsort(descending=True)].double()
    at = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    before = torch.cat([at[:1], at[:-1]])
    return [_ratio((at * hits).sum(), hits.sum()), _ratio(((at + before) / 2 * hits).sum(), hits.sum())]


def _exponential(nats: float) -> float:
    return math.exp(nats) if nats < 700 else math.inf


def _ratio(over: torch.Tensor | float, under: torch.Tensor | float) -> float:
    return float(over) / float(under) if float(under) else math.nan
