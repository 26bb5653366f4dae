"""A bundle is judged by what it predicts on inputs whose labels it cannot reach."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.inside import run_inside
from data.samples import png, waves, write_csv
from evaluation.bundles import NETWORK, PREDICT, linear_weights, safetensors, write_bundle
from ml_intern.config import Settings
from ml_intern.core.facts import DatasetPrepared
from ml_intern.core.sandbox import Mount, SandboxBackend
from ml_intern.data.jobs import Desk
from ml_intern.data.prepare import Destination, PrepareRequest, prepare
from ml_intern.data.source import resolve
from ml_intern.evaluation.evaluator import Look, OwnMetric, evaluate
from ml_intern.evaluation.report import EvaluationReport
from ml_intern.evaluation.selfcheck import TOLERANCE, self_check
from ml_intern.sandboxes.namespaces import NamespaceBackend
from ml_intern.verification.registry import PROBES

pytestmark = pytest.mark.sandbox

FIT = """
import datasets, numpy, torch
from safetensors.torch import save_file
torch.manual_seed(0)
rows = datasets.Dataset.from_parquet("/data/search.parquet", cache_dir="/tmp/cache")
images = torch.stack([torch.tensor(numpy.array(row["image"])).float().flatten() / 255 for row in rows])
labels = torch.tensor(rows["label"][:])
layer = torch.nn.Linear(64, 10)
optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
for _ in range(150):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(layer(images), labels).backward()
    optimizer.step()
save_file({"layer.weight": layer.weight.detach(), "layer.bias": layer.bias.detach()}, "/output/model.safetensors")
report("saved")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A prepared data set with its folders."""

    fact: DatasetPrepared
    visible: Path
    hidden: Path


def prepared(backend: SandboxBackend, root: Path, reference: str, request: PrepareRequest | None = None) -> Ready:
    destination = Destination(visible=root / "visible", hidden=root / "hidden")
    desk = Desk(backend=backend, run="test", directory=root / "call")
    source = resolve(reference, Settings(home=root / "home"))
    made = prepare(desk, source, request or PrepareRequest(), destination)
    return Ready(fact=made.fact, visible=destination.visible, hidden=destination.hidden)


@pytest.fixture(scope="module")
def digits(sandbox_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    root = tmp_path_factory.mktemp("digits")
    return prepared(NamespaceBackend(root / "home", python=sandbox_python), root, "sklearn/digits")


def judge(
    backend: SandboxBackend,
    ready: Ready,
    bundle: Path,
    *,
    metric: str | None = None,
    timeout: float = 300.0,
    look: Look | None = None,
    own: OwnMetric | None = None,
    explainer: Path | None = None,
) -> EvaluationReport:
    return evaluate(
        backend,
        run="test",
        directory=bundle.parent / "evaluation",
        bundle=bundle,
        hidden=ready.hidden,
        dataset=ready.fact,
        metric=metric,
        timeout=timeout,
        look=look,
        own=own,
        explainer=explainer,
    )


def test_a_trained_network_is_scored_with_intervals_and_baseline(
    backend: SandboxBackend, digits: Ready, tmp_path: Path
) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    output = tmp_path / "output"
    output.mkdir()
    run_inside(
        backend,
        FIT,
        Mount(source=digits.visible, target="/data"),
        Mount(source=output, target="/output", writable=True),
        directory=tmp_path / "fit",
    )
    (bundle / "model.safetensors").write_bytes((output / "model.safetensors").read_bytes())

    report = judge(backend, digits, bundle, metric="macro F1")

    assert report.ok, report.text
    assert [score.metric for score in report.scores] == ["macro_f1", "accuracy", "balanced_accuracy"]
    accuracy = report.scores[1]
    assert 0.9 < accuracy.low < accuracy.value < accuracy.high <= 1.0
    labels = json.loads((digits.hidden / "labels" / "final.json").read_text("utf-8"))
    assert accuracy.baseline == pytest.approx(labels["labels"].count(labels["constant"]) / 359)
    assert report.rows == 359
    assert set(report.environment) == {"python", "cpu", "torch", "numpy", "scikit-learn"}
    assert len(report.text) <= 1000


def test_the_same_directory_gives_the_same_report_without_a_second_run(
    backend: SandboxBackend, digits: Ready, tmp_path: Path
) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    first = judge(backend, digits, bundle)
    (bundle / "modeling.py").unlink()

    assert judge(backend, digits, bundle) == first


def test_a_regression_is_scored_by_its_errors(backend: SandboxBackend, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "d" / "waves.csv", ["a", "b", "y"], waves(100))
    ready = prepared(backend, tmp_path, str(file))
    modeling = """
