"""The curve of a training is drawn from the stream of the watch, also while it is written."""

from __future__ import annotations

import io
import json
from pathlib import Path

from ml_intern.cli.curve import BLOCKS, POINTS, curves, print_curves, spark
from ml_intern.cli.terminal import Terminal


def write(directory: Path, call: str, *entries: object, torn: str = "") -> None:
    folder = directory / "calls" / call
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries) + torn, "utf-8")


def said(directory: Path, *, as_json: bool = False) -> str:
    out, err = io.StringIO(), io.StringIO()
    print_curves(directory, Terminal(stdin=io.StringIO(), stdout=out, stderr=err, environment={}), as_json=as_json)
    return out.getvalue() + err.getvalue()


def test_a_falling_loss_is_drawn_falling_with_its_ends_and_its_least(tmp_path: Path) -> None:
    losses = [8.0, 6.0, 4.0, 1.0, 2.0]
    steps = [{"step": n, "optimizer": 0, "rank": 0, "loss": loss} for n, loss in enumerate(losses, 1)]
    write(tmp_path, "c6", *steps, torn='{"step": 6, "lo')

    assert said(tmp_path).splitlines() == [
        "c6: 5 steps",
        "  loss          █▆▄▁▂",
        "                8 → 2, least 1 at step 4",
    ]


def test_optimizers_and_ranks_have_curves_of_their_own_and_json_has_every_number(tmp_path: Path) -> None:
    first = {"step": 1, "optimizer": 0, "rank": 0, "loss": 1.0, "memory": 7.0}
    second = {"step": 1, "optimizer": 1, "rank": 2, "loss": 3.0}
    write(tmp_path, "c6", first, second)

    assert [json.loads(line) for line in said(tmp_path, as_json=True).splitlines()] == [
        {"call": "c6", "optimizer": 0, "rank": 0, "points": [first]},
        {"call": "c6", "optimizer": 1, "rank": 2, "points": [second]},
    ]
    assert "c6, optimizer 2, rank 2: 1 steps" in said(tmp_path)


def test_a_long_curve_is_thinned_and_keeps_its_last_point(tmp_path: Path) -> None:
    write(tmp_path, "c6", *({"step": n, "loss": 1.0} for n in range(1, 5 * POINTS)))

    (curve,) = curves(tmp_path)

    assert len(curve.points) <= POINTS
    assert curve.points[-1]["step"] == 5 * POINTS - 1


def test_values_over_decades_are_drawn_by_their_logarithm() -> None:
    assert spark([10.0**-n for n in range(8)]) == BLOCKS[::-1]
    assert spark([1.0, 1.0]) == BLOCKS[0] * 2
    assert len(spark([*range(1000)])) == 60


def test_a_run_without_a_training_says_so(tmp_path: Path) -> None:
    assert said(tmp_path) == "ml-intern: no training of this run has made a step yet\n"
