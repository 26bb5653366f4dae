"""The worker's way to the host: a request on standard input, one JSON line on a descriptor that is not the output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

# Read by `datasets` when it is imported, so every worker imports this module first.
os.environ |= {
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_OFFLINE": "1",
}
os.environ.setdefault("HF_HOME", "/tmp/huggingface")


class RefusedError(Exception):
    """The request cannot be met with these data; the message is written for the language model."""


def serve(work: Callable[[dict], dict], *expected: type[Exception]) -> None:
    """Answer the request on standard input with what `work` gives; `expected` errors become an explanation."""
    request = json.load(sys.stdin)
    try:
        answer = work(request)
    except RefusedError as error:
        answer = {"error": str(error)}
    except expected as error:
        answer = {"error": f"the data cannot be read: {_root(error)}"}
    with os.fdopen(int(os.environ["ML_INTERN_REPORT_FD"]), "w", encoding="utf-8") as stream:
        stream.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # Python would take down every library that was loaded, which takes a tenth as long as loading them


def _root(error: BaseException) -> str:
    """Follow causes down to the one that names the fault; libraries wrap it in advice for their own users."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"[:600]
