"""Save the figures that a cell left open as PNG files, few and small, and close them.

Loaded into the process of the user's code under a private name, once that has imported `matplotlib.pyplot`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_FOLDER = "figures"
"""Below the working directory, or where that cannot be written, below `/tmp`."""
_A_CELL, _IN_ALL = 10, 500
_PIXELS = 1600
"""Of the longer side."""
_BYTES = 8 << 20
"""Of one file."""


def save_figures(home: str) -> tuple[list[str], str]:
    """Save what is open; `home` is the session's working directory.

    Gives the files' paths and a remark on what was not saved. Interrupts pass; a figure that cannot be drawn is
    closed and named in the remark.
    """
    pyplot = sys.modules["matplotlib.pyplot"]
    numbers = pyplot.get_fignums()
    folder = _folder(home) if numbers else None
    saved: list[str] = []
    remarks: list[str] = []
    for number in numbers:
        try:
            if len(saved) >= _A_CELL or folder is None:
                remarks.append(f"figure {number} was not saved: there are too many")
            else:
                saved.append(_save(pyplot.figure(number), folder))
        except Exception as error:  # noqa: BLE001 - drawing runs the user's code and data
            remarks.append(f"figure {number} cannot be drawn: {type(error).__name__}: {error}"[:300])
        finally:
            pyplot.close(number)
    return saved, "; ".join(remarks[:3])


def _folder(home: str) -> Path | None:
    """Give a folder to write to that is not full."""
    for base in (home, "/tmp"):
        folder = Path(base, _FOLDER)
        try:
            folder.mkdir(exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder if sum(1 for _ in folder.iterdir()) < _IN_ALL else None
        except OSError:
            continue
    return None


def _save(figure: object, folder: Path) -> str:
    """Draw `figure` into the first file that does not exist."""
    longer = max(*figure.get_size_inches(), 0.1)
    for number in range(1, 2 * _IN_ALL):
        path = folder / f"figure-{number:03}.png"
        try:
            file = path.open("xb")
        except FileExistsError:
            continue
        try:
            with file:
                figure.savefig(file, format="png", dpi=min(figure.get_dpi(), _PIXELS / longer))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if path.stat().st_size > _BYTES:
            path.unlink()
            raise ValueError(f"its file would be larger than {_BYTES >> 20} MiB")
        return str(path)
    raise ValueError("there are too many figures")
