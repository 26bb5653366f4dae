"""The process that runs the user's code.

Started by the supervisor as `worker.py COMMANDS RESULTS REPORTS` (numbers of descriptors), or as `worker.py nursery
CHANNEL MODULES`, which imports the modules (comma-separated) and forks workers that hold them already. What is started
is compiled each time, what is imported is not: hence a file of its own.
"""

from __future__ import annotations

import sys

import _worker_cells

# the code may have modules of these names
sys.modules["_ml_intern_cells"] = sys.modules.pop("_worker_cells")
sys.modules["_ml_intern_lean"] = sys.modules.pop("lean")

if __name__ == "__main__":
    _worker_cells.main(*sys.argv[1:])
