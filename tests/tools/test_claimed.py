"""A claim that the final part leaves in doubt is held against the rows that the script had labels of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.bundles import safetensors, write_bundle
from ml_intern.config import Settings
from ml_intern.core.facts import Score
from ml_intern.core.protocols import RunPaths, ToolContext
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.data.jobs import Desk
from ml_intern.data.prepare import Destination, PrepareRequest, prepare
from ml_intern.data.source import resolve
from ml_intern.evaluation.report import EvaluationReport
from ml_intern.tools._claimed import judge_claims
from publishing.samples import TRAINED

FIRST_ALWAYS = """
import torch

class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 3)

def predict(network, rows):
    return network.layer(torch.ones(len(rows), 1)).argmax(-1)
"""


@pytest.mark.sandbox
def test_a_claim_that_neither_search_nor_final_explains_is_found(backend: SandboxBackend, tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path / "run")
    destination = Destination(visible=paths.visible_data, hidden=paths.hidden_data)
    desk = Desk(backend=backend, run="r", directory=tmp_path / "desk")
    source = resolve("sklearn/iris", Settings(home=tmp_path / "home"))
    fact = prepare(desk, source, PrepareRequest(), destination).fact
    weights = safetensors({"layer.weight": [[1.0], [0.0], [0.0]], "layer.bias": [0.0] * 3})
    write_bundle(
        paths.bundle,
        modeling=FIRST_ALWAYS,
        weights=weights,
        config={"architecture": "Linear", "arguments": {}},
    )
    context = ToolContext(run="r", call_id="evaluate", paths=paths, records=(), sandboxes=lambda: backend)
    accuracy = Score(metric="accuracy", value=0.675, low=0.56, high=0.77, baseline=0.3, higher_is_better=True)
    report = EvaluationReport(text="", scores=(accuracy,), rows=80)
    few = replace(fact, rows={**fact.rows, "selection": 32, "final": 80})

    found = judge_claims(context, replace(TRAINED, reported={"test_accuracy": 1.0}), few, report)
    modest = judge_claims(context, replace(TRAINED, reported={"test_accuracy": 0.75}), few, report)

    assert [(one.name, one.refuses) for one in found] == [("overclaim", True)]
    assert modest == ()
