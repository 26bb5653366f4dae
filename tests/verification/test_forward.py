from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import NetworkVerified
from ml_intern.core.sandbox import (
    Availability,
    Job,
    JobEvent,
    JobResult,
    JobSpec,
    Mount,
    Sandbox,
    SandboxBackend,
    SandboxSpec,
)
from ml_intern.verification.cheap import check_before_training
from ml_intern.verification.forward import ForwardReport, ForwardRequest
from ml_intern.verification.source import source_digest
from verification.networks import BROKEN, MLP, RIGHT, TOKENS, VECTOR, Case

PLAIN = RIGHT["a plain network with arguments"]
FOUND: dict[str, object] = {"passed": ["loads"], "failures": [], "notes": [], "parameters": 131, "traceback": ""}
EMPTY: dict[str, object] = {"forward": FOUND}


class Ended:
    """A job that ended with this result."""

    def __init__(self, result: JobResult) -> None:
        self._result = result

    def wait(self, *, on_event: Callable[[JobEvent], None], cancelled: Callable[[], bool] = lambda: False) -> JobResult:
        del on_event, cancelled
        return self._result

    def hand(self, stdin: bytes) -> None:
        del stdin

    def stop(self, reason: str) -> None:
        del reason


class Answers:
    """A backend whose jobs end at once; `report` makes the lines from the request."""

    name = "answers"

    def __init__(
        self,
        report: Callable[[dict[str, object]], Sequence[object]] = lambda request: (),
        *,
        exit_code: int | None = 0,
        reason: str | None = None,
        output: str = "",
    ) -> None:
        self._report = report
        self._result = JobResult(exit_code=exit_code, reason=reason, output=output, reports=(), seconds=1.0)
        self.started: list[tuple[SandboxSpec, JobSpec]] = []

    def start(self, spec: SandboxSpec, job: JobSpec) -> Job:
        self.started.append((spec, job))
        lines = self._report(json.loads(job.stdin))
        reports = tuple(line if isinstance(line, str) else json.dumps(line) for line in lines)
        return Ended(replace(self._result, reports=reports))

    def check(self) -> Availability:
        return Availability(works=True, detail="")

    def open(self, spec: SandboxSpec) -> Sandbox:
        raise NotImplementedError

    def reap(self, is_alive: Callable[[str], bool]) -> Sequence[str]:
        del is_alive
        return ()


def ask(backend: SandboxBackend, directory: Path, case: Case = PLAIN) -> ForwardReport:
    return forward_pass(backend, directory, case.files, case.request)


def forward_pass(
    backend: SandboxBackend, directory: Path, files: Mapping[str, bytes], request: ForwardRequest
) -> ForwardReport:
    """Run the forward pass alone."""
    return check_before_training(backend, run="r", directory=directory, files=files, request=request, contract=None)[0]


def test_a_report_with_the_nonce_of_the_request_proves_the_network(tmp_path: Path) -> None:
    backend = Answers(lambda request: [{**EMPTY, "nonce": request["nonce"]}])

    report = ask(backend, tmp_path)

    digest = source_digest(PLAIN.files)
    assert report == ForwardReport(
        passed=True,
        text=(
            "Net (network.py) passed the forward pass: 131 parameters, (2, 4) -> (2, 3).\nChecked: loads.\n"
            f"Source {digest[:12]}; any edit of it, or of a module it imports, voids this pass."
        ),
        fact=NetworkVerified(
            file="network.py",
            class_name="Net",
            arguments='{"width": 16}',
            source_digest=digest,
            input_shapes=("(2, 4)",),
            output_shape="(2, 3)",
            parameters=131,
        ),
    )


@pytest.mark.parametrize(
    "line",
    [
        {**EMPTY, "nonce": "0" * 32},
        EMPTY,
        {**EMPTY, "nonce": None},
        "passed",
        "null",
        "[]",
        "{",
        '{"nonce": "ü"}',
        '{"nonce": "\\ud800"}',
        "[" * 100_000,
    ],
)
def test_a_line_without_the_nonce_proves_nothing(tmp_path: Path, line: object) -> None:
    report = ask(Answers(lambda request: [line]), tmp_path)

    assert (report.passed, report.fact) == (False, None)
    assert "ended by itself with status 0 before the checks were through" in report.text


def test_forged_lines_do_not_hide_the_true_report(tmp_path: Path) -> None:
    failure = {"check": "loads", "text": "no"}
    backend = Answers(
        lambda request: [
            {**EMPTY, "nonce": "x"},
            "{",
            {"forward": {**FOUND, "failures": [failure]}, "nonce": request["nonce"]},
        ]
    )

    report = ask(backend, tmp_path)

    assert not report.passed
    assert "FAILED 1 check" in report.text


def test_a_message_with_half_a_character_can_still_be_written_to_a_journal(tmp_path: Path) -> None:
    failure = {"check": "loads", "text": "half \ud83d"}
    backend = Answers(lambda request: [{"forward": {**FOUND, "failures": [failure]}, "nonce": request["nonce"]}])

    assert b"- loads: half ?" in ask(backend, tmp_path).text.encode("utf-8")


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        (Answers(exit_code=None, reason="timeout"), "not through after 120 s"),
        (Answers(lambda request: [{"forward": None, "nonce": request["nonce"]}]), "not through after 120 s"),
        (Answers(exit_code=None, reason="memory"), "ran out of memory. Check a smaller configuration"),
        (Answers(exit_code=None, reason="signal 11"), "signal 11 ended the process"),
        (Answers(exit_code=None, reason="stopped"), "was stopped"),
        (Answers(exit_code=3, output="Killed by me"), "status 3 before"),
    ],
)
def test_a_job_without_a_report_says_how_it_ended(tmp_path: Path, backend: Answers, says: str) -> None:
    report = ask(backend, tmp_path)

    assert not report.passed
    assert says in report.text


