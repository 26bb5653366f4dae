"""`InternAgent`: a model, tools and a budget, put together into runs that can be killed and resumed."""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast, get_args

from ml_intern import plugins
from ml_intern.agent.prompt import SYSTEM
from ml_intern.config import Settings
from ml_intern.core.budget import Budget
from ml_intern.core.errors import ConfigError, JournalError
from ml_intern.core.events import EXIT_STATUS, CheckWaived, Event, Outcome, Record, RunReopened, RunStarted
from ml_intern.core.facts import Fact, PackagesInstalled
from ml_intern.core.folds import all_facts, facts, started, waivers
from ml_intern.core.live import Watcher, ignore
from ml_intern.core.messages import Effect, Observation, ToolCall, ToolSpec
from ml_intern.core.protocols import ChatModel, Gate, RunPaths, Tool, ToolContext
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.core.version import VERSION
from ml_intern.engine import folds, loop
from ml_intern.engine.completion import ContractMet
from ml_intern.engine.harness import Harness
from ml_intern.journal import restoring
from ml_intern.journal.runs import DATABASE, find_run, is_alive, new_run, outcome_of
from ml_intern.journal.snapshots import Snapshots
from ml_intern.journal.sqlite import SqliteJournal
from ml_intern.llm import names
from ml_intern.sandboxes import layers, plain
from ml_intern.sandboxes.choose import choose
from ml_intern.sandboxes.connected import Connected
from ml_intern.sandboxes.egress import Gateway, policy_of
from ml_intern.sandboxes.layered import Layered
from ml_intern.tools import FunctionTool, Toolset
from ml_intern.tools._overruled import OVERRULED
from ml_intern.tools._own_metric import keep_metric, own_metric_file
from ml_intern.tools.contract import ContractTools, fixed_point

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,120}", re.ASCII)

Given = Toolset | Tool | Callable[..., "Observation | str"]
"""What may be passed as a tool: a toolset, a tool, or a function with type annotations and a docstring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run stands when the agent stops working on it."""

    run: str
    outcome: Outcome
    text: str
    directory: Path
    facts: tuple[Fact, ...]

    @property
    def exit_status(self) -> int:
        """The command's exit status for this outcome (design §8)."""
        return EXIT_STATUS[self.outcome]


