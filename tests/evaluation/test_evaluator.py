"""A bundle is judged by what it predicts on inputs whose labels it cannot reach."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.inside import run_inside
from data.samples import waves, write_csv
from evaluation.bundles import NETWORK, PREDICT, linear_weights, safetensors, write_bundle
from ml_intern.config import Settings
from ml_intern.core.facts import DatasetPrepared
from ml_intern.core.sandbox import Mount, SandboxBackend
from ml_intern.data.jobs import Desk
from ml_intern.data.prepare import Destination, PrepareRequest, prepare
from ml_intern.data.source import resolve
from ml_intern.evaluation.evaluator import evaluate
from ml_intern.evaluation.report import EvaluationReport
from ml_intern.sandboxes.namespaces import NamespaceBackend

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
    backend: SandboxBackend, ready: Ready, bundle: Path, *, metric: str | None = None, timeout: float = 300.0
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
