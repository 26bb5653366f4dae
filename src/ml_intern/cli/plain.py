"""Print as plain lines: for files, pipes, CI logs, and people who asked for it."""

from __future__ import annotations

from typing import TextIO, assert_never

from ml_intern.cli.shown import Chunk, Line, Progress, ProgressEnded, Shown, measured
from ml_intern.core.neutral import neutral


class PlainPrinter:
    """Appends to `stream` and never goes back; of a training it prints about ten lines per tenfold of steps."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_mid_line = False

    def show(self, shown: Shown) -> None:
        """Print it at once, neutralised."""
        match shown:
            case Line(text=text):
                self._print(text)
            case Chunk(text=text):
                self._stream.write(neutral(text))
                self._stream.flush()
                self._is_mid_line = not text.endswith("\n")
            case Progress():
                if is_telling(shown.step, shown.total):
                    self._print(f"  {progress_text(shown)}")
            case ProgressEnded():
                pass
            case _:
                assert_never(shown)

    def close(self) -> None:
        """End an open line; safe to call twice."""
        if self._is_mid_line:
            self._stream.write("\n")
            self._stream.flush()
            self._is_mid_line = False

    def _print(self, text: str) -> None:
        self.close()
        print(neutral(text), file=self._stream, flush=True)


def progress_text(progress: Progress) -> str:
    """Write where a training is."""
    of = f" of {progress.total:,}" if progress.total else ""
    return f"step {progress.step:,}{of}  {measured(progress.values)}".rstrip()


def is_telling(step: int, total: int | None) -> bool:
    """Whether a log needs this step: the first, each tenth of a known total, else 1, 2, …, 9, 10, 20, …, 100, …."""
    if step <= 1 or step == total:
        return True
    if total is not None:
        return step * 10 // total != (step - 1) * 10 // total
    return bool(step % 10 ** (len(str(step)) - 1) == 0)
