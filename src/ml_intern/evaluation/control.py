"""Judge the permuted-label control: what was trained on shuffled labels must do no better than chance."""

from __future__ import annotations

from ml_intern.core.facts import Finding, Score, TaskKind
from ml_intern.evaluation.metrics import METRICS

SIGMAS = 3.0
"""Standard errors above the baseline that chance does not explain."""
MARGIN = 0.02
"""And this much more, as a share of the baseline: a network that overfits noise is no constant one."""
GROSS = 0.5
"""Share of the measured gain over the baseline from which on the gain cannot come from the labels."""


def control_score(scores: tuple[Score, ...], task: TaskKind) -> Score:
    """Give the score that is compared: the first of the task, whatever metric the contract names."""
    first = next(iter(METRICS[task]))
    return next(score for score in scores if score.metric == first)


def judge_control(control: Score, measured: Score, rows: int) -> Finding | None:
    """Compare with chance, and with what was measured of the real training; None where it fell to chance.

    Args:
        control: of the training on permuted labels, on `rows` rows of selection.
        measured: of the real training, the same metric.
        rows: of selection.
    """
    gain, real = _gain(control), _gain(measured)
    error = (control.high - control.low) / (2 * 1.96)
    if gain <= SIGMAS * error + MARGIN * abs(control.baseline):
        return None
    is_gross = gain >= GROSS * real
    detail = (
        f"Trained on permuted labels, from which nothing can be learned, the same script reaches {control.metric} "
        f"{control.value:.4g} [{control.low:.4g}, {control.high:.4g}] on {rows} rows of selection, where chance gives "
        f"{control.baseline:.4g}"
    )
    so = "so its score does not come from the labels" if is_gross else "so a part of its score may not come from them"
    way = " Take out what knows the labels otherwise: constants, rules, stored weights." if is_gross else ""
    return Finding(name="control", detail=f"{detail}: {so}.{way}", refuses=is_gross)


def _gain(score: Score) -> float:
    return score.value - score.baseline if score.higher_is_better else score.baseline - score.value
