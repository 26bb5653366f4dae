"""Run and judge the tests of a network for a tool call; tests that once counted are run again at every check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import SuiteJudged
from ml_intern.core.folds import facts
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.verification.novel import missing_layers, novel_layers
from ml_intern.verification.source import source_files, workspace_name
from ml_intern.verification.unit_tests import Suite, SuiteReport, judge_tests


def judged_suite(context: ToolContext, network: str, tests: str) -> Observation:
    """Run `tests` on `network` and on wrong versions of it.

    Raises:
        ToolError: a file cannot be used, the tests do not import the network, or a layer declared new is not there.
    """
    report = _report(context, source_files(context.paths.workspace, network), tests)
    return Observation(text=report.text, ok=report.passed, facts=(report.fact,) if report.fact else ())


def with_known_tests(context: ToolContext, files: Mapping[str, bytes], checked: Observation) -> Observation:
    """Let a network that passed its check pass the tests that were written for it, too; a failure voids the pass."""
    known = [fact for fact in facts(context.records, SuiteJudged) if fact.file == next(iter(files))]
    if not checked.ok or not known:
        return checked
    try:
        report = _report(context, files, known[-1].tests_file)
    except ToolError as error:
        report = SuiteReport(passed=False, text=f"Its tests cannot be run: {error}")
    if not report.passed:
        text = f"The forward pass is right, but the tests written for this network do not pass.\n{report.text}"
        return Observation(text=text, ok=False)
    proven = (report.fact,) if report.fact else ()
    return replace(checked, text=f"{checked.text}\n{report.text}", facts=(*checked.facts, *proven))


def _report(context: ToolContext, network: Mapping[str, bytes], tests: str) -> SuiteReport:
    found = source_files(context.paths.workspace, tests)
    file = next(iter(network))
    if file not in found or workspace_name(tests) == file:
        module = file.removesuffix(".py").replace("/", ".")
        raise ToolError(f"{tests} does not import {file}; write in it, for example: from {module} import Network")
    novel = novel_layers(network, context.records)
    if missing := missing_layers(network, novel):
        raise ToolError(f"{', '.join(missing)} is declared new, but {file} defines no such class or function")
    return judge_tests(
        context.sandboxes(),
        Suite(network=network, tests=found, layers=novel),
        run=context.run,
        directory=context.paths.call(context.call_id),
        cancelled=context.cancelled,
    )
