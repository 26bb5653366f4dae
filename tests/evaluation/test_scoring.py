"""The scorer's numbers agree with the plain definition of what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.inside import run_inside
from ml_intern.core.sandbox import Mount, SandboxBackend
from ml_intern.evaluation.evaluator import WORKERS

pytestmark = pytest.mark.sandbox

COMPARE = """
import sys
sys.path.append("/workers")
import numpy, score
from sklearn import metrics
generator = numpy.random.default_rng(1)
labels = generator.integers(4, size=300)
predictions = numpy.where(generator.random(300) < 0.7, labels, generator.integers(5, size=300))
plain = {"accuracy": [], "balanced_accuracy": [], "macro_f1": [], "f1": []}
for _ in range(600):
    chosen = generator.integers(300, size=300)
    truth, given = labels[chosen], predictions[chosen]
    plain["accuracy"].append(metrics.accuracy_score(truth, given))
    plain["balanced_accuracy"].append(metrics.recall_score(truth, given, labels=numpy.unique(truth), average="macro"))
    plain["macro_f1"].append(metrics.f1_score(truth, given, average="macro", zero_division=0))
    plain["f1"].append(metrics.f1_score(truth == 1, given == 1))
ours, _, _ = score.resampled_classification(labels, predictions)
report([float(max(abs(numpy.quantile(ours[name], q) - numpy.quantile(values, q)) for q in (0.025, 0.5, 0.975)))
        for name, values in plain.items()])
"""

GENERATED = """
import sys
sys.path.append("/workers")
import generated, numpy
from sacrebleu.metrics import BLEU
from torchmetrics.functional.text import rouge_score
generator = numpy.random.default_rng(1)
words = numpy.array("the a cat dog sat ran on mat rug .".split())
labels = [" ".join(generator.choice(words, size=generator.integers(4, 12))) for _ in range(80)]
given = [text if n % 3 else " ".join(reversed(text.split())) for n, text in enumerate(labels)]
plain = {"rouge_l": float(rouge_score(given, labels, rouge_keys="rougeL")["rougeL_fmeasure"]),
         "bleu": BLEU().corpus_score(given, [labels]).score,
         "exact_match": sum(a == b for a, b in zip(given, labels)) / 80}
drawn = []
for _ in range(100):
    rows = generator.integers(80, size=80)
    drawn.append(BLEU().corpus_score([given[n] for n in rows], [[labels[n] for n in rows]]).score)
ours = {one["metric"]: one for one in generated.of_texts(labels, given, labels[1])}
foreign = generated.of_texts(["\u043a\u043e\u0442 \u0434\u0430"] * 3, ["\u043a\u043e\u0442 \u043d\u0435"] * 3, "-")
perfect = generated.of_texts(labels[:4], labels[:4], labels[0])
report({"differences": [abs(ours[name]["value"] - value) for name, value in plain.items()],
        "ends": [abs(ours["bleu"][end] - numpy.quantile(drawn, q)) for end, q in (("low", 0.025), ("high", 0.975))],
        "ordered": all(one["baseline"] < one["low"] < one["value"] < one["high"] for one in ours.values()),
        "foreign": foreign[0]["value"],
        "perfect": [[round(one[key], 6) for key in ("value", "low", "high")] for one in perfect]})
"""

MASKS = """
import sys
sys.path.append("/workers")
import masks, numpy, overlap
from sklearn.metrics import accuracy_score, jaccard_score
generator = numpy.random.default_rng(2)
labels = [generator.integers(3, size=(5, 6)) for _ in range(40)]
given = [numpy.where(generator.random((5, 6)) < 0.7, mask, generator.integers(5, size=(5, 6))) for mask in labels]
truth, drawn = numpy.concatenate(labels).ravel(), numpy.concatenate(given).ravel()
plain = [jaccard_score(truth, drawn, labels=[0, 1, 2], average="macro"), accuracy_score(truth, drawn)]
texts = [masks.written(mask) for mask in labels], [masks.written(mask) for mask in given]
scores = overlap.of_masks(*texts, 1)
turned = overlap.of_masks(texts[0][:4], [masks.written(mask.T) for mask in labels[:4]], 1)
report({"differences": [abs(one["value"] - value) for one, value in zip(scores, plain)],
        "same": all(numpy.array_equal(masks.read(text), mask) for text, mask in zip(texts[0], labels)),
        "ordered": all(one["baseline"] < one["low"] < one["value"] < one["high"] for one in scores),
        "turned": [one["value"] for one in turned], "text": masks.written(numpy.array([[0, 0], [0, 7]]))})
"""

EDGES = """
import sys
sys.path.append("/workers")
import numpy, score
values = numpy.arange(5.0)
report([[round(entry[key], 6) for key in ("value", "low", "high", "baseline")] for entry in [
    *score._classification(numpy.array([0, 1, 1]), numpy.array([0, 1, 1]), 1, classes=2),
    *score._classification(numpy.array([2]), numpy.array([0]), 2, classes=3),
    *score._regression(values, values, 2.0),
    *score._regression(numpy.array([3.0]), numpy.array([4.0]), 3.0)]])
"""


def test_intervals_from_cell_counts_equal_intervals_from_drawn_rows(backend: SandboxBackend, tmp_path: Path) -> None:
    differences = run_inside(backend, COMPARE, Mount(source=WORKERS, target="/workers"), directory=tmp_path / "job")

    assert differences == pytest.approx([0, 0, 0, 0], abs=0.02)


def test_texts_are_scored_as_the_libraries_score_them(backend: SandboxBackend, tmp_path: Path) -> None:
    found = run_inside(backend, GENERATED, Mount(source=WORKERS, target="/workers"), directory=tmp_path / "job")

    assert isinstance(found, dict)
    assert found["differences"] == pytest.approx([0, 0, 0], abs=1e-6)
    assert found["ends"] == pytest.approx([0, 0], abs=5)
    assert found["ordered"]
    assert found["foreign"] == pytest.approx(0.5)
    assert found["perfect"] == [[1, 0.510109, 1], [100, 51.010916, 100], [1, 0.510109, 1]]


def test_masks_are_scored_over_all_pixels_and_one_of_another_size_is_wrong(
    backend: SandboxBackend, tmp_path: Path
) -> None:
    found = run_inside(backend, MASKS, Mount(source=WORKERS, target="/workers"), directory=tmp_path / "job")

    assert found == {
        "differences": pytest.approx([0, 0], abs=1e-9),
        "same": True,
        "ordered": True,
        "turned": [0, 0],
        "text": "2x2:0*3,7*1",
    }


def test_perfect_and_single_rows_have_scores_too(backend: SandboxBackend, tmp_path: Path) -> None:
    scores = run_inside(backend, EDGES, Mount(source=WORKERS, target="/workers"), directory=tmp_path / "job")

    assert scores == [
        [1, 0.438503, 1, 0.666667],
        [1, 0.409744, 1, 0.5],
        [1, 0.409744, 1, 0.4],
        [1, 0.34238, 1, 0.8],
        [0, 0, 0.793451, 1],
        [0, 0, 0.793451, 1],
        [0, 0, 0.793451, 1],
        [0, 0, 0, 1.414214],
        [0, 0, 0, 1.2],
        [1, 1, 1, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 0],
        [0, 0, 0, 0],
    ]
