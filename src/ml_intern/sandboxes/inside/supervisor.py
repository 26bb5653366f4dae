"""Process 1 of a sandbox: confines itself, then serves a session or runs one job. Speaks JSON lines on stdout.

Usage: `python -I supervisor.py session|job CONFIGURATION`, where CONFIGURATION is a JSON object with the limits
`memory`, `disk` and `output` in bytes, `files`, `processes`, `limit_processes` (false: the engine does it), `writable`
(folders that count as disk), `directory` (working directory) and `control` (folder of the host's requests; jobs
only). With `plain` (true) it is not process 1, has no walls, and cares for its descendants only.
"""

from __future__ import annotations

import _signal as signal  # `signal` makes enumerations of it, which takes longer than all else here
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120 - as below; -I leaves it out

import lean
import lockdown


def main(mode: str, configuration: str) -> int:
    """Run `mode` until its end; user code never runs in this process."""
    settings = lean.loads(configuration)
    is_plain = settings.get("plain") is True  # no sandbox: what is not a descendant is none of ours
    if os.getpid() != 1 and not is_plain:
        print("the supervisor runs as process 1 of a sandbox only", file=sys.stderr)  # noqa: T201 - its only output
        return 2
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if is_plain:
        lockdown.adopt_orphans()
    try:
        lockdown.confine()
    except OSError:
        if not is_plain:
            raise
    try:
        os.makedirs(settings["directory"], exist_ok=True)  # noqa: PTH103 - as the rest here, without much import
    except OSError as error:
        told = f"the working directory {settings['directory']} is not there and cannot be made: {error.strerror}"
        print(told, file=sys.stderr)  # noqa: T201 - nobody listens to events yet
        return 2
    # no child may get hold of the channel to the host: move it away from the standard descriptors
    requests, events = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    # only what is needed: a session shall be there at once
    if mode == "session":
        import session  # noqa: PLC0415

        session.serve(settings, requests, events)
    else:
        import job  # noqa: PLC0415

        job.run_job(settings, requests, events)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
