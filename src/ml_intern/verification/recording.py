"""Keep what a training says while it runs: output and metrics to files and to whoever looks on."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType

from ml_intern.core.live import ToolOutput, Watcher
from ml_intern.core.sandbox import JobEvent, Printed
from ml_intern.verification.sealed import Seal
from ml_intern.verification.watch import Point, Recovered, Stalled, Warned, WatchLine, hang, metric, read

MAX_LINES = 100_000
"""Points that are kept; at the watch's pace of five a second, more than five hours."""
MAX_OTHERS = 1_000
"""Room left for what ends a training."""


class Recording:
    """Writes `output.log` and `metrics.jsonl` in the call's folder.

    A job tells its events from the beginning each time it is followed, so the files are begun anew.
    """

    def __init__(self, folder: Path, call_id: str, live: Watcher, total: int | None, seal: Seal) -> None:
        self._call_id = call_id
        self._live = live
        self._seal = seal
        self._total = total
        self._output = (folder / "output.log").open("w", encoding="utf-8")
        self._metrics = (folder / "metrics.jsonl").open("w", encoding="utf-8")
        self.lines: list[WatchLine] = []
        self._last: dict[int, Point | Stalled] = {}

    @property
    def hangs(self) -> bool:
        """Whether every process that trains waits for what does not come."""
        return hang(list(self._last.values()))

    def take(self, event: JobEvent) -> None:
        """Take in one event of the job."""
        if isinstance(event, Printed):
            self._output.write(event.text)
            self._live(ToolOutput(call_id=self._call_id, text=event.text))
        elif (line := read(self._seal.open(event.line))) is not None:
            self._keep(line)

    def _keep(self, line: WatchLine) -> None:
        room = MAX_LINES if isinstance(line, Point) else MAX_LINES + MAX_OTHERS
        if len(self.lines) < room:
            self.lines.append(line)
            if isinstance(line, Point):
                self._point(line)
            elif isinstance(line, Warned | Recovered):
                text = str(line) if isinstance(line, Recovered) else f"step {line.step}: {line.name}: {line.text}"
                self._live(ToolOutput(call_id=self._call_id, text=f"[watch] {text}\n"))
            if isinstance(line, Point | Stalled):
                self._last[line.rank] = line

    def _point(self, point: Point) -> None:
        entry = {"step": point.step, "optimizer": point.optimizer, "rank": point.rank, **point.values}
        self._metrics.write(json.dumps(entry) + "\n")
        self._metrics.flush()
        self._live(metric(point, call_id=self._call_id, total=self._total))

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._output.close()
        self._metrics.close()
