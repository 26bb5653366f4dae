"""Time snapshots of a workspace: the first, one with nothing changed, one with one file changed.

Usage: python benchmarks/snapshots.py [FILES] [KILOBYTES]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ml_intern.journal.snapshots import Snapshots

ROUNDS = 15


def seconds(act: Callable[[], object]) -> float:
    """Time one call."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def main(files: int, kilobytes: int) -> None:
    """Print milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        workspace = root / "workspace"
        for n in range(files):
            file = workspace / f"folder{n % 10}" / f"file{n}.bin"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(os.urandom(kilobytes << 10))
        time.sleep(1.5)  # what is younger than a second is read again
        store = Snapshots(root / "snapshots")
        first = seconds(lambda: store.take(workspace))
        same = [seconds(lambda: store.take(workspace)) for _ in range(ROUNDS)]
        changed: list[float] = []
        for n in range(ROUNDS):
            (workspace / "folder0" / "file0.bin").write_bytes(n.to_bytes(2, "big") * 512)
            changed.append(seconds(lambda: store.take(workspace)))
        told = {"first": first, "nothing changed": statistics.median(same), "one file": statistics.median(changed)}
        shown = ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in told.items())
        print(f"{files} files of {kilobytes} KiB: {shown}")


if __name__ == "__main__":
    main(*(int(value) for value in (*sys.argv[1:], *("20", "10")[len(sys.argv) - 1 :])))
