"""What a swept paper says is held against the network and the settings, and what differs needs a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ml_intern.core.events import Record, ToolFinished
from ml_intern.core.facts import Departed
from ml_intern.core.followed import PaperPoint, PaperSwept
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.core.protocols import RunPaths, ToolContext
from ml_intern.publishing.bundle import write
from ml_intern.tools._evaluation import completed
from ml_intern.tools._paper_points import compared, render
from ml_intern.verification.source import source_digest
from publishing.samples import TRAINED, VERIFIED, journal

NETWORK = replace(VERIFIED, arguments='{"patch": 4, "dim": 96, "depth": 12, "heads": 3}')
TRAINING = replace(TRAINED, optimizer="AdamW", hyperparameters={"epochs": "3", "lr": "3e-4", "batch_size": "64"})


def point(name: str, *values: str) -> PaperPoint:
    return PaperPoint(name=name, values=values, quotation=f"We use {name} {' or '.join(values)}.", anchor="4.1")


def records(*points: PaperPoint) -> list[Record]:
    swept = PaperSwept(paper="2010.11929v2", title="T", source="html", points=points)
    call = ToolCall(id="c0", name="sweep_paper", arguments={})
    return [Record(seq=0, at=0.0, event=ToolFinished(call=call, observation=Observation(text="", facts=(swept,))))]


@pytest.mark.parametrize(
    ("said", "ours", "verdict"),
    [
        (point("patch size", "16", "32"), "4", "differs"),
        (point("depth", "12", "24"), "12", "same"),
        (point("width", "768"), "96", "differs"),
        (point("heads", "12"), "3", "differs"),
        (point("heads"), "3", "open"),
        (point("feed-forward size", "3072"), "", "open"),
        (point("learning rate", "0.0003"), "3e-4", "same"),
        (point("epochs", "7"), "3", "differs"),
        (point("optimizer", "adam"), "adamw", "differs"),
        (point("warm-up", "10000"), "", "open"),
    ],
)
def test_each_point_is_judged_by_what_was_instantiated_and_given(said: PaperPoint, ours: str, verdict: str) -> None:
    made = compared(records(said), NETWORK, TRAINING)

    assert made is not None
    assert [(one.ours, one.verdict) for one in made.points] == [(ours, verdict)]


def test_a_run_that_swept_no_paper_follows_none() -> None:
    assert compared([], NETWORK, TRAINING) is None
    assert render(None, []) == ""


def test_what_differs_is_told_until_a_departure_gives_the_reason() -> None:
    made = compared(records(point("patch size", "16"), point("depth", "12")), NETWORK, TRAINING)
    departed = Departed(point="patches", decision="4x4", reason="the images have 32 pixels")

    assert render(made, []) == (
        "\n2010.11929v2 says otherwise: patch size: the paper 16 (section 4.1), ours 4. Record a `departure` with the"
        " reason for each; the card shows both."
    )
    assert render(made, [replace(departed, point="patch size")]) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [("optimizer", "optimiser and weight decay"), ("epochs", "epochs and steps"), ("heads", "attention heads")],
)
def test_a_departure_may_name_a_point_as_the_sweep_does(name: str, said: str) -> None:
    made = compared(records(point(name, "77")), NETWORK, TRAINING)

    assert render(made, [Departed(point=said, decision="other", reason="small data")]) == ""


def test_an_argument_left_to_its_default_is_held_against_the_paper_too(tmp_path: Path) -> None:
    source = {"network.py": b"class Net:\n    def __init__(self, classes, depth=4, heads=2): ...\n"}
    verified = replace(VERIFIED, arguments='{"classes": 3, "heads": 8}', source_digest=source_digest(source))
    trained = replace(TRAINING, source_digest=verified.source_digest)
    paths = RunPaths(root=tmp_path)
    write(paths.call(trained.call_id) / "source" / "network.py", source["network.py"])
    swept = [*journal(verified, trained), *records(point("depth", "12"), point("heads", "8"))]
    context = ToolContext(run="r", call_id="c", paths=paths, records=swept)

    made = compared(swept, completed(context, trained), trained)

    assert made is not None
    assert [(one.ours, one.verdict) for one in made.points] == [("4", "differs"), ("8", "same")]
