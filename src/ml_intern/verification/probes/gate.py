"""What a network must pass before it trains: the dummy forward pass and then, where it is right, the checks.

Started as `python -I …/probes/gate.py` in a job of its own. The request is JSON on stdin, with the parts `forward` and,
where they are wanted, `checks`; what is found goes, a line of JSON each, to the descriptor that `ML_INTERN_REPORT_FD`
names, with the nonce of the request in it. Before the candidate is loaded the name leaves the environment, the
descriptor moves to a number nobody can guess, and stdin is empty: what the candidate prints, writes to other
descriptors or exits with proves nothing.

The forward pass runs in a forked copy of this process, so that the checks find it as it began, with torch imported
and none of the candidate's code: the import takes longer than either.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

_HOME = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, _HOME)

from probes import examine, forward, serving  # noqa: E402 - after the path

_FAILED = 65
"""Exit status of the copy where it told of failures."""


def main() -> None:
    """Serve one request, then leave at once: a thread of the candidate must not keep the job."""
    request, tell = serving.begin()
    asked = request.get("checks")
    checks = examine.chosen(asked) if asked else []
    # the candidate must find its own modules first, also where they have the names of ours
    serving.hide(_HOME)
    status = _forward(request["forward"], tell)
    if status == -signal.SIGALRM:
        tell({"forward": None})
    elif status not in {0, _FAILED}:
        os._exit(abs(status))
    elif asked and status == 0:
        examine.examine_all(asked, checks, tell)
    serving.leave()


def _forward(wanted: dict, tell: Callable[[dict], None]) -> int:
    """Run it in a copy, which tells by itself; gives the copy's exit status, or minus the signal that ended it."""
    if (child := os.fork()) == 0:
        try:
            signal.alarm(wanted["seconds"])  # ends this copy, whatever it is at
            found = forward.judged(wanted)
            tell({"forward": found})
            if found["failures"]:
                os._exit(_FAILED)
            serving.leave()
        except BaseException:  # noqa: BLE001 - this copy ends here
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
