"""Print inline on a terminal with colours and a training bar; scrollback stays whole, nothing takes the screen."""

from __future__ import annotations

from typing import TextIO, assert_never

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

from ml_intern.cli.plain import progress_text
from ml_intern.cli.shown import Chunk, Line, Progress, ProgressEnded, Shown, Style
from ml_intern.core.neutral import neutral

STYLES: dict[Style, str] = {
    "title": "bold",
    "plain": "",
    "model": "default",
    "plan": "cyan",
    "call": "bold blue",
    "output": "dim",
    "good": "green",
    "bad": "yellow",
    "note": "dim",
}


class ColourPrinter:
    """Shows lines as they come; the bar, while there is one, stays below them."""

    def __init__(self, stream: TextIO) -> None:
        # markup and highlighting off: a model's words are never instructions to the printer
        self._console = Console(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=True)
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._last: Progress | None = None
        self._is_mid_line = False

    def show(self, shown: Shown) -> None:
        """Print it at once, neutralised."""
        match shown:
            case Line(text=text, style=style):
                self._end_line()
                self._console.print(Text(neutral(text), style=STYLES[style]))
            case Chunk(text=text):
                self._end_bar()
                self._console.print(Text(neutral(text)), end="")
                self._is_mid_line = not text.endswith("\n")
            case Progress():
                self._advance(shown)
            case ProgressEnded():
                self._end_bar()
            case _:
                assert_never(shown)

    def close(self) -> None:
        """End an open line or bar; safe to call twice."""
        self._end_bar()
        self._end_line()

    def _advance(self, progress: Progress) -> None:
        self._end_line()
        if self._bar is None:
            self._bar = _bar(self._console)
            self._task = self._bar.add_task("", total=progress.total)
            self._bar.start()
        self._last = progress
        text = neutral(progress_text(progress))
        self._bar.update(self._task, completed=progress.step, total=progress.total, description=text)

    def _end_bar(self) -> None:
        """Replace the bar by its last state, so that the scrollback keeps it."""
        if self._bar is not None and self._last is not None:
            self._bar.stop()
            self._bar = None
            self._console.print(Text(f"  {neutral(progress_text(self._last))}", style=STYLES["note"]))

    def _end_line(self) -> None:
        if self._is_mid_line:
            self._console.print()
            self._is_mid_line = False


def _bar(console: Console) -> Bar:
    columns = (SpinnerColumn(), BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
    return Bar(*columns, TimeElapsedColumn(), console=console, transient=True, refresh_per_second=5)
