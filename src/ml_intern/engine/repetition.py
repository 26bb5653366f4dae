"""Notice that the model goes in circles: the same calls with the same results, whatever the clock says.

Only the tail is judged, so that a model which has moved on is left alone, and what changes by itself (times,
addresses, temporary paths, process numbers) does not hide a loop. An edit-and-test cycle changes its arguments or
its results and is no loop.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ml_intern.core.events import Record, RunReopened, ToolFinished

LONGEST_CYCLE = 4
NUDGE_AT = 3
STOP_AT = 6

_VOLATILE = re.compile(
    r"\x1b\[[0-9;]*m"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*"
    r"|\b\d\d:\d\d:\d\d\b"
    r"|0x[0-9a-fA-F]+"
    r"|\b[0-9a-f]{8,}\b"
    r"|/tmp/\S+"
    r"|\bpid \d+"
    r"|\b\d+(\.\d+)? ?(ms|s|seconds|minutes)\b"
)


def repetitions(records: Sequence[Record]) -> int:
    """Count how many times in a row the run ends with the same cycle of up to four calls and results."""
    opened = max((n for n, r in enumerate(records) if isinstance(r.event, RunReopened)), default=0)
    trail = [_trace(r.event) for r in records[opened:] if isinstance(r.event, ToolFinished)]
    return max(_repeats(trail, period) for period in range(1, LONGEST_CYCLE + 1))


def _trace(event: ToolFinished) -> str:
    arguments = json.dumps(event.call.arguments, sort_keys=True, default=str)
    return f"{event.call.name} {arguments} {_VOLATILE.sub('~', event.observation.text)}"


def _repeats(trail: Sequence[str], period: int) -> int:
    cycle = list(trail[-period:])
    count = 0
    while len(trail) >= (count + 1) * period:
        end = len(trail) - count * period
        if list(trail[end - period : end]) != cycle:
            break
        count += 1
    return count
