"""Train once more what was trained: the same sources in a folder of their own, with another seed or other data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from ml_intern.core.facts import Trained
from ml_intern.core.protocols import ToolContext
from ml_intern.core.sandbox import GPU
from ml_intern.publishing.record import arguments_of
from ml_intern.tools._order import training_order
from ml_intern.verification import training


def train_again(
    place: ToolContext,
    trained: Trained,
    changes: Mapping[str, object],
    *,
    gpu: GPU,
    timeout: float,
    data: Path | None = None,
) -> Trained | str:
    """Run a training again, or attach to it; text says why it is not accepted.

    Args:
        place: the context of a call of its own, which names the folder.
        trained: what to repeat, with the sources and hyperparameters that it had.
        changes: hyperparameters that differ.
        gpu: as the training itself had.
        timeout: seconds.
        data: the folder with the parts; None means those of the run.
    """
    given = arguments_of(place.records, trained)
    before = cast("Mapping[str, object] | None", given.get("hyperparameters")) or {}
    hyperparameters = {**before, **changes}
    _copy_source(place, trained, hyperparameters)
    order = training_order(
        place, str(given["script"]), str(given["network"]), hyperparameters, gpu=gpu, timeout=timeout
    )
    report = training.train(
        place.sandboxes(),
        order if data is None else replace(order, data=data),
        run=place.run,
        paths=place.paths,
        call_id=place.call_id,
        live=place.live,
        cancelled=place.cancelled,
    )
    return report.text if report.fact is None else report.fact


def _copy_source(place: ToolContext, trained: Trained, hyperparameters: Mapping[str, object]) -> None:
    """Copy what the training ran on; the folder appears whole or not at all."""
    source, target = (place.paths.call(call) / "source" for call in (trained.call_id, place.call_id))
    if target.exists():
        return
    partial = target.with_name("source.copy")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    (partial / training.HYPERPARAMETERS).write_text(json.dumps(dict(hyperparameters), indent=2), "utf-8")
    partial.rename(target)
