"""Run a few lines of Python in the sandbox and read back what they report."""

from __future__ import annotations

import json
from pathlib import Path

from ml_intern.core.sandbox import JobSpec, Mount, SandboxBackend, SandboxSpec

_REPORT = """
import json, os
def report(value):
    with os.fdopen(int(os.environ["ML_INTERN_REPORT_FD"]), "w") as stream:
        stream.write(json.dumps(value) + "\\n")
"""


def run_inside(backend: SandboxBackend, code: str, *mounts: Mount, directory: Path) -> object:
    """Give what `code` hands to `report(value)`; it sees `mounts`, and the job's files go to `directory`."""
    directory.mkdir(parents=True)
    spec = SandboxSpec(run="test", mounts=mounts, working_directory="/tmp")
    job = JobSpec(directory=directory, argv=("python", "-I", "-"), stdin=(_REPORT + code).encode(), timeout=120)
    ended = backend.start(spec, job).wait(on_event=lambda event: None)
    assert ended.ok, ended.output
    value: object = json.loads(ended.reports[0])
    return value
