"""The static checks: each finds its bug and leaves the same code without it, and code of libraries, alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import cast

import pytest

from ml_intern.verification.registry import PROBES, entries

from .lints import LINTS

RUN = """
import json, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from probes.candidate import Candidate
from probes.checks import registry
checks = [c for c in registry.all_checks() if c.family == "static"]
told = {}
for name, code in json.load(sys.stdin).items():
    with tempfile.TemporaryDirectory() as root:
        Path(root, "net.py").write_text(code, "utf-8")
        candidate = Candidate({"root": root, "file": "net.py", "contract": {"claims": {}}})
        found = {c.name: o for c in checks if (o := c.run(candidate)) is not None}
        told[name] = {key: [o.what, o.where] for key, o in found.items()}
print(json.dumps(told))
"""
Found = dict[str, dict[str, list[str]]]


def look(programs: dict[str, str], python: Path) -> Found:
    """Run every static check on each program; give what fails, why and where."""
    done = subprocess.run(
        [python / "bin/python", "-W", "ignore", "-c", RUN, str(PROBES.parent)],
        input=json.dumps(programs),
        capture_output=True,
        text=True,
        check=True,
    )
    return cast("Found", json.loads(done.stdout))


@pytest.mark.sandbox
def test_each_static_check_finds_its_bug_and_nothing_in_the_same_code_without_it(sandbox_python: Path) -> None:
    wrong = look({name: pair[0] for name, (_, pair) in LINTS.items()}, sandbox_python)
    right = look({name: pair[1] for name, (_, pair) in LINTS.items()}, sandbox_python)

    assert {name: check for name, (check, _) in LINTS.items() if check not in wrong[name]} == {}
    assert {name: found for name, found in right.items() if found} == {}
    assert {check for check, _ in LINTS.values()} == {e.name for e in entries() if e.family == "static"}


@pytest.mark.sandbox
def test_the_code_of_libraries_is_not_accused(sandbox_python: Path) -> None:
    packages = next((sandbox_python / "lib").glob("python3*")) / "site-packages"
    folders = ("torch/nn/modules", "transformers/models/llama", "transformers/models/t5", "transformers/models/mixtral")
    files = [file for folder in folders for file in sorted((packages / folder).glob("*.py"))]

    found = look({str(file): file.read_text("utf-8") for file in files}, sandbox_python)

    assert len(files) > 30
    assert {name: told for name, told in found.items() if told} == {}
