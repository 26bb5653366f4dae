"""The metrics that the runtime computes: their names, ranges, directions and order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ml_intern.core.facts import DatasetPrepared, Score, TaskKind
from ml_intern.core.neutral import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric with the closed range of its values.

    `aliases` are names that mean it and nothing else. `loose` are names that a sentence means it by, and a script
    perhaps something else.
    """

    label: str
    least: float
    most: float
    higher_is_better: bool
    aliases: tuple[str, ...]
    loose: tuple[str, ...] = ()


_INFINITY = float("inf")
_F1 = ("f1", "f1score")
TWO = 2

METRICS: Mapping[TaskKind, Mapping[str, Metric]] = {
    "classification": {
        "accuracy": Metric(
            label="accuracy",
            least=0,
            most=1,
            higher_is_better=True,
            aliases=("acc", "top1", "top1accuracy", "microf1", "f1micro"),
            loose=_F1,
        ),
        "balanced_accuracy": Metric(
            label="balanced accuracy", least=0, most=1, higher_is_better=True, aliases=("macrorecall",)
        ),
        "macro_f1": Metric(
            label="macro F1", least=0, most=1, higher_is_better=True, aliases=("f1macro", "macrof1score"), loose=_F1
        ),
    },
    "regression": {
        "rmse": Metric(
            label="RMSE", least=0, most=_INFINITY, higher_is_better=False, aliases=("rootmeansquarederror",)
        ),
        "mae": Metric(label="MAE", least=0, most=_INFINITY, higher_is_better=False, aliases=("meanabsoluteerror",)),
        "r2": Metric(label="R2", least=-_INFINITY, most=1, higher_is_better=True, aliases=("rsquared", "r2score")),
    },
    "generation": {
        "rouge_l": Metric(
            label="ROUGE-L",
            least=0,
            most=1,
            higher_is_better=True,
            aliases=("rougelf1", "rougelfmeasure"),
            loose=("rouge",),
        ),
        "bleu": Metric(
            label="BLEU", least=0, most=100, higher_is_better=True, aliases=("sacrebleu", "bleu4", "corpusbleu")
        ),
        "exact_match": Metric(
            label="exact match",
            least=0,
            most=1,
            higher_is_better=True,
            aliases=("em", "exactmatchaccuracy", "sequenceaccuracy"),
            loose=("accuracy", "acc"),
        ),
    },
    "segmentation": {
        "mean_iou": Metric(
            label="mean IoU",
            least=0,
            most=1,
            higher_is_better=True,
            aliases=("miou", "meanintersectionoverunion", "meanjaccard"),
            loose=("iou", "jaccard", "jaccardindex", "intersectionoverunion"),
        ),
        "pixel_accuracy": Metric(
            label="pixel accuracy",
            least=0,
            most=1,
            higher_is_better=True,
            aliases=("pixacc",),
            loose=("accuracy", "acc"),
        ),
    },
}
"""The metrics of each task, however many classes; the first is the default."""


BINARY: Mapping[str, Metric] = {
    "f1": Metric(label="F1", least=0, most=1, higher_is_better=True, aliases=(*_F1, "binaryf1", "f1binary")),
}
"""What is computed besides for two classes, of which the second is the positive one."""


CHANCES: Mapping[str, Metric] = {
    "auroc": Metric(
        label="AUROC", least=0, most=1, higher_is_better=True, aliases=("auc", "rocauc", "aucroc", "areaundercurve")
    ),
    "average_precision": Metric(
        label="average precision", least=0, most=1, higher_is_better=True, aliases=("ap", "prauc", "aucpr", "auprc")
    ),
    "log_loss": Metric(
        label="log-loss",
        least=0,
        most=_INFINITY,
        higher_is_better=False,
        aliases=("crossentropy", "nll", "negativeloglikelihood"),
    ),
    "perplexity": Metric(label="perplexity", least=1, most=_INFINITY, higher_is_better=False, aliases=("ppl",)),
    "calibration_error": Metric(
        label="calibration error",
        least=0,
        most=1,
        higher_is_better=False,
        aliases=("ece", "expectedcalibrationerror"),
    ),
}
"""What is computed besides for a classification whose bundle gives probabilities (`predict_proba`)."""


def metrics_of(dataset: DatasetPrepared) -> Mapping[str, Metric]:
    """Give the metrics that are computed of predictions alone, in the order of the scorer's report."""
    if dataset.task != "classification" or len(dataset.classes) != TWO:
        return METRICS[dataset.task]
    positive = quoted(dataset.classes[1], 40)
    named = {name: replace(metric, label=f"{metric.label} of {positive}") for name, metric in BINARY.items()}
    return {**METRICS[dataset.task], **named}


def all_metrics(dataset: DatasetPrepared) -> Mapping[str, Metric]:
    """Give every metric that can be computed of a data set."""
    return {**metrics_of(dataset), **(CHANCES if dataset.task == "classification" else {})}


def find(dataset: DatasetPrepared, name: str) -> str | None:
    """Give the metric that a sentence means by `name`, however it is written; None where none does.

    With two classes F1 is that of the positive class, with more it is macro F1.
    """
    wanted, known = _squeezed(name), all_metrics(dataset)
    exact = [key for key, metric in known.items() if wanted in _names(key, metric)]
    loose = [key for key in _BY_LOOSE_NAME if key in known and wanted in known[key].loose]
    return next(iter([*exact, *loose]), None)


def readings(dataset: DatasetPrepared, name: str) -> tuple[str, ...]:
    """Give every metric that a script may have measured under `name`."""
    wanted = _squeezed(name)
    return tuple(key for key, metric in all_metrics(dataset).items() if wanted in {*_names(key, metric), *metric.loose})


_BY_LOOSE_NAME = ("macro_f1", "exact_match", "rouge_l", "mean_iou", "pixel_accuracy")
"""What a loose name means in a sentence; F1 of many classes is macro F1 and not accuracy, which micro F1 is."""


def _names(key: str, metric: Metric) -> set[str]:
    return {_squeezed(key), *metric.aliases}


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def order(scores: Sequence[Score], first: str | None) -> tuple[Score, ...]:
    """Put the metric called `first` at the head and keep the rest as it is."""
    return tuple(sorted(scores, key=lambda score: score.metric != first))
