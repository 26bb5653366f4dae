"""The metric that a program names is the one that it computes, on stand-ins whose outputs are known.

What is named is read from `metric` of `META`, the docstring of `evaluate`, and the names that its value goes by. A
value that fits none of the usual definitions fails where nothing else is said of it, or where it is another known one.

Source: this project's notes on evaluation bugs: AUROC of labels, token accuracy as F1, perplexity over padding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from probes import mistakes, references
from probes.candidate import Candidate, listed
from probes.checks.base import Outcome, StopError, check, failed, not_applicable, passed
from probes.metric_names import Named, named, named_by
from probes.references import Values
from probes.stand_ins import Prepared, prepare

_EXACT, _NEAR, _RELATIVE = 6e-4, 0.02, 1e-3
"""Differences that rounding to three digits makes; that a grid of thresholds makes; of unbounded metrics."""
_ROUNDED, _WHOLE = 5.1e-3, 1e-6
"""The difference that rounding to two digits makes, and what floats add to such a number."""
_RESCALED = 0.05
"""From where on raw targets have another unit."""
_ERRORS = ("mae", "mse", "rmse")
_UNBOUNDED = ("perplexity", "log_loss", "bits_per_token")
_HITS = ("top_k_accuracy", "recall_at_k")
_FIRM = (
    "accuracy", "error_rate", "balanced_accuracy", "macro_f1", "f1", "auroc", "average_precision", "mean_iou",
    "top_k_accuracy",
)  # fmt: skip
"""Metrics that are understood one way, so that a value of no known meaning is wrong."""
_OF_SPANS = ("f1", "macro_f1", "micro_f1", "precision", "recall")
"""Metrics that in tagging may be those of spans."""
_ADVICE = {
    "auroc": "rank the scores of all rows at once; no threshold",
    "average_precision": "rank the scores of all rows at once; no threshold",
    "perplexity": "sum the losses of the tokens that count, divide by their number once, and take the exponential",
    "mean_iou": "per class, count both areas over all batches; the union is their sum less the intersection",
    "entity_f1": "compare whole entities, class and ends, and count them over all batches",
    "rmse": "sum the squared errors over all batches, divide once, and take the root",
    "r2": "divide by the squares of what the targets differ from their mean",
}
_COMMON_ADVICE = "count over all batches and divide once; or name what is computed"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A metric by name and, for each stand-in, the value that the program gives."""

    name: Named
    values: tuple[float, ...]
    made: tuple[Prepared, ...]
    candidate: Candidate

    def fail(self, expected: float | None, which: str, place: int = 0) -> Outcome:
        """Say what is named, what it would be, what came, and what that is, where either is known."""
        title = _title(self.name)
        whose = "" if expected is None else f" whose {title} is {expected:.4g}"
        what = f"evaluate names {title} ({self.name.words!r}): a stand-in{whose} scores {self.values[place]:.4g}"
        if which:
            what += f"; on all {len(self.values)} stand-ins the value is {which}"
        advice = _ADVICE.get(self.name.metric, _COMMON_ADVICE)
        return failed(what, where=self.candidate.place(self.candidate.module.evaluate), advice=advice)


def _title(name: Named) -> str:
    """Write a metric as the field does."""
    short = {"auroc": "AUROC", "mae": "MAE", "mse": "MSE", "rmse": "RMSE", "r2": "R2", "f1": "F1", "iou": "IoU"}
    words = [short.get(word, word) for word in name.metric.split("_")]
    return " ".join(str(name.k) if word == "k" and name.k else word for word in words)


@check(family="loop", cost="moderate", needs=("forward", "evaluate"))
def named_metric(candidate: Candidate) -> Outcome | None:
    """Ask `evaluate` about stand-ins, and compare with references of the metric that is named."""
    first, *others = made = prepare(candidate)
    answer = _answer(candidate, first)
    if not answer:
        return not_applicable("evaluate gives no number")
    names = {key: _named(candidate, key) for key in answer}
    if all(isinstance(name, Outcome) for name in names.values()):
        return next(iter(names.values()))
    asked = [list(rows) for rows in first.network.asked]
    if _answer(candidate, first) != answer:
        return not_applicable("evaluate gives another value when it is asked again")
    first.network.asked[:] = asked
    answers = [answer, *(_answer(candidate, other) for other in others)]
    if not all(one.network.has_told_all for one in made):
        return not_applicable("evaluate does not ask the network about every row")
    told = [
        _judge(_Asked(name=name, values=tuple(a[key] for a in answers), made=tuple(made), candidate=candidate))
        for key, name in names.items()
        if isinstance(name, Named)
    ]
    return next((outcome for status in ("fail", "pass") for outcome in told if outcome.status == status), told[0])