class InternAgent:
    """An agent that turns one sentence into a trained, checked and published model."""

    def __init__(
        self,
        model: str | ChatModel = "auto",
        *,
        tools: Iterable[Given] | None = None,
        max_iterations: int = 30,
        max_usd: float | None = None,
        max_tokens: int | None = None,
        max_seconds: float | None = None,
        approve: Collection[str] = (),
        allow: Collection[str] = (),
        sandbox: str | SandboxBackend | None = None,
        accepts_risk: bool = False,
        seeds: int = 1,
        metric: str | None = None,
        control: bool = False,
        overrule: Mapping[str, str] | None = None,
        waive: Mapping[str, str] | None = None,
        egress: Sequence[str] = (),
        home: Path | None = None,
        watcher: Watcher = ignore,
    ) -> None:
        """Put the parts together; nothing is started and no network is asked.

        Args:
            model: a name (`gpt-4o`, `anthropic:claude-…`, `rules`, an endpoint), or a chat model; `auto` takes the
                first provider whose key is set, else the built-in recipes.
            tools: what the model may call besides the contract; None means the built-in ones.
            max_iterations: requests to the model.
            max_usd: US dollars for the model; a model without a known price is then refused.
            max_tokens: tokens in and out.
            max_seconds: wall-clock seconds.
            approve: effects (`execute`, `spend`, `publish`) or names of tools that wait for a person's yes.
            allow: names of tools that ask for a yes of themselves, such as `install`, and need none.
            sandbox: a backend, or its name; None follows `ML_INTERN_SANDBOX`, else takes the strongest that works.
            accepts_risk: that code may run without any sandbox, where `sandbox` is `none`.
            seeds: trainings, of different seeds, that a score shall rest on; more than one gives mean and interval.
            metric: `file.py:function`, a metric of your own that stands first; it is copied into the run.
            control: train once more on permuted labels at each evaluation: the score must fall to chance.
            overrule: checks of data or findings about a model that shall stop no publication, each with the reason.
            waive: why a check may fail, by its name; the card says so.
            egress: hosts that code in sessions and trainings may read from, by GET and HEAD through the host.
            home: where runs are kept; None follows `ML_INTERN_HOME`, else `~/.ml-intern`.
            watcher: is called with streamed text, output and metrics.

        Raises:
            ConfigError: a name is unknown, a key is missing, a limit makes no sense, or tools do not fit together.
        """
        self._settings = _settings(home)
        self._model = names.load(model, self._settings.environment) if isinstance(model, str) else model
        self._toolsets, self._tools = _collect([ContractTools(), *(_default_tools() if tools is None else tools)])
        self._budget = _budget(max_iterations, max_usd, max_tokens, max_seconds)
        self._approve, self._allow = _approvals(approve, self._tools), frozenset(allow)
        self._sandbox, self._accepts_risk = sandbox or self._settings.sandbox, accepts_risk
        plain.demand_acceptance(self._sandbox, accepts_risk=accepts_risk)  # now, not when the first code runs
        self._backend: SandboxBackend | None = None
        self._seeds, self._control = _at_least_one(seeds), control
        self._allowed, self._waive = _reasons(overrule or {}), dict(waive or {})
        self._gates, self._metric = _gates(self._tools.values()), own_metric_file(metric) if metric else None
        self._policy = policy_of(egress, self._settings.hub_token)
        self._opening, self._cancelled = threading.Lock(), threading.Event()
        self._watcher, self.last_run = watcher, ""

    @property
    def tool_specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told of its tools."""
        return tuple(tool.spec for tool in self._tools.values())

    def run_task(self, task: str) -> RunResult:
        """Run `task` to its end, or to the point where a person must decide."""
        for _ in self.stream(task):
            pass
        return self.result(self.last_run)

    def stream(self, task: str, *, run: str | None = None) -> Iterator[Record]:
        """Start a run of `task`, yielding every record as it is written.

        Args:
            task: what is wanted, in a sentence or more.
            run: its name; None makes one from the time and the task.

        Raises:
            ConfigError: the task is empty, or the run exists.
            JournalError: the journal cannot be written.
        """
        if not any(character.isalpha() for character in task):
            raise ConfigError("the task is empty; say in a sentence what you want, for example: ml-intern demo")
        name = run or new_run(task, now=datetime.now(UTC))
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is no name for a run; use letters, digits, `-`, `_` and `.`")
        directory = self._settings.runs / name
        if (directory / DATABASE).exists():
            raise ConfigError(f"the run {name!r} exists; resume it, or choose another name")
        hosts = ", ".join(host.name for host in self._policy.hosts)
        system = f"{SYSTEM}\nCode in a session or training may read (GET, HEAD) from: {hosts}." if hosts else SYSTEM
        opening = RunStarted(task=task, system=system, model=self._model.label, version=VERSION)
        self.last_run = name
        return self._carry_on(directory, lambda records: [opening, *_new_waivers(self._waive, records)])

    def resume(self, run: str) -> Iterator[Record]:
        """Carry a run on where its journal ends; one that ended unfinished is reopened.

        Raises:
            ConfigError: no run has that name.
            JournalError: another process carries it on, or its journal is damaged.
        """
        directory = find_run(self._settings.runs, run)
        self.last_run = directory.name
        return self._carry_on(directory, lambda records: [*_reopening(records), *_new_waivers(self._waive, records)])

    def result(self, run: str) -> RunResult:
        """Say how a run stands."""
        directory = find_run(self._settings.runs, run)
        with SqliteJournal(directory / DATABASE, writer=False) as journal:
            records = list(journal)
        last = folds.finished(records)
        return RunResult(
            run=directory.name,
            outcome=outcome_of(records) or "cancelled",
            text=last.text if last else "",
            directory=directory,
            facts=all_facts(records),
        )

    def cancel(self) -> None:
        """Ask the run to stop at the next safe point; safe from any thread or signal handler."""
        self._cancelled.set()

    def close(self) -> None:
        """Free sandboxes; safe to call twice. Trainings that were started go on."""
        for toolset in self._toolsets:
            toolset.close()

    def _carry_on(self, directory: Path, opening: Callable[[Sequence[Record]], list[Event]]) -> Iterator[Record]:
        run, paths = directory.name, RunPaths(root=directory)
        try:
            for folder in (paths.workspace, paths.visible_data, paths.outputs):
                folder.mkdir(parents=True, exist_ok=True)
            if self._metric is not None:
                keep_metric(self._metric, paths)
        except OSError as error:
            raise JournalError(
                f"{directory} cannot be created: {error}; free disk space or set ML_INTERN_HOME"
            ) from error
        gateway = Gateway(paths.root / "egress", self._policy, paths.root / "egress.jsonl")
        try:
            with SqliteJournal(directory / DATABASE, writer=True) as journal:
                if self._policy.hosts:
                    gateway.start()
                restoring.finish(paths, journal)
                yield from loop.run(self._harness(run, paths), journal, opening(list(journal)))
        finally:
            self.close()
            gateway.close()

    def _harness(self, run: str, paths: RunPaths) -> Harness:
        def context(call_id: str, records: Sequence[Record]) -> ToolContext:
            return ToolContext(
                run=run,
                call_id=call_id,
                paths=paths,
                records=records,
                sandboxes=lambda: _layered(self._connected(paths), paths, records),
                live=self._watcher,
                cancelled=self._cancelled.is_set,
                seeds=self._seeds,
                control=self._control,
                allowed=self._allowed,
                home=self._settings.home,
            )

        snapshots = Snapshots(paths.snapshots)
        return Harness(
            model=self._model,
            tools=self._tools,
            gates=self._gates,
            completion=ContractMet(),
            budget=self._budget,
            context=context,
            approve=self._approve,
            allow=self._allow,
            question=fixed_point if self._approve else _never,
            live=self._watcher,
            snapshot=lambda: snapshots.take(paths.workspace),
            cancelled=self._cancelled.is_set,
        )

    def _open_backend(self) -> SandboxBackend:
        """Choose the backend at its first use, and clean up what dead agents left behind."""
        with self._opening:  # a session may be opened in the background
            if self._backend is None:
                chosen = self._named_backend(self._sandbox) if isinstance(self._sandbox, str) else self._sandbox
                chosen.reap(self._is_in_use)
                self._backend = chosen
            return self._backend

    def _named_backend(self, name: str) -> SandboxBackend:
        return choose(name, self._settings, accepts_risk=self._accepts_risk)

    def _connected(self, paths: RunPaths) -> SandboxBackend:
        backend = self._open_backend()
        return Connected(backend, paths.root / "egress") if self._policy.hosts else backend

    def _is_in_use(self, run: str) -> bool:
        """Whether a run's sandboxes must stay: it is carried on, or is kept in another home and none of ours."""
        directory = self._settings.runs / run
        return not directory.exists() or is_alive(directory)


