"""End a worker that has told all."""

from __future__ import annotations

import os
import sys


def leave() -> None:
    """End at once: Python would take down every library that was loaded, which takes longer than to score."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
