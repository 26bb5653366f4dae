"""What schema version 1 got later: a paper that a run follows. Never edit: add a version."""

from __future__ import annotations

from golden.events import CALL, EVENTS
from ml_intern.core.events import Event, ToolFinished
from ml_intern.core.followed import PaperCompared, PaperPoint, PaperSwept, PointCompared
from ml_intern.core.messages import Observation

POINT = PaperPoint(name="depth", values=("12",), quotation="ViT-Base has 12 layers", anchor="section 4.1")
SWEPT = PaperSwept(paper="2010.11929v2", title="An Image is Worth 16x16 Words", source="HTML", points=(POINT,))
COMPARED = PaperCompared(
    train_call_id="c1", paper="2010.11929v2", points=(PointCompared(point=POINT, ours="4", verdict="differs"),)
)

FOLLOWED: tuple[Event, ...] = (
    EVENTS[0],
    ToolFinished(call=CALL, observation=Observation(text="swept", facts=(SWEPT, COMPARED))),
)
