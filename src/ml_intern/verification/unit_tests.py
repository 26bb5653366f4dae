"""Run the tests that were written for a network in a sandbox, and judge them by wrong versions of the network."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from ml_intern.core.facts import SuiteJudged
from ml_intern.core.sandbox import JobResult, SandboxBackend
from ml_intern.verification.asking import SOURCE, Question, ask, plain
from ml_intern.verification.condense import condense, shorten
from ml_intern.verification.source import source_digest

Fate: TypeAlias = Literal["killed", "crashed", "different", "same", "not run"]

MUTANTS = 80
"""Wrong versions tried at most; they are spread over functions and kinds of change."""
TIMEOUT = 360.0
"""Seconds for tests and wrong versions together."""

TOOLBOX = Path(__file__).parent / "probes" / "toolbox" / "properties.py"
"""What tests import as `properties`."""

_LIMIT = 2400
_FAILURES, _FAILURE = 3, 700
_SHOWN: Mapping[Fate, int] = {"different": 8, "not run": 4, "same": 4}
_SURVIVED: Mapping[Fate, str] = {
    "different": "Your tests saw these compute something else, and passed",
    "not run": "No test runs these lines",
    "same": "These computed the same in all your tests: equivalent, or an input that tells them apart is missing",
}


def offered() -> str:
    """List what `properties` offers: each function's signature and what it asserts."""
    functions = [
        node
        for node in ast.parse(TOOLBOX.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    told = [f"{f.name}({ast.unparse(f.args)}): {ast.get_docstring(f)}" for f in functions]
    return "\n".join(("import properties  # in a file of tests; each raises AssertionError", *told))


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Tests and what they test.

    Attributes:
        network: the network's file and the workspace's modules it imports, as `source_files` gives them.
        tests: the test file and what else it imports, likewise; the file itself comes first.
        layers: classes and functions that are changed to judge the tests; empty means all.
    """

    network: Mapping[str, bytes]
    tests: Mapping[str, bytes]
    layers: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The network's file."""
        return next(iter(self.network))

    @property
    def test_file(self) -> str:
        """The test file."""
        return next(iter(self.tests))

    @property
    def digest(self) -> str:
        """Of the tests alone."""
        return source_digest({name: content for name, content in self.tests.items() if name not in self.network})


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteReport:
    """How it went. `text` is for the language model; without a fact the tests do not count."""

    passed: bool
    text: str
    fact: SuiteJudged | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """How one test ended on the right source."""

    test: str
    passed: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A wrong version and its fate; `where` has file, line and owner, `what` the change."""

    where: str
    what: str
    fate: Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Findings:
    """The probe's report, parsed."""

    outcomes: tuple[_Outcome, ...]
    flaky: tuple[_Outcome, ...]
    changes: tuple[_Change, ...]


def judge_tests(
    backend: SandboxBackend,
    suite: Suite,
    *,
    run: str,
    directory: Path,
    mutants: int = MUTANTS,
    cancelled: Callable[[], bool] = lambda: False,
) -> SuiteReport:
    """Run the tests with three seeds, then against wrong versions of the network; asked again, attach.

    Args:
        backend: where it runs.
        suite: network and tests.
        run: identifier of the run, to label the sandbox.
        directory: a folder of the host that the sandbox does not see.
        mutants: wrong versions to try at most; 0 runs the tests alone.
        cancelled: whether the person asked to stop.

    Raises:
        SandboxError: the sandbox cannot start.
    """
    files = {**suite.tests, **suite.network}
    asked = {
        "root": SOURCE,
        "tests": suite.test_file,
        "network": list(suite.network),
        "layers": list(suite.layers),
        "limit": mutants,
    }
    whole = Question(program="unit_tests.py", asked=asked, directory=directory, files=files, timeout=TIMEOUT)
    result, said = ask(backend, whole, run=run, cancelled=cancelled)
    found = next((f for report in said if (f := _parse(report)) is not None), None)
    return _judge(suite, found, result)


def _parse(report: Mapping[str, Any]) -> _Findings | None:
    """Read the report; None for one that is not whole."""
    try:
        return _Findings(
            outcomes=tuple(_outcome(entry) for entry in report["tests"]),
            flaky=tuple(_outcome(entry) for entry in report["flaky"]),
            changes=tuple(_change(entry) for entry in report["mutants"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _outcome(entry: Mapping[str, object]) -> _Outcome:
    return _Outcome(test=plain(entry["test"]), passed=entry["outcome"] == "passed", text=plain(entry["text"]))


def _change(entry: Mapping[str, object]) -> _Change:
    fate = next((known for known in get_args(Fate) if known == entry["fate"]), None)
    if fate is None:
        raise ValueError(f"no such fate: {entry['fate']}")
    return _Change(
        where=plain(f"{entry['file']}:{entry['line']} {entry['owner']}"),
        what=plain(f"{entry['operator']}: {_line(entry['before'])} → {_line(entry['after'])}"),
        fate=fate,
    )


def _line(code: object) -> str:
    text = " ".join(str(code).split())
    return text if len(text) <= 90 else f"{text[:89]}…"


def _judge(suite: Suite, found: _Findings | None, result: JobResult) -> SuiteReport:
    if found is None:
        said = condense(result.output, 600)
        why = result.reason or f"status {result.exit_code}"
        return SuiteReport(passed=False, text=f"The tests of {suite.test_file} gave no verdict ({why}).\n{said}")
    failed = [outcome for outcome in found.outcomes if not outcome.passed]
    if failed or not found.outcomes or found.flaky:
        return SuiteReport(passed=False, text=shorten(_failed(suite, found, failed, result), _LIMIT))
    fates = Counter(change.fate for change in found.changes)
    counted = len(found.changes) - fates["crashed"]
    survivors = [change for change in found.changes if change.fate in _SURVIVED]
    fact = SuiteJudged(
        file=suite.file,
        source_digest=source_digest(suite.network),
        tests_file=suite.test_file,
        tests_digest=suite.digest,
        layers=suite.layers,
        tests=len(found.outcomes),
        mutants=counted,
        killed=fates["killed"],
        survivors=tuple(f"{change.where}, {change.what}" for change in survivors[:20]),
    )
    text = shorten(_passed(fact, found, fates["crashed"]), _LIMIT)
    if found.changes and not fact.killed:
        return SuiteReport(passed=False, text=text)
    return SuiteReport(passed=True, text=text, fact=fact)


def _failed(suite: Suite, found: _Findings, failed: Sequence[_Outcome], result: JobResult) -> str:
    if not found.outcomes:
        return f"{suite.test_file} has no tests: write functions test_*() without arguments that assert."
    if failed:
        told = failed
        head = f"{len(failed)} of {len(found.outcomes)} tests FAILED on {suite.file}."
    else:
        told = found.flaky
        head = "Tests FAILED with another seed. They must not need luck: fix the seed, or assert what always holds."
    shown = [f"- {outcome.test}: {shorten(outcome.text, _FAILURE)}" for outcome in told[:_FAILURES]]
    more = [f"… and {len(told) - _FAILURES} more"] if len(told) > _FAILURES else []
    passed = [outcome.test for outcome in found.outcomes if outcome.passed]
    printed = [f"Printed:\n{said}"] if (said := condense(result.output, 500).strip()) else []
    return "\n".join([head, *shown, *more, f"Passed: {', '.join(passed) or 'none'}.", *printed])


def _passed(fact: SuiteJudged, found: _Findings, crashed: int) -> str:
    head = f"{fact.tests} tests of {fact.tests_file} passed on {fact.file}, each with three seeds."
    if not found.changes:
        return head
    own = f"; {crashed} more broke by themselves, which any call shows, and do not count" if crashed else ""
    score = (
        f"Of {fact.mutants} wrong versions of the network they notice {fact.killed} ({_percent(fact)}){own}."
        if fact.killed
        else f"They are WORTHLESS as they stand: of {fact.mutants} wrong versions of the network they notice none{own}."
        " Assert what the definition says of outputs, routing, masks and gradients, not only shapes."
    )
    return "\n".join([head, score, *_survivors(found.changes)])


def _percent(fact: SuiteJudged) -> str:
    return f"{100 * fact.killed / fact.mutants:.0f} %"


def _survivors(changes: Sequence[_Change]) -> list[str]:
    lines: list[str] = []
    for fate, why in _SURVIVED.items():
        kept = [change for change in changes if change.fate == fate]
        if not kept:
            continue
        lines.append(f"{why} ({len(kept)}):")
        lines += [f"- {change.where}, {change.what}" for change in kept[: _SHOWN[fate]]]
        lines += [f"- … {len(kept) - _SHOWN[fate]} more"] if len(kept) > _SHOWN[fate] else []
    return lines
