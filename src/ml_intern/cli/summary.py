"""Facts and ends of a run in words a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias, assert_never

from ml_intern.cli.shown import Line, Style
from ml_intern.core.budget import spent
from ml_intern.core.events import Outcome, Record
from ml_intern.core.facts import (
    ContractAgreed,
    ContractChecked,
    DatasetPrepared,
    Departed,
    Evaluated,
    EvaluationFailed,
    Fact,
    NetworkVerified,
    Noted,
    PackagesInstalled,
    Published,
    Queried,
    Score,
    SuiteJudged,
    Trained,
)
from ml_intern.core.folds import facts
from ml_intern.core.followed import PaperCompared, PaperSwept
from ml_intern.core.gated import NetworkChecked, SmokeRun, Waived
from ml_intern.publishing.ledger import ledger, progress

OUTCOMES: dict[Outcome, str] = {
    "done": "done: the contract is met",
    "budget": "stopped: the budget is spent",
    "limit": "stopped: iterations or time are used up",
    "stuck": "stopped: the model repeats itself",
    "incomplete": "incomplete: the task still lacks something",
    "cancelled": "cancelled: stopped as you asked",
    "model_failed": "stopped: the language-model service failed",
    "sandbox_failed": "stopped: the sandbox failed",
    "waiting": "waiting: a person must decide",
}
"""What each outcome means, in the words of the last line."""


_Proven: TypeAlias = (
    Departed
    | DatasetPrepared
    | NetworkVerified
    | SuiteJudged
    | Trained
    | Evaluated
    | Queried
    | EvaluationFailed
    | Published
    | Noted
)


def fact_lines(fact: Fact) -> Iterator[Line]:
    """Say what was proven, one line or a few."""
    if isinstance(fact, ContractAgreed):
        yield from _contract(fact)
    elif isinstance(fact, PackagesInstalled):
        names = ", ".join(f"{package.name} {package.version}" for package in fact.packages)
        yield Line(text=f"  installed: {names} (layer {fact.layer[:12]})", style="good")
    elif isinstance(fact, ContractChecked):
        yield from _held(fact)
    elif isinstance(fact, NetworkChecked | Waived | SmokeRun):
        yield from _gated(fact)
    elif isinstance(fact, PaperSwept | PaperCompared):
        yield from _followed(fact)
    else:
        yield Line(text=f"  {_sentence(fact)}", style="good")


def _sentence(fact: _Proven) -> str:
    match fact:
        case Departed():
            said = f"decided: {fact.point}: {fact.decision} ({fact.reason})"
        case DatasetPrepared():
            rows = ", ".join(f"{part} {count:,}" for part, count in fact.rows.items())
            said = f"data: {fact.dataset} at {fact.revision[:12]}, {fact.task} of {fact.target}; rows: {rows}"
        case NetworkVerified():
            shapes = f"{', '.join(fact.input_shapes)} → {fact.output_shape}"
            said = f"forward pass proven: {fact.class_name}, {fact.parameters:,} parameters, {shapes}"
        case Trained():
            loss = "" if fact.last_loss is None else f", last loss {fact.last_loss:.4g}"
            said = f"trained: {fact.steps:,} steps with {fact.optimizer} on {fact.device} in {fact.seconds:.1f} s{loss}"
        case Evaluated() | Queried() | EvaluationFailed() | SuiteJudged():
            said = _judged(fact)
        case Published():
            said = f"published: {fact.url} (revision {fact.revision[:12]})"
        case Noted():
            said = f"noted {fact.name}: {', '.join(f'{key} {value}' for key, value in fact.values.items())}"
        case _:
            assert_never(fact)
    return said


def _gated(fact: NetworkChecked | Waived | SmokeRun) -> Iterator[Line]:
    match fact:
        case NetworkChecked():
            failed = f", failed: {', '.join(fact.failed)}" if fact.failed else ""
            waived = f", waived: {', '.join(fact.waived)}" if fact.waived else ""
            text, is_bad = f"checks passed: {len(fact.passed)}{failed}{waived}", bool(fact.failed)
        case Waived():
            text, is_bad = f"waived: {fact.check}, because {fact.reason}", False
        case SmokeRun():
            end = "failed" if fact.problem else "passed"
            text, is_bad = f"smoke run {end}: {fact.steps} steps in {fact.seconds:.1f} s", bool(fact.problem)
        case _:
            assert_never(fact)
    yield Line(text=f"  {text}", style="bad" if is_bad else "good")


def _held(fact: ContractChecked) -> Iterator[Line]:
    for one in fact.checks:
        style: Style = "bad" if one.verdict == "broken" else "note"
        yield Line(text=f"  contract, {one.name} {one.value}: {one.verdict} ({one.detail})", style=style)


def _followed(fact: PaperSwept | PaperCompared) -> Iterator[Line]:
    if isinstance(fact, PaperSwept):
        said = f"{len(fact.points)} points of {fact.title} ({fact.paper}) will be held against the run"
        yield Line(text=f"  paper swept: {said}", style="plan")
        return
    for one in fact.points:
        if one.verdict != "open":
            style: Style = "bad" if one.verdict == "differs" else "note"
            said = f"paper {', '.join(one.point.values)}, ours {one.ours}: {one.verdict}"
            yield Line(text=f"  {fact.paper}, {one.point.name}: {said}", style=style)


def _judged(fact: Evaluated | Queried | EvaluationFailed | SuiteJudged) -> str:
    if isinstance(fact, SuiteJudged):
        seen = f"they notice {fact.killed} of {fact.mutants} wrong versions"
        return f"tests of {fact.file}: {fact.tests} passed; {seen}"
    if isinstance(fact, EvaluationFailed):
        return f"could not be scored on {fact.split}; the attempt counts"
    scores = "; ".join(map(score_text, fact.scores))
    if isinstance(fact, Queried):
        return f"asked on {fact.rows:,} selection rows: {scores}"
    return f"evaluated on {fact.rows:,} hidden rows: {scores}"


def score_text(score: Score) -> str:
    """Write a score with its interval and what guessing would reach."""
    return f"{score.metric} {score.value:.4g} (95 % {score.low:.4g} to {score.high:.4g}; baseline {score.baseline:.4g})"


def _contract(fact: ContractAgreed) -> Iterator[Line]:
    yield Line(text=f"  contract: {fact.objective}", style="plan")
    if fact.dataset:
        yield Line(text=f"    data set: {fact.dataset}", style="plan")
    if fact.metric:
        yield Line(text=f"    metric: {fact.metric}", style="plan")
    for constraint in fact.constraints:
        yield Line(text=f'    fixed: {constraint.name} = {constraint.value} ("{constraint.words}")', style="plan")
    yield Line(text=f"    to deliver: {', '.join(fact.deliverables).replace('_', ' ')}", style="plan")
    for number, step in enumerate(fact.plan, 1):
        yield Line(text=f"    {number}. {step}", style="plan")


def end_lines(records: Sequence[Record], outcome: Outcome) -> Iterator[Line]:
    """Say how the run stands: outcome, score, where the model is, what it cost."""
    yield Line(text=OUTCOMES[outcome], style="good" if outcome == "done" else "bad")
    if evaluations := facts(records, Evaluated):
        yield Line(text=f"  score: {'; '.join(map(score_text, evaluations[-1].scores))}", style="good")
    if (counted := progress(ledger(records))).candidates > 1:
        yield Line(
            text=f"  progress: {counted.candidates} candidates, {counted.gains} gains beyond the noise, "
            f"{counted.false_gains} that may be chance",
            style="note",
        )
    if publications := facts(records, Published):
        yield Line(text=f"  model: {publications[-1].url}", style="good")
    yield Line(text=f"  cost: {cost_text(records)}", style="note")


def cost_text(records: Sequence[Record]) -> str:
    """Write what the model calls cost so far."""
    used = spent(records)
    tokens = used.usage.input_tokens + used.usage.output_tokens
    price = "price unknown" if used.usage.usd is None else f"${used.usage.usd:.2f}"
    requests = f"{used.iterations} model request{'' if used.iterations == 1 else 's'}"
    return f"{requests}, {tokens:,} tokens, {price}"
