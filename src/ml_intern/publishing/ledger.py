"""The ledger: one entry for each number the runtime has proven, a fold over the journal, which only grows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from ml_intern.core.budget import spent
from ml_intern.core.chain import chain
from ml_intern.core.events import Record, ToolFinished
from ml_intern.core.facts import Evaluated, Score, Trained
from ml_intern.core.folds import facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One proven number with everything it hangs on.

    Attributes:
        id: `<call of the evaluation>/<metric>`.
        metric: its name; `value`, `low` and `high` (95 %), `baseline` and `higher_is_better` belong to it.
        split: the part it was measured on, with `rows` rows.
        seeds: of the trainings behind it; empty where the training had none.
        digests: SHA-256 by name: `bundle`, `source`, `script`, `weights`, `base`, `data`, `environment`, `metric`.
        hardware: what trained, and the processor that evaluated.
        training_seconds: wall-clock; `gpu_seconds` the same where a GPU trained, else 0.
        evaluation_seconds: wall-clock.
        usd: what the language model had cost by then; None where its price is unknown.
        at: Unix seconds; `seq` is the event's place in the journal and `journal` the chain's digest up to it.
    """

    id: str
    metric: str
    value: float
    low: float
    high: float
    baseline: float
    higher_is_better: bool
    split: str
    rows: int
    seeds: tuple[int, ...]
    digests: Mapping[str, str]
    hardware: str
    training_seconds: float
    gpu_seconds: float
    evaluation_seconds: float
    usd: float | None
    at: float
    seq: int
    journal: str


def ledger(records: Sequence[Record]) -> tuple[Entry, ...]:
    """Give every proven number of a run, oldest first; an evaluation that is told again proves nothing new."""
    trained = {fact.call_id: fact for fact in facts(records, Trained)}
    entries: list[Entry] = []
    known: set[str] = set()
    for place, record in enumerate(records):
        for fact in _evaluations(record):
            if fact.call_id not in known and fact.train_call_id in trained:
                known.add(fact.call_id)
                entries += _entries(fact, trained[fact.train_call_id], records[: place + 1])
    return tuple(entries)


def _evaluations(record: Record) -> list[Evaluated]:
    event = record.event
    given = event.observation.facts if isinstance(event, ToolFinished) else ()
    return [fact for fact in given if isinstance(fact, Evaluated)]


def _entries(evaluated: Evaluated, trained: Trained, records: Sequence[Record]) -> list[Entry]:
    usd, journal = spent(records).usage.usd, chain(records)
    return [_entry(score, evaluated, trained, records[-1], usd, journal) for score in evaluated.scores]


def _entry(
    score: Score, evaluated: Evaluated, trained: Trained, record: Record, usd: float | None, journal: str
) -> Entry:
    return Entry(
        id=f"{evaluated.call_id}/{score.metric}",
        metric=score.metric,
        value=score.value,
        low=score.low,
        high=score.high,
        baseline=score.baseline,
        higher_is_better=score.higher_is_better,
        split=evaluated.split,
        rows=evaluated.rows,
        seeds=_seeds(evaluated, trained),
        digests=_digests(evaluated, trained),
        hardware=f"{trained.device}; evaluated on {evaluated.environment.get('cpu', 'an unknown processor')}",
        training_seconds=trained.seconds,
        gpu_seconds=0.0 if trained.device.startswith("cpu") else trained.seconds,
        evaluation_seconds=evaluated.seconds,
        usd=usd,
        at=record.at,
        seq=record.seq,
        journal=journal,
    )


def _seeds(evaluated: Evaluated, trained: Trained) -> tuple[int, ...]:
    own = trained.hyperparameters.get("seed", "")
    return (*([int(own)] if own.isdigit() else []), *(one.seed for one in evaluated.seeds))


def _digests(evaluated: Evaluated, trained: Trained) -> dict[str, str]:
    lock = "".join(f"{package}\n" for package in evaluated.packages)
    found = {
        "bundle": evaluated.bundle_digest,
        "source": trained.source_digest,
        "script": trained.script_digest,
        "weights": evaluated.weights_digest,
        "base": evaluated.base.digest if evaluated.base else "",
        "data": evaluated.dataset_digest,
        "environment": hashlib.sha256(lock.encode()).hexdigest() if lock else "",
        "metric": evaluated.metric_digest,
    }
    return {name: digest for name, digest in found.items() if digest}


def of_evaluation(entries: Sequence[Entry], evaluated: Evaluated) -> tuple[Entry, ...]:
    """Give the entries of one evaluation."""
    return tuple(entry for entry in entries if entry.id.rpartition("/")[0] == evaluated.call_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How candidates fared one after the other: gains beyond the noise, and gains that may be chance alone."""

    candidates: int
    gains: int
    false_gains: int


def progress(entries: Sequence[Entry]) -> Progress:
    """Count over the first metric of each candidate; a gain counts when two standard errors do not explain it.

    The noise is that of the rows (both scores are of the same ones, so this errs on the side of caution), and the
    best so far moves only by a gain that counts.
    """
    firsts = list({entry.id.rpartition("/")[0]: entry for entry in reversed(entries)}.values())[::-1]
    gains = false_gains = 0
    best = firsts[0] if firsts else None
    for entry in firsts[1:]:
        if best is None or entry.metric != best.metric:
            continue
        gain = entry.value - best.value if entry.higher_is_better else best.value - entry.value
        if gain > 2 * max(_error(entry), _error(best)):
            gains, best = gains + 1, entry
        elif gain > 0:
            false_gains += 1
    return Progress(candidates=len(firsts), gains=gains, false_gains=false_gains)


def over_seeds(first: Score, others: Sequence[float]) -> tuple[float, float, float]:
    """Give mean and 95 % interval of the mean over at least two trainings, by Student's distribution.

    The interval ends where the metric does: a share is not above 1.
    """
    values = (first.value, *others)
    mean, deviation = fmean(values), stdev(values)
    half = _STUDENT[min(len(values) - 2, len(_STUDENT) - 1)] * deviation / math.sqrt(len(values))
    low = mean - half if first.least is None else max(first.least, mean - half)
    high = mean + half if first.most is None else min(first.most, mean + half)
    return mean, low, high


_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
"""The 0.975 quantiles for 1, 2, ... degrees of freedom; the last serves for more and errs on the side of caution."""


def _error(entry: Entry) -> float:
    return (entry.high - entry.low) / (2 * 1.96)