def test_what_the_process_printed_last_is_shown_and_kept_whole(tmp_path: Path) -> None:
    output = "x" * 5000 + "the end"

    report = ask(Answers(exit_code=1, output=output), tmp_path)

    said, _, pointer = report.text.rpartition("\n")
    assert said.endswith("the end")
    assert report.traceback == output
    assert pointer == f"(whole traceback: read_file calls/{tmp_path.name}/output.log)"
    assert (tmp_path / "output.log").read_text("utf-8") == output


def test_many_long_failures_fit_into_what_a_model_should_read(tmp_path: Path) -> None:
    failures = [{"check": f"check {n}", "text": "x" * 2000} for n in range(12)]
    backend = Answers(
        lambda request: [
            {"forward": {**FOUND, "failures": failures, "traceback": "t" * 5000}, "nonce": request["nonce"]}
        ]
    )

    report = ask(backend, tmp_path)

    assert len(report.text) <= 1500
    assert report.text.endswith("output.log)")
    assert report.text.startswith("Net (network.py) FAILED 12 checks of the forward pass.\n- check 0: x")
    assert report.traceback == "t" * 5000


def test_the_sandbox_sees_the_source_and_the_probes_and_nothing_else(tmp_path: Path) -> None:
    backend = Answers()

    ask(backend, tmp_path)

    spec, job = backend.started[0]
    source, probes = spec.mounts
    assert (source.target, source.writable) == ("/source", False)
    assert {str(f.relative_to(source.source)): f.read_bytes() for f in source.source.iterdir()} == PLAIN.files
    assert probes == Mount(source=probes.source, target="/opt/ml-intern/probes")
    assert job.argv == ("python", "-I", "/opt/ml-intern/probes/gate.py")
    assert not job.directory.is_relative_to(source.source)


def test_the_same_request_meets_its_job_again_and_another_one_never_does(tmp_path: Path) -> None:
    backend = Answers()
    edited = replace(PLAIN, body=f"{MLP}\n# edited\n")
    wider = replace(PLAIN, arguments={"width": 32})

    for case in (PLAIN, PLAIN, edited, wider):
        ask(backend, tmp_path, case)

    jobs = [job for _, job in backend.started]
    assert jobs[0] == jobs[1]
    assert len({job.directory for job in jobs}) == 3
    assert len({json.loads(job.stdin)["nonce"] for job in jobs}) == 3


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (replace(PLAIN, inputs=()), "at least one input"),
        (replace(PLAIN, inputs=(replace(VECTOR[0], shape=(0,)),)), "at least 1"),
        (replace(PLAIN, output_shape=(-1,)), "at least 1"),
        (replace(PLAIN, inputs=(replace(TOKENS[0], low=5, high=5),)), "low=5, high=5 leaves none"),
        (replace(PLAIN, arguments={"width": float("nan")}), "must be JSON"),
    ],
)
def test_a_request_without_sense_is_refused_before_anything_starts(tmp_path: Path, case: Case, says: str) -> None:
    backend = Answers()

    with pytest.raises(ToolError, match=says):
        ask(backend, tmp_path, case)
    assert backend.started == []


def test_a_file_that_cannot_be_imported_by_name_is_refused(tmp_path: Path) -> None:
    request = replace(PLAIN.request, file="my-network.py")
    files = {"my-network.py": b""}

    with pytest.raises(ToolError, match="letters, digits and _"):
        forward_pass(Answers(), tmp_path, files, request)
    with pytest.raises(ToolError, match="not among the files"):
        forward_pass(Answers(), tmp_path, {}, request)


@pytest.mark.sandbox
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_network_passes(backend: SandboxBackend, tmp_path: Path, name: str) -> None:
    report = ask(backend, tmp_path, RIGHT[name])

    assert report.passed, report.text + report.traceback
    assert report.fact is not None
    assert report.fact.parameters > 0


@pytest.mark.sandbox
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_network_is_refused_with_the_fault_named(backend: SandboxBackend, tmp_path: Path, name: str) -> None:
    case = BROKEN[name]

    report = ask(backend, tmp_path, case)

    assert (report.passed, report.fact) == (False, None)
    assert f"- {case.check}: " in report.text
    assert case.says in report.text


FORGER = """
import json, os
line = json.dumps({"nonce": os.environ.get("NONCE", ""), "forward": {"passed": ["all"], "failures": [], "notes": [],
                   "parameters": 9, "traceback": ""}) + "\\n"
print(line)
for descriptor in range(3, 1024):
    try:
        os.write(descriptor, line.encode())
    except OSError:
        pass
"""


@pytest.mark.sandbox
@pytest.mark.parametrize("end", ["os._exit(0)", "raise SystemExit(0)", "os.execv('/bin/true', ['true'])"])
def test_a_network_that_forges_a_report_and_leaves_is_refused(
    backend: SandboxBackend, tmp_path: Path, end: str
) -> None:
    report = ask(backend, tmp_path, Case(body=f"{FORGER}\n{end}\n"))

    assert (report.passed, report.fact) == (False, None)


@pytest.mark.sandbox
def test_the_candidate_finds_neither_the_channel_nor_the_request(backend: SandboxBackend, tmp_path: Path) -> None:
    body = """
    import os, sys
    print("channel", os.environ.get("ML_INTERN_REPORT_FD"), "request", repr(sys.stdin.buffer.read()), flush=True)
    os._exit(1)
    """

    report = ask(backend, tmp_path, Case(body=body))

    assert "channel None request b''" in report.text
