from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ml_intern.core.facts import TaskKind
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.verification.cheap import check_before_training
from ml_intern.verification.forward import ForwardReport, Sample
from verification.networks import IMAGE, Case

NETWORK = """
import numpy as np

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)))


def logits(network, rows):
    images = [np.asarray(row["image"], dtype=np.float32) / 255 for row in rows]
    return network(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))


def predict(network, rows):
    return """
WRITE = """
import sys, numpy as np
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pillow
rng = np.random.default_rng(0)
images = [Pillow.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)) for _ in range(6)]
features = Features({"image": Image(), "size": Value("float64"), "label": Value("string")})
rows = {"image": images, "size": [0.5] * 6, "label": ["cat"] * 6}
Dataset.from_dict(rows, features=features).to_parquet(sys.argv[1])
"""
CLASSES = ("cat", "dog", "owl")


@pytest.fixture(scope="session")
def data(sandbox_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with prepared data: images, a number and a label."""
    folder = tmp_path_factory.mktemp("data")
    # Inside, another user reads it.
    folder.chmod(0o755)
    python = sandbox_python / "bin" / "python"
    subprocess.run([python, "-I", "-c", WRITE, folder / "search.parquet"], check=True, capture_output=True)
    return folder


def ask(backend: SandboxBackend, directory: Path, sample: Sample, answer: str) -> ForwardReport:
    case = Case(body=NETWORK + answer + "\n", inputs=IMAGE, tail="")
    report, _ = check_before_training(
        backend, run="r", directory=directory, files=case.files, request=case.request, contract=None, sample=sample
    )
    return report


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "answer",
    [
        "logits(network, rows).argmax(1).tolist()",
        "logits(network, rows).argmax(1)",
        "list(logits(network, rows).argmax(1).numpy())",
        "[('cat', 'dog', 'owl')[i] for i in logits(network, rows).argmax(1)]",
    ],
)
def test_indices_and_names_of_classes_are_predictions(
    backend: SandboxBackend, data: Path, tmp_path: Path, answer: str
) -> None:
    report = ask(backend, tmp_path, Sample(data=data, inputs=("image", "size"), classes=CLASSES), answer)

    assert report.passed, report.text + report.traceback
    assert "predict answers real rows" in report.text


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("logits(network, rows).argmax(1).tolist()[:1]", "it gave 1 predictions"),
        ("'cat'", "it gave a str"),
        ("['bird' for _ in rows]", "prediction 0 is 'bird': no such class; they are cat, dog, owl"),
        ("[3 for _ in rows]", "class indices go from 0 to 2"),
        ("[True for _ in rows]", "one Python int, float or str a row"),
        ("logits(network, rows).tolist()", "one Python int, float or str a row"),
        ("[0.5 for _ in rows]", "give a class index or one of the names cat, dog, owl"),
        ("[len(rows) // 2 for _ in rows]", "the first alone got [0], among the others [2]"),
        ("[row['label'] for row in rows]", "KeyError: 'label'"),
        ("logits(network, rows)[:, :, 0]", "too many indices for tensor"),
    ],
)
def test_other_answers_are_refused_with_the_rows_described(
    backend: SandboxBackend, data: Path, tmp_path: Path, answer: str, says: str
) -> None:
    report = ask(backend, tmp_path, Sample(data=data, inputs=("image", "size"), classes=CLASSES), answer)

    assert not report.passed
    assert "- predict answers real rows: " in report.text
    assert says in report.text


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("answer", "passed", "says"),
    [
        ("logits(network, rows)[:, 0].tolist()", True, "predict answers real rows"),
        ("[row['size'] for row in rows]", True, "predict answers real rows"),
        ("[float('nan') for _ in rows]", False, "prediction 0 is nan: the target is a number"),
        ("['cat' for _ in rows]", False, "the target is a number"),
    ],
)
def test_a_regression_wants_finite_numbers(
    backend: SandboxBackend, data: Path, tmp_path: Path, answer: str, passed: bool, says: str
) -> None:
    report = ask(backend, tmp_path, Sample(data=data, inputs=("image", "size")), answer)

    assert report.passed == passed
    assert says in report.text


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("task", "answer", "passed", "says"),
    [
        ("generation", "['cat ' + str(int(i)) for i in logits(network, rows).argmax(1)]", True, "answers real rows"),
        ("generation", "logits(network, rows)[:, 0].tolist()", False, "the target is a text: give a str"),
        ("segmentation", "(logits(network, rows)[:, None] > 0).long()", True, "answers real rows"),
        ("segmentation", "logits(network, rows).argmax(1).tolist()", False, "the target is a mask: give whole numbers"),
    ],
)
def test_texts_and_masks_are_wanted_where_they_are_to_be_made(
    backend: SandboxBackend, data: Path, tmp_path: Path, task: TaskKind, answer: str, passed: bool, says: str
) -> None:
    report = ask(backend, tmp_path, Sample(data=data, inputs=("image", "size"), task=task), answer)

    assert report.passed == passed
    assert says in report.text


@pytest.mark.sandbox
def test_rows_that_cannot_be_read_are_noted_and_do_not_count_against_the_network(
    backend: SandboxBackend, data: Path, tmp_path: Path
) -> None:
    report = ask(backend, tmp_path, Sample(data=data, inputs=("picture",)), "[0.0 for _ in rows]")

    assert report.passed
    assert "Note: not checked: predict on real rows (" in report.text
