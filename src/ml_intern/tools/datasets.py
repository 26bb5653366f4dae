"""Data sets for the language model: look at one, and prepare it with a part that only the runtime holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ml_intern.config import Settings
from ml_intern.core.errors import ToolError
from ml_intern.core.events import Event, ToolFinished, ToolStarted
from ml_intern.core.facts import DataFinding, DatasetPrepared, Departed, Trained
from ml_intern.core.folds import facts, started
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.data import inspect as inspection
from ml_intern.data import prepare as preparation
from ml_intern.data.jobs import Desk
from ml_intern.data.source import DatasetSource, is_local, names_path, resolve
from ml_intern.tools._define import Toolset, tool
from ml_intern.tools._overruled import OF_DATA


class HuggingFaceDatasets(Toolset):
    """Inspect and prepare data sets of the Hugging Face Hub, of this machine, or of scikit-learn."""

    @tool(effect="read", recovery="repeat")
    def inspect_dataset(self, dataset: str, context: ToolContext) -> Observation:
        """Describe a data set: splits, columns, class balance, duplicates, example values, proposed inputs and target.

        `dataset`: "org/name" on the Hugging Face Hub (or "org/name:config@revision"), a local path the task names
        ("./data", "/x/y.csv"; csv, tsv, json, jsonl, parquet, image folder), or "sklearn/digits" (also iris, wine,
        breast_cancer, diabetes; no network needed).
        """
        source = _source(dataset, context)
        description = inspection.inspect(_desk(context), source)
        return Observation(text=inspection.render(description, source))

    @tool(effect="execute", recovery="repeat")
    def prepare_dataset(
        self,
        context: ToolContext,
        dataset: str,
        inputs: tuple[str, ...] = (),
        target: str = "",
        final_fraction: Annotated[float, Field(gt=0, lt=0.9)] = 0.2,
        group: str = "",
        time: str = "",
        allow: dict[str, str] | None = None,
    ) -> Observation:
        """Split and check a data set; the runtime keeps the labels of two parts. Needed before training.

        Writes /data/search.parquet (train on it) and /data/selection.parquet (inputs only; evaluate scores it). Leave
        `inputs` and `target` out to take the proposal of inspect_dataset. Official splits are kept; otherwise
        `final_fraction` becomes final. `group`: column whose rows stay together; `time`: the latest become final.
        Repeats across parts are removed. A column that gives the target away is refused, unless `allow` maps the check
        to a reason. Example: {"dataset": "sklearn/digits"}.
        """
        if facts(context.records, Trained):
            raise ToolError("a network was trained on the prepared data; other data need a new run")
        _require_same_split(context)
        source = _source(dataset, context)
        of_person = {check: reason for check, reason in context.allowed.items() if check in OF_DATA}
        reasons = {**(allow or {}), **of_person}
        request = preparation.PrepareRequest(
            inputs=inputs, target=target, final_fraction=final_fraction, group=group, time=time, allow=reasons
        )
        paths = context.paths
        destination = preparation.Destination(visible=paths.visible_data, hidden=paths.hidden_data)
        prepared = preparation.prepare(_desk(context), source, request, destination)
        departed = tuple(_allowed(finding, request.allow) for finding in prepared.fact.findings)
        return Observation(text=preparation.render(prepared), facts=(prepared.fact, *(d for d in departed if d)))


def _allowed(finding: DataFinding, reasons: Mapping[str, str]) -> Departed | None:
    """Put on record that a check was overruled, with the reason that was given."""
    if finding.outcome != "allowed":
        return None
    return Departed(
        point=f"check {finding.check}", decision=f"allowed: {finding.detail}", reason=reasons[finding.check]
    )


def _source(dataset: str, context: ToolContext) -> DatasetSource:
    """Resolve a data set; a path of this machine only where the person's own words name it."""
    opened = started(context.records)
    dataset = dataset.strip()
    if is_local(dataset) and not names_path(opened.task if opened else "", dataset):
        raise ToolError(
            f"the task does not name {dataset[:200]!r}; only files that the task names by their "
            "path are open. Use a data set of the Hub or of sklearn, or say which path the person must name."
        )
    return resolve(dataset, Settings.load(os.environ, home=context.home), private=_home(context))


def _home(context: ToolContext) -> Path:
    """Give the folder that holds this run and, where it lies among runs, the others' hidden parts too."""
    root = context.paths.root
    return root.parent.parent if root.parent.name == "runs" else root


def _require_same_split(context: ToolContext) -> None:
    """Refuse another split once code may have kept rows of the first one: final rows of the new one would be known.

    Raises:
        ToolError: data were prepared differently before, and something ran since.
    """
    events = [r.event for r in context.records]
    first = next((n for n, e in enumerate(events) if _has_prepared(e)), None)
    calls = [e.call for e in events[first or 0 :] if isinstance(e, ToolStarted)]
    current = next((c for c in calls if c.id == context.call_id), None)
    if first is None or current is None:
        return
    earlier = events[first]
    assert isinstance(earlier, ToolFinished)
    others = [c for c in calls if c.name not in {"prepare_dataset", "inspect_dataset", "departure"}]
    if others and dict(current.arguments) != dict(earlier.call.arguments):
        raise ToolError(
            "the data were prepared before, and code may have kept rows that another split would hide; another split, "
            "other columns or other data need a new run"
        )


def _has_prepared(event: Event) -> bool:
    return isinstance(event, ToolFinished) and any(isinstance(f, DatasetPrepared) for f in event.observation.facts)


def _desk(context: ToolContext) -> Desk:
    return Desk(
        backend=context.sandboxes(),
        run=context.run,
        directory=context.paths.call(context.call_id) / "data",
        cancelled=context.cancelled,
    )
