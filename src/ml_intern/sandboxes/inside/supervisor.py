"""Process 1 of a sandbox: confines itself, then serves a session or runs one job. Speaks JSON lines on stdout.

Usage: `python -I supervisor.py session|job CONFIGURATION`, where CONFIGURATION is a JSON object with the limits
`memory`, `disk` and `output` in bytes, `processes`, `limit_processes` (false: the engine does it), `writable` (folders
that count as disk), `directory` (working directory) and `control` (folder of the host's requests; jobs only).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # -I leaves it out

import lockdown
from job import run_job
from session import serve


def main(mode: str, configuration: str) -> int:
    """Run `mode` until its end; user code never runs in this process."""
    if os.getpid() != 1:
        print("the supervisor runs as process 1 of a sandbox only", file=sys.stderr)  # noqa: T201 - its only output
        return 2
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    lockdown.confine()
    # no child may get hold of the channel to the host: move it away from the standard descriptors
    requests, events = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    settings = json.loads(configuration)
    if mode == "session":
        serve(settings, requests, events)
    else:
        run_job(settings, events)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
