"""Run checks on programs in forks of one process, so that torch is imported once, and what any of them imports."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from ml_intern.cli.checking import request_of_file
from ml_intern.verification.registry import PROBES

RUN = """
import importlib, json, sys, tempfile, shutil
sys.path.insert(0, sys.argv[1])
import torch
for name in sys.argv[2:]:
    importlib.import_module(name)
from probes import apart, examine
from probes.candidate import Candidate
from probes.checks import registry
torch.set_num_threads(1)
checks = registry.all_checks()
sys.dont_write_bytecode = True

def judge(request, only):
    told = []
    examine.examine(Candidate(request), [c for c in checks if not only or c.name in only], told.append, 60.0)
    return {line["check"]: [line["status"], line["what"], line["where"]] for line in told if "check" in line}

with tempfile.TemporaryDirectory() as root:
    told = {}
    for file, (contract, only) in json.load(sys.stdin).items():
        name = shutil.copy(file, root).rpartition("/")[2]
        request = {"root": root, "file": name, "contract": contract, "memory": 2 << 30}
        told[name] = apart.run(lambda: judge(request, only))
print(json.dumps(told))
"""
Told = dict[str, dict[str, list[str]]]


def judged(files: Iterable[Path], python: Path, only: Mapping[str, Sequence[str]] | None = None) -> Told:
    """Give status, what and where of each check for each program; `only` names checks by the program's name."""
    asked = {
        str(file): [json.loads(request_of_file(file).contract.to_json()), (only or {}).get(file.stem)] for file in files
    }
    shared = ["transformers"] if any("transformers" in Path(file).read_text("utf-8") for file in asked) else []
    done = subprocess.run(
        [python / "bin/python", "-W", "ignore", "-c", RUN, str(PROBES.parent), *shared],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    return cast("Told", json.loads(done.stdout.splitlines()[-1]))
