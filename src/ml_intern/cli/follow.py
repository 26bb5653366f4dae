"""Carry a run on while a person or a program watches, to its end or to the question that only a person can answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ml_intern.agent import InternAgent
from ml_intern.cli.ask import decide
from ml_intern.cli.assemble import assemble
from ml_intern.cli.invocation import Invocation
from ml_intern.cli.options import AgentOptions, Output, remember, remembered
from ml_intern.cli.reading import read_records
from ml_intern.cli.signals import stopping
from ml_intern.cli.statuses import status_for
from ml_intern.cli.surface import JsonLines, Story, Surface, printer
from ml_intern.core.errors import JournalError
from ml_intern.core.events import Outcome, Record
from ml_intern.journal.runs import new_run, outcome_of


def start(task: str, options: AgentOptions, output: Output, invocation: Invocation) -> int:
    """Begin a run of `task` and follow it; gives the exit status."""
    surface = _surface(output, invocation)
    _warn(options, invocation)
    agent = assemble(options, home=invocation.settings.home, watcher=surface.live)
    run = new_run(task, now=datetime.now(UTC))
    records = agent.stream(task, run=run)
    directory = invocation.settings.runs / run
    surface.opened(run, directory, ())
    return _Following(agent, surface, invocation, directory, options).to_its_end(records, can_ask=output != "json")


def go_on(directory: Path, options: AgentOptions, output: Output, invocation: Invocation) -> int:
    """Resume the run in `directory` and follow it; gives the exit status."""
    history = read_records(directory)
    if outcome_of(history) == "done":
        invocation.terminal.note(f"ml-intern: {directory.name} is done already; see: ml-intern show {directory.name}")
        return status_for("done")
    options = options.over(remembered(directory))
    surface = _surface(output, invocation)
    _warn(options, invocation)
    agent = assemble(options, home=invocation.settings.home, watcher=surface.live)
    records = agent.resume(directory.name)
    surface.opened(directory.name, directory, history)
    return _Following(agent, surface, invocation, directory, options).to_its_end(records, can_ask=output != "json")


def _warn(options: AgentOptions, invocation: Invocation) -> None:
    """Say what is risked, where it is accepted; where it is not, the agent refuses."""
    if (options.sandbox or invocation.settings.sandbox) == "none" and options.i_accept_the_risk:
        from ml_intern.sandboxes.plain import WARNING  # noqa: PLC0415 - seldom

        invocation.terminal.note(f"ml-intern: WARNING: {WARNING}")


class _Following:
    """One run under one agent, shown on one surface."""

    def __init__(
        self, agent: InternAgent, surface: Surface, invocation: Invocation, directory: Path, options: AgentOptions
    ) -> None:
        self._agent = agent
        self._surface = surface
        self._invocation = invocation
        self._directory = directory
        self._options = options

    def to_its_end(self, records: Iterator[Record], *, can_ask: bool) -> int:
        """Follow, ask, go on; until the run ends or nobody is there to ask."""
        outcome = self._watch(records)
        while outcome == "waiting" and can_ask and decide(self._directory, self._invocation.terminal):
            outcome = self._watch(self._agent.resume(self._directory.name))
        for line in hints(outcome, self._directory.name):
            self._invocation.terminal.note(line)
        return status_for(outcome)

    def _watch(self, records: Iterator[Record]) -> Outcome:
        try:
            with stopping(self._agent.cancel):
                for record in records:
                    self._note_run()
                    self._surface.record(record)
        finally:
            self._surface.close()
            self._agent.close()
        # a run whose records ended always has an outcome; None can only mean that it was cut off
        return outcome_of(read_records(self._directory)) or "cancelled"

    def _note_run(self) -> None:
        """Once the run exists, say so to whoever must report a failure, and keep its options."""
        if not self._invocation.run:
            self._invocation.run = self._directory.name
            try:
                remember(self._options, self._directory)
            except OSError as error:
                raise JournalError(f"{self._directory} cannot be written: {error}; free some disk space") from error


def hints(outcome: Outcome, run: str) -> Sequence[str]:
    """Say what the person can do next."""
    match outcome:
        case "done":
            return [f"ml-intern: details: ml-intern show {run}"]
        case "waiting":
            return [
                f"ml-intern: decide with: ml-intern approve {run}   or: ml-intern deny {run} --comment WHY",
                f"ml-intern: then go on with: ml-intern resume {run}",
            ]
        case "budget":
            return [f"ml-intern: go on with a higher limit: ml-intern resume {run} --max-usd USD (or --max-tokens N)"]
        case _:
            return [f"ml-intern: go on with: ml-intern resume {run}"]


def _surface(output: Output, invocation: Invocation) -> Surface:
    terminal = invocation.terminal
    return JsonLines(terminal) if output == "json" else Story(printer(terminal, plain=output == "plain"))
