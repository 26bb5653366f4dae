"""What must not be published: a network that predicts nothing, one that was not trained, a claim that does not hold."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from ml_intern.core.facts import DatasetPrepared, Finding, Score, Trained
from ml_intern.core.neutral import quoted
from ml_intern.evaluation.metrics import Metric, all_metrics, readings

FEWEST = 5
"""Rows below which equal predictions say nothing."""

SIGMAS = 4.0
"""Standard errors that a claim may lie above the measured value: choosing the best of many epochs is honest."""

DOUBT = 2.5
"""Standard errors from which on it is worth to predict the rows of search too."""

MARGIN = 0.02
"""And this much more, in the metric's own unit of a fraction, or as a share of an error."""

_SINGLE = 1e-7
"""How far a share in single precision may be off."""
_ROUNDED = 4
"""Digits that people round to."""


def examine(predictions: Sequence[float | str], examined: Mapping[str, float]) -> tuple[Finding, ...]:
    """Judge predictions and the figures of a look at the network."""
    found = {
        "constant_predictions": _constant(predictions),
        "ignored_weights": "predict does not use the weights of the network: with other weights it answers the same. "
        "Compute every prediction with the network."
        if examined.get("ignored_weights")
        else "",
        "weights_not_finite": f"{examined.get('not_finite', 0):.0f} weights are not finite."
        if examined.get("not_finite")
        else "",
        "constant_weights": "every weight matrix holds a single value: these weights were never trained."
        if 0 < examined.get("matrices", 0) <= examined.get("constant_matrices", 0)
        else "",
        "untrained_weights": _untrained(examined),
    }
    return tuple(Finding(name=name, detail=detail, refuses=True) for name, detail in found.items() if detail)


def _constant(predictions: Sequence[float | str]) -> str:
    if len(predictions) < FEWEST:
        return ""
    numbers = [value for value in predictions if not isinstance(value, str)]
    if not numbers:
        said = "" if len(set(predictions)) > 1 else quoted(str(predictions[0]), 40)
    else:
        size = max(abs(value) for value in numbers)
        said = "" if max(numbers) - min(numbers) > 1e-6 * max(size, 1e-6) else f"{numbers[0]:g}"
    return (
        f"the prediction is the same for all {len(predictions)} rows ({said}): it depends on no input." if said else ""
    )


def _untrained(examined: Mapping[str, float]) -> str:
    if examined.get("relative_change") == 0:
        return "the weights are those of a fresh network: save the network that was trained, after its training."
    fixed = examined.get("fixed_tensors", 0)
    if fixed and fixed == examined.get("fixed_unchanged"):
        return (
            f"all {fixed:.0f} weight tensors that begin with fixed values still have them: save the network that was "
            "trained, after its training."
        )
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSearch:
    """How the same weights do on `rows` rows of search: the only rows that the script had labels of."""

    scores: tuple[Score, ...]
    rows: int


def is_doubtful(trained: Trained, scores: Sequence[Score], dataset: DatasetPrepared) -> bool:
    """Whether a share is claimed that chance hardly explains, so that it is worth to look at the rows of search."""
    read = _read(trained, scores, dataset)
    return any(
        all(score.metric in _SHARES and _is_beyond_noise(claim, score, dataset, {}, DOUBT) for score in of)
        for _, claim, of in read
    )


def overclaims(
    trained: Trained, scores: Sequence[Score], dataset: DatasetPrepared, search: OnSearch | None = None
) -> tuple[Finding, ...]:
    """Compare what the script reported of itself with what was measured; only a claim that is too good is a finding.

    Names of training figures (`train_…`, losses) claim nothing about other rows and are left alone. Whatever the
    script measured on was a part of search: with `search`, a claim is also one too many where it is neither
    explained by how the weights do there nor by how they do on the final part.
    """
    measured = {score.metric: score for score in scores}
    found: list[Finding] = []
    for name, claim, read in _read(trained, scores, dataset):
        is_final = all(_is_beyond_noise(claim, score, dataset, measured) for score in read)
        if is_final or (search and all(_is_beyond_search(claim, score, dataset, search) for score in read)):
            score = read[0]
            found.append(
                Finding(
                    name="overclaim",
                    detail=f"metrics.json says {name} {claim:.4g}; the runtime measured {score.metric} "
                    f"{score.value:.4g} [{score.low:.4g}, {score.high:.4g}], which is beyond chance. Correct what the "
                    "script measures (on selection rows, in evaluation mode) and train again.",
                    refuses=True,
                )
            )
    return tuple(found)


def _read(trained: Trained, scores: Sequence[Score], dataset: DatasetPrepared) -> list[tuple[str, float, list[Score]]]:
    """Give each name and figure that the script reported, with the scores that it may be of."""
    measured = {score.metric: score for score in scores}
    read = [
        (name, claim, [measured[metric] for metric in _claimed(name, dataset) if metric in measured])
        for name, claim in trained.reported.items()
    ]
    return [one for one in read if one[2]]


_PREFIX = re.compile(
    r"^(best|final|last|mean|average|avg|overall|selection|sel|validation|valid|val|dev|eval|evaluation|test|holdout"
    r"|heldout|hidden|reported|the|on|at|in|set|split|rows|data|epoch)[\s_/.-]+",
    re.IGNORECASE,
)
_SUFFIX = re.compile(
    r"[\s_/.-]+(final|best|last|selection|sel|validation|valid|val|dev|eval|evaluation|test|holdout|heldout|hidden"
    r"|score|set|split|percent|pct)$",
    re.IGNORECASE,
)


