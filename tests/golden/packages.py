"""What schema version 1 got later: files put back, packages installed. Never edit: add a version."""

from __future__ import annotations

from golden.events import CALL, EVENTS
from ml_intern.core.events import Event, ToolFinished, ToolStarted, WorkspaceRestored
from ml_intern.core.facts import Package, PackagesInstalled
from ml_intern.core.messages import Observation

FACTS = (
    PackagesInstalled(
        call_id="call-1",
        layer="l1",
        base="b1",
        packages=(Package(name="timm", version="1.0.26", file="timm-1.0.26-py3-none-any.whl", digest="p1"),),
    ),
)

LATER: tuple[Event, ...] = (
    EVENTS[0],
    ToolStarted(call=CALL, workspace="w1"),
    ToolFinished(call=CALL, observation=Observation(text="installed", facts=FACTS), workspace="w2"),
    WorkspaceRestored(call_id="call-1", workspace="w1", before="w2", text="put back"),
)
