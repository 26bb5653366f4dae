"""A model that was really trained and published is verified elsewhere, and whatever was changed since is found."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from end_to_end.lives import command, environment
from ml_intern.agent import InternAgent
from ml_intern.agent.verify import verify
from ml_intern.cli.benches.integrity_data import write_data
from ml_intern.cli.benches.integrity_run import Puppet
from ml_intern.cli.benches.integrity_script import CORPUS, read_script
from ml_intern.config import Settings
from ml_intern.core.errors import ConfigError, SandboxError
from ml_intern.core.facts import Evaluated
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.publishing.provenance import provenance
from ml_intern.sandboxes.namespaces import NamespaceBackend
from ml_intern.tools import HubDeployer, HuggingFaceDatasets, PyTorchExecutor
from publishing.samples import PROSE, build_sample, sample_record

pytestmark = pytest.mark.sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A publication, the data it was made from and the home of its run."""

    model: Path
    data: Path
    home: Path
    evaluated: Evaluated


@pytest.fixture(scope="module")
def made(sandbox_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    backend = NamespaceBackend(folder / "sandboxes", python=sandbox_python)
    own = folder / "own.py"
    own.write_text("def hits(labels, predictions):\n    return float((labels == predictions).sum())\n", "utf-8")
    data, home = write_data("table", folder / "data", 1), folder / "home"
    agent = InternAgent(
        Puppet(read_script(CORPUS / "fabricated-percentage.honest.py").calls(data, 1)),
        tools=[HuggingFaceDatasets(), PyTorchExecutor(use_gpu=False), HubDeployer(settings=Settings(home=home))],
        sandbox=backend,
        home=home,
        seeds=2,
        metric=f"{own}:hits",
    )
    result = agent.run_task(f"Train a network on {data} and publish it.")
    assert result.outcome == "done", result.text
    evaluated = [fact for fact in result.facts if isinstance(fact, Evaluated)][-1]
    (model,) = (folder / "home" / "hub" / "models" / "local").iterdir()
    return Made(model=model, data=data, home=home, evaluated=evaluated)


def without_sandbox() -> SandboxBackend:
    raise SandboxError("no sandbox works here")


def failed(folder: Path, home: Path) -> list[str]:
    found = verify(str(folder), settings=Settings(home=home), sandbox=without_sandbox)
    return [claim.name for claim in found.failed]


def test_a_score_rests_on_two_seeds_and_on_the_persons_metric(made: Made) -> None:
    card = (made.model / "README.md").read_text("utf-8")
    (other,) = made.evaluated.seeds

    assert made.evaluated.scores[0].metric == "hits"
    assert (other.seed, other.weights_digest != made.evaluated.weights_digest) == (2, True)
    assert f"| 2 | {other.value:.4f} |" in card
    assert "hits over all 2 trainings: mean" in card


def test_it_passes_in_an_empty_environment_and_says_so_to_machines(
    made: Made, tmp_path: Path, sandbox_python: Path
) -> None:
    moved = shutil.copytree(made.model, tmp_path / "elsewhere")

    process = command(
        ["verify", str(moved), "--data", str(made.data), "--json"],
        environment(tmp_path / "home", sandbox_python),
        stdout=subprocess.PIPE,
    )
    out, err = process.communicate(timeout=300)

    assert process.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    verdicts = {claim["name"]: claim["verdict"] for claim in found["claims"]}
    assert found["verdict"] == "passed"
    assert {name for name, verdict in verdicts.items() if verdict != "passed"} == {
        "signature",
        "journal",
        "evaluation, hits",  # the person's own metric is not published
    }
    assert {"loads", "self-test", "evaluation data", "evaluation, accuracy", "card, word for word"} <= set(verdicts)


def test_changed_data_fail_and_are_not_scored(made: Made, tmp_path: Path, backend: SandboxBackend) -> None:
    changed = tmp_path / "data" / "table.csv"
    changed.parent.mkdir()
    changed.write_text(made.data.read_text("utf-8").replace("kind0", "kind1", 3), "utf-8")

    found = verify(str(made.model), settings=Settings(home=tmp_path), sandbox=lambda: backend, data=changed)

    assert [claim.name for claim in found.failed] == ["evaluation data"]
    assert "the data changed" in found.failed[0].detail


def test_the_journal_of_the_run_confirms_the_entries_where_it_is(made: Made, tmp_path: Path) -> None:
    forged = shutil.copytree(made.model, tmp_path / "forged")
    text = (forged / "provenance.json").read_text("utf-8")
    journal = json.loads(text)["ledger"][0]["journal"]
    (forged / "provenance.json").write_text(text.replace(journal, "0" * 64), "utf-8")

    assert failed(made.model, made.home) == []
    assert failed(forged, made.home) == ["journal"]
    assert failed(forged, tmp_path) == []


def test_one_changed_weight_fails(made: Made, tmp_path: Path) -> None:
    changed = shutil.copytree(made.model, tmp_path / "changed")
    weights = bytearray((changed / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (changed / "model.safetensors").write_bytes(weights)

    assert failed(changed, tmp_path) == ["file model.safetensors"]


def test_one_changed_number_on_the_card_fails(made: Made, tmp_path: Path) -> None:
    changed = shutil.copytree(made.model, tmp_path / "changed")
    accuracy = next(score.value for score in made.evaluated.scores if score.metric == "accuracy")
    card = (changed / "README.md").read_text("utf-8")
    row = f"| accuracy | {accuracy:.4f} |"
    assert row in card
    (changed / "README.md").write_text(card.replace(row, "| accuracy | 0.9999 |"), "utf-8")

    assert failed(changed, tmp_path) == [
        "file README.md",
        "card, the table of scores, accuracy",
        "card, other numbers",
        "card, word for word",
    ]


def test_one_more_file_fails(made: Made, tmp_path: Path) -> None:
    changed = shutil.copytree(made.model, tmp_path / "changed")
    (changed / "notes.txt").write_text("trust me", "utf-8")

    assert failed(changed, tmp_path) == ["no other files"]


def test_the_provenance_of_another_model_fails(made: Made, tmp_path: Path) -> None:
    changed = shutil.copytree(made.model, tmp_path / "changed")
    bundle = build_sample(tmp_path / "bundle")
    other = provenance(sample_record(bundle), bundle, prose=PROSE, files=bundle.files)
    (changed / "provenance.json").write_bytes(other)

    assert {"file model.safetensors", "provenance is of this model", "card, word for word"} <= {
        *failed(changed, tmp_path)
    }


def test_without_a_sandbox_what_needs_one_is_not_checkable(made: Made, tmp_path: Path) -> None:
    found = verify(str(made.model), settings=Settings(home=tmp_path), sandbox=without_sandbox)

    (claim,) = [claim for claim in found.claims if claim.name == "loads, self-test, evaluation"]
    assert (claim.verdict, claim.detail) == ("not checkable", "no sandbox works here")
    assert found.verdict == "could not be checked"


def test_a_command_whose_sandbox_fails_does_not_end_as_if_the_model_were_verified(made: Made, tmp_path: Path) -> None:
    nowhere = environment(tmp_path / "home", tmp_path / "no-python")

    process = command(["verify", str(made.model), "--json"], nowhere, stdout=subprocess.PIPE)
    out, err = process.communicate(timeout=300)

    assert (process.returncode, json.loads(out)["verdict"]) == (7, "could not be checked"), err.decode()


def test_private_data_that_nobody_gives_are_not_checkable(made: Made, tmp_path: Path, backend: SandboxBackend) -> None:
    found = verify(str(made.model), settings=Settings(home=tmp_path), sandbox=lambda: backend)

    (claim,) = [claim for claim in found.claims if claim.name == "evaluation data"]
    assert claim.verdict == "not checkable"
    assert "--data" in claim.detail


def test_a_folder_that_is_not_there_is_the_persons_to_correct(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        verify("./nothing-here", settings=Settings(home=tmp_path), sandbox=without_sandbox)
