"""Read a PDF into a paper's content, as a process of its own that is started with this file.

A PDF is a stranger's program for a large C++ library, and what stands in it decides how long its pages take to order.
Here a crash, an endless loop or a bomb ends one process that has no secrets in its environment, and not the agent.
Standard input: the file. Standard output: the content as JSON. Exit status 3: the file cannot be read, and standard
error says why in one line.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path

CPU_SECONDS = 900
"""Fifteen pages of text take one, a page that must be recognised takes ten."""
MEMORY_BYTES = 6 << 30
"""Of address space; the recogniser reserves far more than it uses."""


def main() -> int:
    """Read, print, and give the exit status."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.disable()  # hundreds of thousands of characters and no cycle: looking for one is a tenth of the time
    # isolated mode leaves out whatever path the package was found on
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from ml_intern.literature.pdf_content import UnreadableError, read_content  # noqa: PLC0415 - after limits and path

    try:
        content = read_content(sys.stdin.buffer.read())
    except UnreadableError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    json.dump(asdict(content), sys.stdout)
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # to free object by object what was read is another tenth