def _named(candidate: Candidate, key: str) -> Named | Outcome:
    """Give the metric of a value, or why there is none."""
    try:
        return named_by(key, candidate) if key else named(candidate)
    except StopError as stop:
        return stop.outcome


def _answer(candidate: Candidate, made: Prepared) -> dict[str, float]:
    """Ask for the values by their keys; the key of a plain number is empty."""
    with torch.no_grad():
        given = candidate.module.evaluate(made.network, candidate.splits["val"])
    values = given if isinstance(given, Mapping) else {"": given}
    return {
        str(key): float(value)
        for key, value in values.items()
        if isinstance(value, int | float) or (isinstance(value, torch.Tensor) and value.numel() == 1)
    }


def _judge(asked: _Asked) -> Outcome:
    metric, first = asked.name.metric, asked.made[0]
    if metric in _ERRORS and first.out is not None:
        return _errors(asked)
    if metric == "r2" and first.out is not None:
        return _coefficient(asked)
    if metric in {*_HITS, "accuracy"} and first.pair is not None:
        return _pairs(asked)
    if first.views and (metric in {*references.OF_CLASSES, *_HITS, "entity_f1"} or _is_of_two(asked)):
        return _classes(asked)
    return not_applicable(f"no reference for {metric} of such outputs")


def _is_of_two(asked: _Asked) -> bool:
    return asked.name.metric in references.OF_TWO and asked.made[0].views[0].classes == 2


def _classes(asked: _Asked) -> Outcome:
    metric, k, task = asked.name.metric, asked.name.k, asked.candidate.contract.task
    if metric == "entity_f1":
        return _entities(asked)
    if metric in _HITS and k is None:
        return not_applicable("how many best ones count is not said")
    accepted = [[value for view in one.views for value in mistakes.metric_of(metric, k)(view)] for one in asked.made]
    if task in {"segmentation", "tagging"} and metric == "accuracy":  # mean accuracy may be that of the classes
        for values, one in zip(accepted, asked.made, strict=True):
            values += [value for view in one.views for value in references.balanced_accuracy(view)]
    is_firm = asked.name.plain and metric in _FIRM and not (task == "tagging" and metric in _OF_SPANS)
    return _compare(asked, accepted, lambda one: mistakes.of_classes(metric, k, one), is_firm=is_firm)


def _entities(asked: _Asked) -> Outcome:
    """Know only that the F1 of entities is not the accuracy of their labels."""
    pairs = zip(asked.values, asked.made, strict=True)
    if all(any(_fits(value, references.accuracy(view)[:1], "accuracy") for view in one.views) for value, one in pairs):
        return asked.fail(None, "the accuracy of single labels")
    return passed("the F1 of entities has no reference here; the value is not the accuracy of single labels")


def _compare(
    asked: _Asked,
    accepted: Sequence[Values],
    mistaken: Callable[[Prepared], dict[str, Values]],
    *,
    is_firm: bool,
) -> Outcome:
    """Pass what fits a definition; fail what is another metric throughout, and, if `is_firm`, what fits none."""
    metric, places = asked.name.metric, range(len(asked.values))
    off = [n for n in places if not _fits(asked.values[n], accepted[n], metric, _slack(asked.values[n]))]
    if len(off) < 2:
        return passed(f"{_title(asked.name)} as named")
    others = [mistaken(one) for one in asked.made]
    which = next(
        (w for w in others[0] if all(_fits(asked.values[n], others[n].get(w, []), metric) for n in places)), ""
    )
    if which:
        return asked.fail(accepted[off[0]][0], which, off[0])
    if metric in references.OF_TWO:
        off = [n for n in off if not _fits(asked.values[n], accepted[n], metric, _NEAR)]
    if is_firm and len(off) > 1:
        return asked.fail(accepted[off[0]][0], "", off[0])
    return not_applicable("the value is of no definition that is known here")


