"""Checks that run inside a sandbox: right programs pass, and each bug is caught by the check that is made for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from list_checks import PAGE, page

from ml_intern.cli import main
from ml_intern.verification.registry import entries
from verification.judging import judged

RIGHT = Path(__file__).parent / "right"
CLASSIFIER = (RIGHT / "classifier.py").read_text("utf-8")
LANGUAGE_MODEL = (RIGHT / "language_model.py").read_text("utf-8")

BUGS = {
    "batch-independence": (CLASSIFIER, "self.first(images)", "self.first(images - images.mean(0))"),
    "initial-loss": (CLASSIFIER, "self.head(hidden.flatten(1))", "100 * self.head(hidden.flatten(1))"),
    "dead-parameters": (CLASSIFIER, "hidden + F.relu(self.second(hidden))", "hidden + hidden"),
    "overlap": (CLASSIFIER, '"val": order[100:130]', '"val": order[:30]'),
    "data-use": (CLASSIFIER, 'DataLoader(splits["train"]', 'DataLoader(splits["test"]'),
    "optimizer-use": (CLASSIFIER, "            optimizer.zero_grad()\n", ""),
    "causality": (LANGUAGE_MODEL, 'scores.masked_fill(future, float("-inf"))', "scores"),
    "attention-scale": (LANGUAGE_MODEL, " / math.sqrt(width // self.heads)", ""),
    "norm-placement": (
        LANGUAGE_MODEL,
        "hidden + self.attention(self.first(hidden))\n        hidden = hidden + self.feed_forward(self.second(hidden))",
        "self.first(hidden + self.attention(hidden))\n        hidden = self.second(hidden + self.feed_forward(hidden))",
    ),
    "position-sensitivity": (LANGUAGE_MODEL, " + self.positions(torch.arange", " + 0 * self.positions(torch.arange"),
}


def check(
    file: Path, home: Path, sandbox_python: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, str]]:
    """Run the command; give its status and what each check said."""
    monkeypatch.setenv("ML_INTERN_SANDBOX_PYTHON", str(sandbox_python))
    status = main(["check", str(file), "--sandbox", "namespaces", "--json", "--home", str(home)])
    results = json.loads(capsys.readouterr().out)["results"]
    return status, {result["name"]: result["status"] for result in results}


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ["classifier", "language_model"])
def test_a_right_program_is_not_accused_and_every_check_works_out(
    name: str,
    tmp_path: Path,
    sandbox_python: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, said = check(RIGHT / f"{name}.py", tmp_path, sandbox_python, monkeypatch, capsys)

    assert (status, [check for check, verdict in said.items() if verdict not in {"pass", "not_applicable"}]) == (0, [])
    assert len(said) == len(entries())


@pytest.mark.sandbox
def test_each_bug_is_caught_by_the_check_that_is_made_for_it(sandbox_python: Path, tmp_path: Path) -> None:
    for name, (source, right, wrong) in BUGS.items():
        assert right in source
        (tmp_path / f"{name}.py").write_text(source.replace(right, wrong), "utf-8")

    told = judged(sorted(tmp_path.glob("*.py")), sandbox_python, {name: [name] for name in BUGS})

    assert {name: told[f"{name}.py"][name][0] for name in BUGS} == dict.fromkeys(BUGS, "fail")


@pytest.mark.sandbox
def test_the_command_ends_with_8_where_a_check_fails(
    tmp_path: Path, sandbox_python: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, right, wrong = BUGS["batch-independence"]
    file = tmp_path / "program.py"
    file.write_text(source.replace(right, wrong), "utf-8")

    status, said = check(file, tmp_path, sandbox_python, monkeypatch, capsys)

    assert (status, said["batch-independence"]) == (8, "fail")


def test_the_page_of_checks_is_the_one_that_the_modules_give() -> None:
    assert PAGE.read_text("utf-8") == page()
