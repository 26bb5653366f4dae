"""After an uncaught exception, explain it: failing expression, operands, layer, hint. Runs inside the sandbox."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

MARK = "[explained]"
BEGIN, END = "[explained there]\n", "[end]\n"
"""Around an explanation in the text of an error that a worker process hands over; `carried.py` reads it."""


def install():
    """Print the explanation after the traceback that Python prints; add it to what worker processes hand over."""
    # A compiled network meets the watch's hooks, which do nothing while it is traced.
    warnings.filterwarnings("ignore", message=r"Using `torch\.compile\(module\)` when there are global hooks")
    previous = sys.excepthook

    def hook(kind, error, trace):
        previous(kind, error, trace)
        sys.stderr.write(block(error))

    sys.excepthook = hook


def see_workers(torch):
    """Explain where a loader's worker or a replica fails: its frames are gone when the error arrives."""
    wrapper = torch._utils.ExceptionWrapper
    build = wrapper.__init__

    def built(self, exc_info=None, where="in background"):
        exc_info = exc_info or sys.exc_info()
        build(self, exc_info, where)
        if told := block(exc_info[1]).removeprefix(f"{MARK}\n"):
            self.exc_msg += f"{BEGIN}{told}{END}"

    wrapper.__init__ = built


def block(error):
    """Give the marked explanation, or nothing where torch is not at work or the error is not of the code."""
    if "torch" not in sys.modules or not isinstance(error, Exception):
        return ""
    users = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "probes"}
    sys.path.insert(0, str(Path(__file__).parent.parent))
    try:
        return f"{MARK}\n{importlib.import_module('probes.explain').explain(error)}\n"
    except (ImportError, AttributeError):  # not mounted here
        return ""
    finally:
        del sys.path[0]
        for name in [n for n in sys.modules if n.partition(".")[0] == "probes"]:
            del sys.modules[name]
        sys.modules.update(users)
