"""Keep the traceback of a fault in a file, so that the terminal needs one line only."""

from __future__ import annotations

import os
import platform
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from ml_intern import __version__


def write_crash(error: Exception, *, home: Path) -> str:
    """Write the traceback to a new file under `home`/crash and give its path, or the traceback if that fails."""
    told = "".join(traceback.format_exception(error))
    now = datetime.now(UTC)
    file = home / "crash" / f"{now:%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    # neither arguments nor environment: they may hold what the person would not send to strangers
    about = f"ml-intern {__version__}, Python {platform.python_version()}, {sys.platform}, {now.isoformat()}\n\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(about + told, "utf-8")
    except OSError:
        return f"this traceback:\n{told}"
    return str(file)
