"""The main job, whole: one sentence in, a trained, checked and published model out, also under `kill -9`."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from end_to_end.lives import environment, left, live_for, live_until_claim, only_run

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, sandbox_python: Path) -> Path:
    """A home in which the demonstration ran to its end."""
    home = tmp_path_factory.mktemp("home")
    assert live_for(600, ["demo", "--teach"], environment(home, sandbox_python)) == 0
    return home


def test_the_demonstration_ends_with_an_evaluated_and_published_model(undisturbed: Path) -> None:
    found = left(undisturbed)

    accuracy = next(score for score in found.scores if score.metric == "accuracy")
    assert accuracy.value > accuracy.high - accuracy.low > 0
    assert accuracy.low > 2 * accuracy.baseline
    assert (found.trainings, found.publications, found.commits) == (1, 1, 1)


def test_the_published_folder_has_the_layout_of_a_hub_repository(undisturbed: Path) -> None:
    (repository,) = (undisturbed / "hub" / "models" / "local").iterdir()

    assert {path.name for path in repository.iterdir()} == {
        ".gitattributes",
        "README.md",
        "config.json",
        "model.safetensors",
        "modeling.py",
        "provenance.json",
        "selftest.safetensors",
    }
    card = (repository / "README.md").read_text("utf-8")
    assert "built-in recipes, no language model" in card
    assert "16x16 patches" in card
    assert "2x2" in card
    config = json.loads((repository / "config.json").read_text("utf-8"))
    assert config["arguments"]["patch"] == 2


def test_the_snippet_of_the_card_predicts_in_a_fresh_process(undisturbed: Path, sandbox_python: Path) -> None:
    (repository,) = (undisturbed / "hub" / "models" / "local").iterdir()
    card = (repository / "README.md").read_text("utf-8")
    snippet = card.split("```python\n")[1].split("```")[0]

    done = subprocess.run(
        [sandbox_python / "bin" / "python", "-I", "-c", snippet], capture_output=True, text=True, check=True, env={}
    )

    (prediction,) = json.loads(done.stdout)
    assert prediction in range(10)


def test_the_taught_mistake_was_caught_before_training(undisturbed: Path, sandbox_python: Path) -> None:
    run = only_run(undisturbed)
    assert run is not None
    start = "import sys; from ml_intern.cli import main; sys.exit(main())"

    shown = subprocess.run(
        [sys.executable, "-c", start, "export", run],
        capture_output=True,
        text=True,
        check=True,
        env=environment(undisturbed, sandbox_python),
    ).stdout

    events = [json.loads(line) for line in shown.splitlines()]
    checks = [
        e["event"]["observation"]
        for e in events
        if e["event"]["type"] == "tool_finished" and e["event"]["call"]["name"] == "check_network"
    ]
    assert [check["ok"] for check in checks] == [False, True]
    assert "tokens + self.positions" in checks[0]["text"]
    assert "16 positions" in "".join(
        e["event"]["reply"]["text"] for e in events if e["event"]["type"] == "model_replied"
    )


def test_a_demonstration_killed_whenever_it_starts_a_process_ends_with_the_same_result(
    undisturbed: Path, sandbox_python: Path, tmp_path: Path
) -> None:
    """Between the claim of a job and its start lies a moment in which nothing runs and everything is said to."""
    env = environment(tmp_path, sandbox_python)
    seen: set[Path] = set()

    lives = [live_until_claim(["demo", "--teach"], env, tmp_path, seen)]
    run = only_run(tmp_path)
    assert run is not None
    while lives[-1] < 0:
        lives.append(live_until_claim(["resume", run], env, tmp_path, seen))

    assert (lives[-1], left(tmp_path)) == (0, left(undisturbed))
    assert len(lives) > 5


@pytest.mark.parametrize("seed", [1, 2])
def test_a_demonstration_killed_at_random_moments_ends_with_the_same_result(
    undisturbed: Path, sandbox_python: Path, tmp_path: Path, seed: int
) -> None:
    moments, env = random.Random(seed), environment(tmp_path, sandbox_python)

    live_for(moments.uniform(0, 7), ["demo", "--teach"], env, begun=tmp_path)
    run = only_run(tmp_path)
    assert run is not None
    for _ in range(3):
        live_for(moments.uniform(1, 10), ["resume", run], env)
    assert live_for(600, ["resume", run], env) == 0

    assert left(tmp_path) == left(undisturbed)


def test_a_table_of_numbers_is_answered_with_a_regression_beside_its_baseline(
    tmp_path: Path, sandbox_python: Path
) -> None:
    task = "Fit a network to the diabetes data for 30 epochs, evaluate it and publish it as diabetes-net"

    assert live_for(600, ["run", task, "--model", "rules"], environment(tmp_path, sandbox_python)) == 0

    error = left(tmp_path).scores[0]
    assert (error.metric, error.higher_is_better) == ("rmse", False)
    assert error.low < error.value < error.high
    assert error.value < error.baseline
    assert (tmp_path / "hub" / "models" / "local" / "diabetes-net" / "model.safetensors").exists()
