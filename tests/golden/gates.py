"""What schema version 1 got later: checks of networks, waivers and smoke runs. Never edit: add a version."""

from __future__ import annotations

from golden.events import CALL, EVENTS
from ml_intern.core.events import CheckWaived, Event, ToolFinished
from ml_intern.core.gated import NetworkChecked, SmokeRun, Waived
from ml_intern.core.messages import Observation

CHECKED = NetworkChecked(
    file="network.py",
    class_name="Net",
    source_digest="s1",
    contract='{"task": "lm"}',
    passed=("forward",),
    failed=("causality",),
    not_applicable=("loss",),
    inconclusive=("padding",),
    waived={"causality": "the paper looks ahead"},
    unmeasured=("heads",),
    seconds=0.5,
)
SMOKED = SmokeRun(call_id="call-1", script_digest="p1", steps=5, seconds=2.5, reached_end=True, problem="")

GATES: tuple[Event, ...] = (
    EVENTS[0],
    CheckWaived(check="causality", reason="the paper looks ahead"),
    ToolFinished(
        call=CALL,
        observation=Observation(text="", facts=(CHECKED, Waived(check="smoke-run", reason="too slow"), SMOKED)),
    ),
)