def _fits(value: float, expected: Values, metric: str, tolerance: float = _EXACT) -> bool:
    """Compare, as a share or in percent, with either sign; unbounded ones relatively."""
    if metric in _UNBOUNDED:
        return any(abs(abs(value) - abs(one)) <= _RELATIVE * abs(one) for one in expected)
    return any(abs(abs(value) / unit - abs(one)) <= tolerance for one in expected for unit in (1, 100))


def _slack(value: float) -> float:
    """Give the difference that is allowed: more where a share or a percentage was rounded to two digits."""
    is_rounded = any(abs(round(share, 2) - share) < _WHOLE for share in (value, value / 100))
    return _ROUNDED if is_rounded else _EXACT


def _errors(asked: _Asked) -> Outcome:
    definitions, others = mistakes.errors(asked.name.metric)
    for definition in definitions:
        factor = _factor(asked, definition)
        if factor is not None:
            unit = "" if abs(factor - 1) < _RELATIVE else f", times {factor:.4g} on every stand-in"
            if asked.name.own_unit and not unit and (told := _standardised(asked.candidate)):
                return asked.fail(None, told)
            return passed(f"{_title(asked.name)} as named{unit}")
    which = next((told for told, error in others.items() if _factor(asked, error) is not None), None)
    if which is None:
        return not_applicable("the value is no constant times an error that is known here")
    return asked.fail(definitions[0](asked.made[0]), which)


def _standardised(candidate: Candidate) -> str:
    """Say by how much the raw targets were divided, where they can be recognised among the raw columns."""
    made = torch.cat([candidate.rows(part)[-1] for part in candidate.splits]).double().flatten().sort().values
    for column in listed(candidate.raw) if candidate.has("load_raw") else ():
        raw = column.double().flatten().sort().values
        if not column.is_floating_point() or len(raw) != len(made):
            continue
        scale = float(raw.std() / made.std())
        is_same = float(((raw - raw.mean()) / raw.std() - (made - made.mean()) / made.std()).abs().max()) < _RELATIVE
        if is_same and abs(scale - 1) > _RESCALED:
            return f"that of standardised targets: the raw ones are {scale:.4g} times as large, which it leaves out"
    return ""


def _factor(asked: _Asked, error: mistakes.Numbers) -> float | None:
    """Give the value over the error, where that is the same on all stand-ins: a unit."""
    found = [value / error(one) for value, one in zip(asked.values, asked.made, strict=True)]
    return found[0] if max(found) - min(found) <= _RELATIVE * abs(found[0]) and found[0] else None


def _coefficient(asked: _Asked) -> Outcome:
    train = asked.candidate.rows("train")[-1]
    both = [mistakes.coefficients(one, train) for one in asked.made]
    return _compare(
        asked,
        [right for right, _ in both],
        lambda one: next(wrong for made, (_, wrong) in zip(asked.made, both, strict=True) if made is one),
        is_firm=False,
    )


def _pairs(asked: _Asked) -> Outcome:
    """Compare with the share of rows found again among all; among those of a batch only where all are spoken of."""
    k = 1 if asked.name.metric == "accuracy" else asked.name.k
    if k is None:
        return not_applicable("how many best ones count is not said")

    def mistaken(one: Prepared) -> dict[str, Values]:
        return {"the share among the rows of each batch": _in_batches(one, k)} if asked.name.among_all else {}

    return _compare(asked, [_found(one, k) for one in asked.made], mistaken, is_firm=False)


def _found(made: Prepared, k: int) -> Values:
    one, other = made.pair
    there, back = references.found_again(one, other, k), references.found_again(other, one, k)
    return [there, back, (there + back) / 2]


def _in_batches(made: Prepared, k: int) -> Values:
    sizes = [len(rows) for rows in made.network.asked]
    found = [_found(made.of_rows(rows), k) for rows in made.network.asked]
    columns = list(zip(*found, strict=True))
    by_rows = [sum(v * n for v, n in zip(column, sizes, strict=True)) / sum(sizes) for column in columns]
    return [*(sum(column) / len(column) for column in columns), *by_rows]
