"""Networks that are too large to allocate: checked at full size by shapes, and in their small form by values."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ml_intern.cli.checking import request_of_file
from ml_intern.sandboxes.namespaces import NamespaceBackend
from ml_intern.verification.checking import CheckReport, CheckRequest, check_candidate
from ml_intern.verification.registry import PROBES
from ml_intern.verification.source import source_files

LLAMA = Path(__file__).parent / "large" / "llama.py"
FULL_SIZE = ("full-forward", "full-operations", "full-parameters", "training-memory")
RUN = """
import json, resource, sys
sys.path.insert(0, sys.argv[1])
from probes import fullsize
from probes.candidate import Candidate
from probes.checks import registry
candidate = Candidate(json.load(sys.stdin))
told = {c.name: c.run(candidate) for c in registry.all_checks() if c.family == "fake"}
wrong = [name for name, outcome in told.items() if outcome is not None and outcome.status != "pass"]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([wrong, fullsize.full_size(candidate).parameters, peak]))
"""


def check(backend: NamespaceBackend, folder: Path, source: str, *, memory: int = 1 << 20) -> CheckReport:
    """Run the checks on a program with so little memory that an ordinary network is too large."""
    file = folder / "net.py"
    file.write_text(source, "utf-8")
    asked = request_of_file(file)
    request = CheckRequest(
        file="net.py", contract=asked.contract, only=(*FULL_SIZE, "forward", "causality"), memory=memory
    )
    return check_candidate(
        backend, run="check", directory=folder, files=source_files(folder, "net.py"), request=request
    )


def said(report: CheckReport) -> dict[str, str]:
    return {result.name: result.status for result in report.results}


@pytest.mark.sandbox
def test_seven_billion_parameters_are_checked_in_the_memory_of_a_process_without_weights(sandbox_python: Path) -> None:
    request = {
        "root": str(LLAMA.parent),
        "file": LLAMA.name,
        "contract": json.loads(request_of_file(LLAMA).contract.to_json()),
        "memory": 2 << 30,
    }

    done = subprocess.run(
        [sandbox_python / "bin/python", "-W", "ignore", "-c", RUN, str(PROBES.parent)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )

    wrong, parameters, kib = json.loads(done.stdout)
    assert (wrong, parameters) == ([], 6_738_415_616)
    assert kib < 1_000_000


@pytest.mark.sandbox
def test_a_large_network_is_held_to_its_claims_at_full_size_and_to_values_in_its_small_form(
    backend: NamespaceBackend, tmp_path: Path
) -> None:
    report = check(backend, tmp_path, LLAMA.read_text("utf-8"), memory=64 << 20)

    assert said(report) == dict.fromkeys((*FULL_SIZE, "forward", "causality"), "pass")


@pytest.mark.sandbox
def test_wrong_claims_about_a_large_network_are_found_without_its_memory(
    backend: NamespaceBackend, tmp_path: Path
) -> None:
    source = LLAMA.read_text("utf-8").replace("6738415616", "6538415616").replace('"mflops": 92515', '"mflops": 80000')
    source = source.replace("128 * 1024 * 1024 * 1024", "80 * 1024 * 1024 * 1024").replace(
        "is_causal=True", "is_causal=False"
    )

    report = check(backend, tmp_path, source, memory=64 << 20)

    assert said(report) == {
        **dict.fromkeys(FULL_SIZE, "fail"),
        "full-forward": "pass",
        "forward": "pass",
        "causality": "fail",
    }


@pytest.mark.sandbox
def test_a_fixed_batch_size_of_a_large_network_is_found_by_shapes_alone(
    backend: NamespaceBackend, tmp_path: Path
) -> None:
    source = LLAMA.read_text("utf-8").replace("reshape(batch, time, width)", "reshape(2, time, width)")

    report = check(backend, tmp_path, source, memory=64 << 20)

    assert said(report)["full-forward"] == "fail"
    assert "net.py:" in report.failures[0].what


@pytest.mark.sandbox
def test_a_large_network_without_a_small_form_is_not_allocated(backend: NamespaceBackend, tmp_path: Path) -> None:
    report = check(backend, tmp_path, LLAMA.read_text("utf-8").replace('"shrink": {', '"unused": {'))

    assert said(report) == {
        **dict.fromkeys(FULL_SIZE, "pass"), "forward": "not_applicable", "causality": "not_applicable",
    }  # fmt: skip
    assert "META['shrink']" in report.results[-1].what
