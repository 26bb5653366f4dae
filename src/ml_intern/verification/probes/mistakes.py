"""What a program may compute by mistake in the place of the metric that it names, to say which one it was.

Source: this project's notes on evaluation bugs; scikit-learn's user guide, "Metrics and scoring".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from probes import references
from probes.references import Scored, Values
from probes.stand_ins import Prepared

_PHRASES = {
    "accuracy": "the accuracy",
    "error_rate": "the error rate",
    "balanced_accuracy": "the balanced accuracy, the mean recall of the classes",
    "macro_f1": "the macro F1, the mean over the classes",
    "weighted_f1": "the F1 of the classes weighted by their labels",
    "mean_iou": "the mean intersection over the union",
    "log_loss": "the mean negative log likelihood in nats",
    "perplexity": "the perplexity",
    "bits_per_token": "the mean negative log likelihood in bits",
    "exact_match": "the share of rows without a mistake",
}
"""Of metrics that one may compute under the name of another."""
_OF_CLASS_1 = {"f1": "the F1 of class 1", "precision": "the precision of class 1", "recall": "the recall of class 1"}
_SAME = {"micro_f1": "accuracy"}
_BY_BATCH = "the mean of the values of the batches, which depends on their size"
_RANKED = ("auroc", "average_precision")
_HITS = ("top_k_accuracy", "recall_at_k")


def metric_of(name: str, k: int | None) -> Callable[[Scored], Values]:
    """Give the reference of a metric of classes."""
    if name in _HITS:
        return lambda scored: references.top_k(scored, k)
    return (references.OF_CLASSES | references.OF_TWO)[name]


def of_classes(name: str, k: int | None, made: Prepared) -> dict[str, Values]:
    """Give, by what it is, each value that another computation gives; what is most particular to `name` comes first."""
    found: dict[str, Values] = {}
    batches = made.network.asked
    for view in made.views:
        for phrase, value in _of_view(name, k, view, batches):
            found.setdefault(phrase, []).append(value)
    return found


def _of_view(name: str, k: int | None, view: Scored, batches: Sequence[list[int]]) -> Iterator[tuple[str, float]]:
    if name in _RANKED and view.classes == 2:
        hard = metric_of(name, k)(references.thresholded(view, 0.0))[0]
        yield "that of labels at a threshold in the place of scores, which loses the ranking", hard
    if name in _HITS and k is not None:
        yield from _other_hits(k, view)
    if name in references.OF_CLASSES:
        yield from _counted_wrongly(name, view)
    if len(batches) > 1 and name != "entity_f1":
        yield from _of_batches(name, k, view, batches)
    for other, phrase in _PHRASES.items():
        if other not in {name, _SAME.get(name)}:
            yield phrase, references.OF_CLASSES[other](view)[0]
    if view.classes == 2:
        yield from ((told, references.OF_CLASSES[other](view)[0]) for other, told in _OF_CLASS_1.items())


def _other_hits(k: int, view: Scored) -> Iterator[tuple[str, float]]:
    for other in (k - 1, k + 1):
        if other > 0:
            yield f"that with k = {other}", references.top_k(view, other)[0]
    first = Scored(scores=view.scores[:, :1], truth=view.truth[:, -1:], counted=view.counted[:, -1:])
    if view.truth.shape[1] > 1:
        yield "that of the scores at the first position", references.top_k(first, k)[0]


def _counted_wrongly(name: str, view: Scored) -> Iterator[tuple[str, float]]:
    if name == "mean_iou":
        yield (
            "the mean of the intersection over the sum of both areas, in which the intersection counts twice",
            references.double_union(view),
        )
        yield "the mean Dice score", references.dice(view)[0]
    if name in {"accuracy", "micro_f1"}:
        yield (
            "right positions over all, also those that do not count",
            references.among_all(view, view.right),
        )
    if name in {"log_loss", "perplexity", "bits_per_token"}:
        yield from _surprises(name, view)
    if view.classes == 2 and name not in {"log_loss", "perplexity", "bits_per_token"}:
        metric = references.OF_CLASSES[name]
        half, none = references.thresholded(view, 0.5), references.thresholded(view, -math.inf)
        yield "that at a threshold of 0.5 on logits, a probability of 0.62", metric(half)[0]
        yield "that where every row is called positive: a probability is always above 0", metric(none)[0]


def _surprises(name: str, view: Scored) -> Iterator[tuple[str, float]]:
    """Divide by what does not count; mix up the bases."""
    nats, all_nats = references.log_loss(view)[0], references.among_all(view, view.surprise)
    if not bool(view.counted.all()):
        padded = {"perplexity": math.exp(all_nats), "bits_per_token": all_nats / math.log(2)}.get(name, all_nats)
        yield "the sum over what counts, divided by all positions, padding included", padded
    if name == "perplexity":
        yield "2 to the power of a mean in nats", 2**nats


def _of_batches(name: str, k: int | None, view: Scored, batches: Sequence[list[int]]) -> Iterator[tuple[str, float]]:
    parts = [view.rows(rows) for rows in batches]
    sizes = torch.tensor([len(rows) for rows in batches]).double()
    values = torch.tensor([metric_of(name, k)(part)[0] for part in parts]).double()
    yield _BY_BATCH, float(values.nanmean())
    if name == "perplexity":
        yield f"the exponential of {_BY_BATCH.replace('values', 'mean losses')}", float(values.log().mean().exp())
    if name in _RANKED or name in {"macro_f1", "balanced_accuracy", "mean_iou"}:
        yield (
            "the mean of the values of the batches by rows, which is not that of all rows",
            float((values * sizes).sum() / sizes.sum()),
        )


Numbers = Callable[[Prepared], float]


def errors(name: str) -> tuple[list[Numbers], dict[str, Numbers]]:
    """Give the definitions of an error by its name, and other errors by what they are; each up to a constant factor."""
    known: dict[str, list[Numbers]] = {
        "mae": [lambda made: references.absolute_error(made.out, made.target)],
        "mse": [lambda made: references.squared_error(made.out, made.target)],
        "rmse": [lambda made, n=n: references.root_errors(made.out, made.target)[n] for n in range(3)],
    }
    phrases = {
        "mae": "the mean absolute error",
        "mse": "the mean squared error, of which no root is taken",
        "rmse": "the root of the mean squared error",
    }
    others = {phrases[other]: known[other][0] for other in known if other != name}
    return known[name], {_BY_BATCH: lambda made: _error_of_batches(known[name][0], made), **others}


def _error_of_batches(metric: Numbers, made: Prepared) -> float:
    values = [metric(made.of_rows(rows)) for rows in made.network.asked]
    return sum(values) / len(values)


def coefficients(made: Prepared, trained: torch.Tensor | None) -> tuple[Values, dict[str, Values]]:
    """Give the coefficients of determination, and what is mistaken for one; `trained` are targets of training."""
    out, target = (given.reshape(len(given), -1) for given in (made.out, made.target))
    whole, count = references.explained(out, target), target.numel()
    columns = [references.explained(out[:, j], target[:, j]) for j in range(target.shape[1])]
    right = [
        whole,
        1 - (1 - whole) * (count - 1) / count,
        references.explained(out, target, target.mean(0)),
        sum(columns) / len(columns),
        float(torch.corrcoef(torch.stack([out.flatten(), target.flatten()]))[0, 1] ** 2),
    ]
    if trained is not None:
        right.append(references.explained(out, target, trained.double().mean()))
        right.append(references.explained(out, target, trained.double().reshape(len(trained), -1).mean(0)))
    parts = [made.of_rows(rows) for rows in made.network.asked]
    by_batch = sum(references.explained(part.out, part.target) for part in parts) / len(parts)
    mistaken = {
        "1 minus the squared error over the squares of the targets, whose mean is not taken off": [
            references.explained(out, target, 0.0)
        ],
        "1 minus the mean squared error, which is not divided by the variance": [
            1 - references.squared_error(out, target)
        ],
    }
    return right, mistaken if len(parts) == 1 else mistaken | {_BY_BATCH: [by_batch]}
