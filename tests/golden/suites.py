"""What schema version 1 got later: tests of a network, judged. Never edit: add a version."""

from __future__ import annotations

from golden.events import CALL, EVENTS
from ml_intern.core.events import Event, ToolFinished
from ml_intern.core.facts import SuiteJudged
from ml_intern.core.messages import Observation

JUDGED = SuiteJudged(
    file="network.py",
    source_digest="s1",
    tests_file="test_network.py",
    tests_digest="u1",
    tests=5,
    mutants=47,
    killed=45,
    layers=("Router",),
    survivors=("network.py:17 Router.forward, wrong end: a → b",),
)

SUITES: tuple[Event, ...] = (
    EVENTS[0],
    ToolFinished(call=CALL, observation=Observation(text="judged", facts=(JUDGED,))),
)