_OTHER = re.compile(
    r"train|search|loss|batch|teacher|baseline|chance|majority|normali[sz]ed|standardi[sz]ed|scaled|log", re.IGNORECASE
)
"""In names of figures that claim nothing about other rows, or are of another unit."""


def _claimed(name: str, dataset: DatasetPrepared) -> tuple[str, ...]:
    """Give the metrics that a reported name may speak of."""
    if _OTHER.search(name):
        return ()
    short = name
    for pattern in (_PREFIX, _SUFFIX):
        while (next_short := pattern.sub("", short)) != short:
            short = next_short
    return readings(dataset, short)


def _is_beyond_noise(
    claim: float,
    score: Score,
    dataset: DatasetPrepared,
    measured: Mapping[str, Score],
    sigmas: float = SIGMAS,
) -> bool:
    metric = all_metrics(dataset)[score.metric]
    if metric.most == 1 and 1 < claim <= 100:
        claim /= 100  # in percent
    gain = claim - score.value if score.higher_is_better else score.value - claim
    rows, selection = dataset.rows.get("final", 1), dataset.rows.get("selection", 1)
    share = rows / max(1, selection)
    if metric.most == 1 and metric.least == 0:
        counted = _fewest_rows(claim, dataset.rows.get("search", 1)) if score.metric in _SHARES else 0
        error = _error_of_difference(claim, score.value, max(selection, counted), rows)
    else:
        error = (score.high - score.low) / (2 * 1.96) * math.sqrt(1 + share)
    margin = MARGIN * (metric.most if metric.most in {1, 100} else abs(score.value))
    is_beyond = gain > sigmas * error + margin or _is_beyond_ratio(claim, score, metric, sigmas, share)
    return is_beyond and not _is_standardised(claim, score, measured)


def _is_beyond_ratio(claim: float, score: Score, metric: Metric, sigmas: float, share: float) -> bool:
    """Whether what is left unexplained is claimed to be smaller by a factor that chance hardly gives.

    An error, or one less R², is never below 0, and varies in proportion to its size: near a perfect score the same
    difference is far less likely. `share` is that of the rows measured on to those of selection.
    """
    if metric.higher_is_better and metric.most == 1 and math.isinf(metric.least):
        claim, value, low, high = 1 - claim, 1 - score.value, 1 - score.high, 1 - score.low
    elif not metric.higher_is_better and metric.least == 0 and math.isinf(metric.most):
        value, low, high = score.value, score.low, score.high
    else:
        return False
    if min(value, low) <= 0:
        return False
    error = math.log(high / low) / (2 * 1.96) * math.sqrt(1 + share)
    return claim <= 0 or math.log(value / claim) > sigmas * error + MARGIN


def _is_beyond_search(claim: float, score: Score, dataset: DatasetPrepared, search: OnSearch) -> bool:
    """Whether a share on a part of search as large as selection is beyond chance, by Fisher's exact test.

    Source: Fisher 1922, Journal of the Royal Statistical Society 85; the chance is that of `SIGMAS`.
    """
    there = next((one.value for one in search.scores if one.metric == score.metric), 1.0)
    best = max(there, score.value)
    claim = claim / 100 if claim > 1 else claim
    if score.metric not in _SHARES or not best + MARGIN < claim <= 1:
        return False
    rows = search.rows + dataset.rows.get("final", 1)
    part = max(1, dataset.rows.get("selection", 1))
    hits, of_all = round(claim * part), round(claim * part) + round(best * rows)
    return _tail(hits, part, of_all, rows + part) < NormalDist().cdf(-SIGMAS)


def _tail(hits: int, part: int, of_all: int, rows: int) -> float:
    """Give the chance that `part` of `rows` rows have at least `hits` of all `of_all` hits."""
    whole = _log_choose(rows, part)
    places = range(hits, min(part, of_all) + 1)
    return sum(
        math.exp(_log_choose(of_all, n) + _log_choose(rows - of_all, part - n) - whole)
        for n in places
        if part - n <= rows - of_all
    )


def _log_choose(rows: int, chosen: int) -> float:
    return math.lgamma(rows + 1) - math.lgamma(chosen + 1) - math.lgamma(rows - chosen + 1)


_SHARES = frozenset({"accuracy", "exact_match"})
"""Metrics that count rows, so that their values are fractions of the rows they were measured on."""


def _fewest_rows(share: float, most: int) -> int:
    """Give the fewest rows that such a share can be measured on: its denominator, where it has one up to `most`.

    No script has more labels than the `most` rows of search. A rounded share tells nothing, and gives 0.
    """
    fraction = Fraction(share).limit_denominator(max(1, most))
    is_exact = abs(share - fraction) < _SINGLE and share != round(share, _ROUNDED)
    return fraction.denominator if is_exact else 0


def _error_of_difference(claim: float, value: float, selection: int, rows: int) -> float:
    """Give the standard error of the difference of two shares that are really one, by the pooled share."""
    pooled = (claim * selection + value * rows + 1) / (selection + rows + 2)
    return math.sqrt(max(0.0, pooled * (1 - pooled)) * (1 / max(1, selection) + 1 / max(1, rows)))


def _is_standardised(claim: float, score: Score, measured: Mapping[str, Score]) -> bool:
    """Whether an error was given in standard deviations of the target, which is another unit and no better claim."""
    if score.metric not in {"rmse", "mae"} or "rmse" not in measured:
        return False
    deviation = measured["rmse"].baseline  # the error of the mean is the target's deviation
    ratio = claim * deviation / score.value if score.value > 0 else 0.0
    return 0.5 <= ratio <= 2.0
