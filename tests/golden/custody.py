"""What schema version 1 got later: custody, data witness, the contract held. Never edit: add a version."""

from __future__ import annotations

from dataclasses import replace

from golden.events import CALL, EVENTS, FACTS
from ml_intern.core.events import Event, ToolFinished
from ml_intern.core.facts import (
    ContractChecked,
    DataFinding,
    DatasetPrepared,
    EvaluationFailed,
    FileRead,
    Kept,
    Queried,
    Score,
    Trained,
)
from ml_intern.core.messages import Observation

_PREPARED = next(fact for fact in FACTS if isinstance(fact, DatasetPrepared))
_TRAINED = next(fact for fact in FACTS if isinstance(fact, Trained))
_SCORE = Score(metric="accuracy", value=0.75, low=0.25, high=1.0, baseline=0.5, higher_is_better=True)

_MADE = (
    replace(
        _PREPARED,
        split="by seed",
        removed={"repeats_final": 1},
        findings=(DataFinding(check="near_duplicates", outcome="removed", rows=1, detail="all[1] like all[2]"),),
    ),
    replace(
        _TRAINED,
        read=(
            FileRead(name="search.parquet", bytes=10, opened=1, read=2, covered=1.0),
            FileRead(name="selection.parquet", bytes=5, opened=None, read=None),
        ),
        doubts=("train.py line 3: make_blobs makes data up",),
    ),
    Queried(
        call_id="call-2",
        train_call_id="call-1",
        bundle_digest="b1",
        weights_digest="w1",
        dataset_digest="d1",
        rows=2,
        scores=(_SCORE,),
    ),
    EvaluationFailed(
        call_id="call-3",
        train_call_id="call-1",
        bundle_digest="b1",
        weights_digest="w1",
        dataset_digest="d1",
        split="final",
    ),
    ContractChecked(
        train_call_id="call-1", checks=(Kept(name="epochs", value="3", verdict="kept", detail="30 steps"),)
    ),
)

LATER: tuple[Event, ...] = (
    EVENTS[0],
    ToolFinished(call=CALL, observation=Observation(text="made", facts=_MADE)),
)
