"""Metrics of generated texts: ROUGE-L by torchmetrics, BLEU by sacrebleu, and the share of texts that are right."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from intervals import bca, wilson
from sacrebleu.metrics import BLEU
from torchmetrics.functional.text import rouge_score

RESAMPLES = 1000
ORDERS = 4
"""Lengths of word sequences that BLEU counts."""


def of_texts(labels: Sequence[str], predictions: Sequence[str], constant: str) -> list[dict]:
    """Score texts; the baseline answers `constant`. labels, predictions: (rows,)."""
    trivial = [constant] * len(labels)
    generator = np.random.default_rng(0)
    drawn = [generator.integers(len(labels), size=len(labels)) for _ in range(RESAMPLES)]
    match, base = _matches(labels, predictions), float(_matches(labels, trivial).mean())
    low, high = wilson(float(match.mean()), len(labels))
    exact = {"metric": "exact_match", "value": float(match.mean()), "low": low, "high": high, "baseline": base}
    return [
        _entry("rouge_l", _rouge(labels, predictions), _rouge(labels, trivial), _mean, drawn, most=1),
        _entry("bleu", _bleu_counts(labels, predictions), _bleu_counts(labels, trivial), _bleu, drawn, most=100),
        exact,
    ]


def _entry(
    name: str, own: np.ndarray, trivial: np.ndarray, total: Callable, drawn: list[np.ndarray], *, most: float
) -> dict:
    """Score with `total` of what each row adds. own, trivial: (rows, figures)."""
    rows = len(own)
    value = total(own.sum(0), rows)
    resampled = np.array([total(own[chosen].sum(0), rows) for chosen in drawn])
    without = np.array([total(own.sum(0) - row, max(1, rows - 1)) for row in own])
    if np.ptp(resampled) == 0:
        low, high = (most * end for end in wilson(min(1.0, value / most), rows))
    else:
        low, high = bca(value, resampled, without, np.ones(rows))
    baseline = total(trivial.sum(0), rows)
    return {"metric": name, "value": value, "low": min(low, value), "high": max(high, value), "baseline": baseline}


def _matches(labels: Sequence[str], predictions: Sequence[str]) -> np.ndarray:
    """Tell which texts are equal but for spacing; (rows,)."""
    return np.array([a.split() == b.split() for a, b in zip(labels, predictions, strict=True)])


def _rouge(labels: Sequence[str], predictions: Sequence[str]) -> np.ndarray:
    """Give the F measure of the longest common subsequence of words; (rows, 1). Source: Lin 2004, ACL workshop."""
    pairs = zip(predictions, labels, strict=True)
    scored = [rouge_score(a, b, rouge_keys="rougeL", normalizer=_words)["rougeL_fmeasure"] for a, b in pairs]
    return np.array([[float(one)] for one in scored])


def _words(text: str) -> str:
    """Keep letters and digits of any script; the library's own keeps the Latin ones alone."""
    return re.sub(r"[\W_]+", " ", text.lower())


def _mean(total: np.ndarray, rows: int) -> float:
    return float(total[0] / rows)


def _bleu_counts(labels: Sequence[str], predictions: Sequence[str]) -> np.ndarray:
    """Give what a row adds to BLEU: matches and word sequences of each length, both texts' words; (rows, 10)."""
    scorer = BLEU(effective_order=True)
    found = [scorer.sentence_score(a, [b]) for a, b in zip(predictions, labels, strict=True)]
    return np.array([[*one.counts, *one.totals, one.sys_len, one.ref_len] for one in found])


def _bleu(total: np.ndarray, rows: int) -> float:
    """Give BLEU of a corpus from its counts. Source: Papineni et al. 2002; Post 2018, arXiv 1804.08771."""
    del rows
    counts, totals = total[:ORDERS].tolist(), total[ORDERS : 2 * ORDERS].tolist()
    made, wanted = int(total[-2]), int(total[-1])
    return float(BLEU.compute_bleu(counts, totals, sys_len=made, ref_len=wanted, smooth_method="exp").score)