import torch

class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

def predict(network, rows):
    return network.layer(torch.tensor([[row["a"], row["b"]] for row in rows])).squeeze(-1)
"""
    weights = safetensors({"layer.weight": [[3.0, 1.0]], "layer.bias": [0.5]})
    bundle = write_bundle(
        tmp_path / "bundle",
        modeling=modeling,
        weights=weights,
        config={"architecture": "Linear", "arguments": {}},
    )

    report = judge(backend, ready, bundle, metric="perplexity")

    assert [score.metric for score in report.scores] == ["rmse", "mae", "r2"]
    # The bias is half too much and everything else exact but for the four digits of the table.
    assert report.scores[0].value == pytest.approx(0.5, abs=1e-3)
    assert report.scores[1].value == pytest.approx(0.5, abs=1e-3)
    assert report.scores[0].baseline > 5
    assert report.scores[2].value > 0.99
    assert "does not compute 'perplexity'; rmse stands first" in report.text


WRITER = """
import torch

class Shift(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

def predict(network, rows):
    numbers = torch.tensor([[float(row["question"].split()[-1])] for row in rows])
    return [f"it is {round(value)} ." for value in network.layer(numbers).flatten().tolist()]
"""


def test_written_texts_are_scored_and_anything_else_is_refused(backend: SandboxBackend, tmp_path: Path) -> None:
    rows = [(f"what is the number behind {n}", f"it is {n + 1} .") for n in range(100)]
    ready = prepared(backend, tmp_path, str(write_csv(tmp_path / "d" / "next.csv", ["question", "answer"], rows)))
    config: dict[str, object] = {"architecture": "Shift", "arguments": {}}
    weights = safetensors({"layer.weight": [[1.0]], "layer.bias": [1.0]})
    bundle = write_bundle(tmp_path / "bundle", modeling=WRITER, weights=weights, config=config)
    numbers = WRITER.replace('f"it is {round(value)} ."', "value")
    wrong = write_bundle(tmp_path / "wrong" / "bundle", modeling=numbers, weights=weights, config=config)

    report = judge(backend, ready, bundle, metric="BLEU", look=Look())
    refused = judge(backend, ready, wrong)

    assert report.ok, report.text
    assert [(score.metric, score.value) for score in report.scores] == [
        ("bleu", pytest.approx(100)),
        ("rouge_l", 1.0),
        ("exact_match", 1.0),
    ]
    assert [score.baseline < score.low for score in report.scores] == [True] * 3
    assert report.findings == ()
    assert "the baseline always answers the most frequent text" in report.text
    assert "instead of a text (str)" in refused.text


DRAWER = """
import numpy, torch

class Threshold(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

def predict(network, rows):
    pixels = torch.stack([torch.tensor(numpy.array(row["image"])).float()[..., None] for row in rows])
    return (network.layer(pixels)[..., 0] > 0).long() * 255
"""


def test_drawn_masks_are_scored_by_their_overlap(backend: SandboxBackend, tmp_path: Path) -> None:
    chance = random.Random(0)
    lines: list[str] = []
    for n in range(60):
        levels = [chance.randrange(256) for _ in range(16)]
        (tmp_path / "d" / "train").mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / "train" / f"{n}.png").write_bytes(png(4, 4, levels))
        (tmp_path / "d" / "train" / f"m{n}.png").write_bytes(png(4, 4, [255 * (level > 100) for level in levels]))
        lines.append(f'{{"image_file_name": "{n}.png", "mask_file_name": "m{n}.png"}}')
    (tmp_path / "d" / "train" / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    ready = prepared(backend, tmp_path, str(tmp_path / "d"))
    weights = safetensors({"layer.weight": [[1.0]], "layer.bias": [-120.5]})
    config: dict[str, object] = {"architecture": "Threshold", "arguments": {}}
    bundle = write_bundle(tmp_path / "bundle", modeling=DRAWER, weights=weights, config=config)

    report = judge(backend, ready, bundle, metric="IoU")

    assert (ready.fact.task, ready.fact.target) == ("segmentation", "mask")
    assert report.ok, report.text
    assert [score.metric for score in report.scores] == ["mean_iou", "pixel_accuracy"]
    assert all(0.7 < score.value < 1 and score.baseline < score.low for score in report.scores)


def test_class_names_are_as_good_as_class_numbers(backend: SandboxBackend, digits: Ready, tmp_path: Path) -> None:
    named = PREDICT.replace(".tolist()", "").replace("return ", "return [str(int(n)) for n in ") + "]"

    by_name = judge(backend, digits, write_bundle(tmp_path / "a" / "bundle", modeling=NETWORK + named.strip() + "\n"))
    by_number = judge(backend, digits, write_bundle(tmp_path / "b" / "bundle"))

    assert by_name.ok, by_name.text
    assert by_name == by_number


def answering(answer: str) -> str:
    return f"{NETWORK}\ndef predict(network, rows):\n    return {answer}\n"


FAULTS = {
    "one answer too few": (answering("[0] * (len(rows) - 1)"), "returned 63 values for 64 rows"),
    "no list": (answering("3"), "must return a list with one value a row, got int"),
    "scores of all classes": (answering("network(batch_of(rows))"), r"instead of a class index \(int\)"),
    "a number that is no class": (answering("[10] * len(rows)"), "the classes are 0 to 9"),
    "a name that is no class": (answering("['ten'] * len(rows)"), "the class 'ten', which the data set does not have"),
    "a float": (answering("[1.0] * len(rows)"), r"'1.0' \(float\) for a row instead of a class index"),
    "an answer that depends on the batch": (
        answering("((batch_of(rows) - batch_of(rows).mean(0)) @ network.layer.weight.T).argmax(-1)"),
        "depends on the other rows of its batch",
    ),
    "dropout left on": (answering("network(torch.nn.functional.dropout(batch_of(rows))).argmax(-1)"), "no randomness"),
    "an error of its own": (
        answering("[row['picture'] for row in rows]"),
        r"KeyError: 'picture'\n  modeling.py:\d+ in predict: return \[row\['picture'\]",
    ),
    "an exit": (answering("__import__('os')._exit(3)"), "exited with status 3 before all rows were predicted"),
    "no predict": (NETWORK, "modeling.py does not define predict"),
}


@pytest.mark.parametrize(("modeling", "match"), FAULTS.values(), ids=FAULTS)
def test_a_bundle_that_breaks_its_contract_is_refused_with_the_reason(
    modeling: str, match: str, backend: SandboxBackend, digits: Ready, tmp_path: Path
) -> None:
    report = judge(backend, digits, write_bundle(tmp_path / "bundle", modeling=modeling))

    assert not report.ok
    assert report.text.startswith("The bundle cannot be evaluated: ")
    assert len(report.text) <= 1000
    with pytest.raises(AssertionError, match=match):
        raise AssertionError(report.text)


def test_an_error_of_predict_is_explained_with_operands_and_layer_where_that_may_be_told(
    backend: SandboxBackend, digits: Ready, tmp_path: Path
) -> None:
    modeling = answering("network.layer(batch_of(rows)[:, :60]).argmax(-1)")

    report = judge(backend, digits, write_bundle(tmp_path / "bundle", modeling=modeling), explainer=PROBES)

    assert "failing expression: network.layer(batch_of(rows)[:, :60])" in report.text
    assert "layer: the network itself = Linear(in_features=64, out_features=10), with input = float32[64, 60]" in (
        report.text
    )
    assert "hint: Linear(in_features=64) wants 64 on the last axis, its input has 60" in report.text


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (linear_weights(outputs=9), "size mismatch"),
        (safetensors({"layer.weight": [[0.0] * 64] * 10}), "Missing key"),
        (b"\x80\x04\x95 a pickle", "SafetensorError"),
    ],
    ids=["other shapes", "a tensor too few", "no safetensors"],
)
def test_weights_that_are_not_those_of_the_network_are_refused(
    weights: bytes, match: str, backend: SandboxBackend, digits: Ready, tmp_path: Path
) -> None:
    report = judge(backend, digits, write_bundle(tmp_path / "bundle", weights=weights))

    assert not report.ok
    assert match in report.text


def test_the_predictor_finds_no_labels_anywhere(backend: SandboxBackend, digits: Ready, tmp_path: Path) -> None:
    search = """
import os
found = []
for root, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(root, f) not in ("/proc", "/sys", "/usr")]
    found += [os.path.join(root, f) for f in files if f in ("final.parquet", "final.json")]
raise RuntimeError(str([found, os.path.exists("/labels"), os.path.exists("/data")]))
"""

    report = judge(backend, digits, write_bundle(tmp_path / "bundle", modeling=search))

    assert "RuntimeError: [['/inputs/final.parquet'], False, False]" in report.text


def test_a_bundle_that_does_not_end_is_stopped(backend: SandboxBackend, digits: Ready, tmp_path: Path) -> None:
    modeling = "import time\ntime.sleep(1000)\n"

    report = judge(backend, digits, write_bundle(tmp_path / "bundle", modeling=modeling), timeout=4.0)

    assert "ran longer than 4 s" in report.text


LOOK = Look(inputs=({"shape": [64], "dtype": "float32", "high": 2},), seed=3)
PROBABLE = PREDICT + "\n\ndef predict_proba(network, rows):\n    return network(batch_of(rows)).softmax(-1)\n"


def test_a_look_at_the_network_finds_it_sound_and_stores_a_self_test(
    backend: SandboxBackend, digits: Ready, tmp_path: Path
) -> None:
    bundle = write_bundle(tmp_path / "bundle", modeling=NETWORK + PROBABLE)

    report = judge(backend, digits, bundle, metric="AUC", look=LOOK)

    assert report.findings == ()
    assert report.examined["ignored_weights"] == 0
    assert report.examined["relative_change"] > 0.1
    assert any(package.startswith("torch==") for package in report.packages)
    assert [score.metric for score in report.scores] == [
        "auroc",
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "average_precision",
        "log_loss",
        "perplexity",
        "calibration_error",
    ]
    stored = tmp_path / "evaluation" / "made" / "selftest.safetensors"
    found = self_check(backend, run="t", directory=tmp_path / "check", bundle=bundle, stored=stored)
    assert not isinstance(found, str)
    assert found["difference"] < 1e-6  # the processor chooses the order of sums
    assert found["not_finite"] == 0


def test_a_predict_that_does_not_use_the_network_is_found(
    backend: SandboxBackend, digits: Ready, tmp_path: Path
) -> None:
    modeling = answering("[int(numpy.array(row['image']).argmax()) % 10 for row in rows]")

    report = judge(backend, digits, write_bundle(tmp_path / "bundle", modeling=modeling), look=LOOK)

    assert [finding.name for finding in report.findings] == ["ignored_weights"]
    assert "does not use the weights" in report.text


def test_a_self_test_notices_other_weights(backend: SandboxBackend, digits: Ready, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    judge(backend, digits, bundle, look=LOOK)
    stored = tmp_path / "evaluation" / "made" / "selftest.safetensors"
    (bundle / "model.safetensors").write_bytes(safetensors({"layer.weight": [[0.5] * 64] * 10, "layer.bias": [1] * 10}))

    found = self_check(backend, run="t", directory=tmp_path / "check", bundle=bundle, stored=stored)

    assert not isinstance(found, str)
    assert found["difference"] > TOLERANCE
    assert (found["matrices"], found["constant_matrices"]) == (1, 1)


def test_a_metric_of_the_persons_own_stands_first(backend: SandboxBackend, digits: Ready, tmp_path: Path) -> None:
    (tmp_path / "metric").mkdir()
    (tmp_path / "metric" / "metric.py").write_text(
        "def misses(labels, predictions):\n    return float((labels != predictions).sum())\n"
        "misses.higher_is_better = False\n"
    )
    own = OwnMetric(folder=tmp_path / "metric", name="misses")

    report = judge(backend, digits, write_bundle(tmp_path / "bundle"), own=own)

    misses, accuracy = report.scores[:2]
    assert (misses.metric, misses.higher_is_better) == ("misses", False)
    assert misses.value == pytest.approx(359 * (1 - accuracy.value))
    assert misses.low < misses.value < misses.high