def _layered(backend: SandboxBackend, paths: RunPaths, records: Sequence[Record]) -> SandboxBackend:
    """Give the backend with the packages that the run has installed last."""
    installed = facts(records, PackagesInstalled)
    return Layered(backend, layers.folder(paths, installed[-1].layer)) if installed else backend


def _settings(home: Path | None) -> Settings:
    settings = Settings.load(os.environ)
    return replace(settings, home=home.expanduser()) if home else settings


def _never(call: ToolCall, context: ToolContext) -> str:
    """Ask nobody: where nothing waits for a person, none is there; what departs is on the card all the same."""
    del call, context
    return ""


def _reopening(records: Sequence[Record]) -> list[Event]:
    if started(records) is None:
        raise JournalError("the journal holds no beginning; start the task anew")
    last = folds.finished(records)
    if last is None or last.outcome == "done":
        return []
    return [RunReopened(reason=f"The run had stopped ({last.text or last.outcome}). Go on with the task.")]


def _new_waivers(waive: Mapping[str, str], records: Sequence[Record]) -> list[Event]:
    """Give the events of what the person waives now; what an earlier life of the run heard is not said again."""
    known, last = waivers(records), folds.finished(records)
    if last is not None and last.outcome == "done":
        return []
    return [CheckWaived(check=name, reason=why) for name, why in waive.items() if known.get(name) != why]


def _default_tools() -> list[Given]:
    return [cast("Callable[[], Toolset]", plugins.load("tools", name))() for name in plugins.names("tools")]


def _collect(given: Iterable[Given]) -> tuple[list[Toolset], dict[str, Tool]]:
    toolsets: list[Toolset] = []
    tools: dict[str, Tool] = {}
    for item in given:
        if isinstance(item, Toolset):
            toolsets.append(item)
        for tool in item if isinstance(item, Toolset) else [_as_tool(item)]:
            if tool.spec.name in tools:
                raise ConfigError(f"two tools are called {tool.spec.name!r}; rename one")
            tools[tool.spec.name] = tool
    return toolsets, tools


def _as_tool(item: Tool | Callable[..., Observation | str]) -> Tool:
    if hasattr(item, "spec"):  # a Tool is known by its spec: functions have none
        return cast("Tool", item)
    if not callable(item):
        raise ConfigError(f"{item!r} is no tool: pass a Toolset, a Tool, or an annotated function")
    return FunctionTool(item)


def _approvals(wanted: Collection[str], tools: Collection[str]) -> frozenset[str]:
    """Refuse a name that would never ask anybody."""
    known = {*get_args(Effect), *tools}
    if unknown := sorted(set(wanted) - known):
        raise ConfigError(f"nothing called {unknown[0]!r} can wait for approval; known: {', '.join(sorted(known))}")
    return frozenset(wanted)


def _gates(tools: Collection[Tool]) -> dict[str, Gate]:
    known = plugins.names("gates")
    wanted = {name: tool.spec.name for tool in tools for name in tool.spec.requires}
    if unknown := sorted(set(wanted) - set(known)):
        raise ConfigError(f"tool {wanted[unknown[0]]!r} requires unknown gates: {', '.join(unknown)}")
    return {name: cast("Callable[[], Gate]", plugins.load("gates", name))() for name in wanted}


def _reasons(overrule: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse what is no check, and a yes without a reason."""
    if unknown := sorted(set(overrule) - OVERRULED):
        raise ConfigError(f"nothing called {unknown[0]!r} can be allowed; known: {', '.join(sorted(OVERRULED))}")
    if bare := sorted(name for name, reason in overrule.items() if not reason.strip()):
        raise ConfigError(f"{bare[0]!r} is allowed only with a reason")
    return dict(overrule)


def _at_least_one(seeds: int) -> int:
    if seeds < 1:
        raise ConfigError(f"seeds must be a number of trainings, at least 1, not {seeds}")
    return seeds


def _budget(iterations: int, usd: float | None, tokens: int | None, seconds: float | None) -> Budget:
    for name, value in (("iterations", iterations), ("usd", usd), ("tokens", tokens), ("seconds", seconds)):
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"max_{name} must be a number above 0, not {value}")
    return Budget(iterations=iterations, usd=usd, tokens=tokens, seconds=seconds)
