"""Make the agent that the options describe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from ml_intern import plugins
from ml_intern.agent import InternAgent
from ml_intern.agent.intern import Given
from ml_intern.cli.checking import waivers
from ml_intern.cli.options import AgentOptions
from ml_intern.core.live import Watcher
from ml_intern.core.protocols import ChatModel
from ml_intern.llm.names import SERVICES


def assemble(options: AgentOptions, *, home: Path, watcher: Watcher) -> InternAgent:
    """Put the agent together; nothing is started.

    Raises:
        ConfigError: a name is unknown, a key is missing or a limit makes no sense.
    """
    return InternAgent(
        _model(options.model or "auto"),
        tools=_tools(options),
        max_iterations=30 if options.max_iterations is None else options.max_iterations,
        max_usd=options.max_usd,
        max_tokens=options.max_tokens,
        max_seconds=options.max_seconds,
        approve=options.approve,
        allow=("install",) if options.allow_install else (),
        sandbox=options.sandbox,
        accepts_risk=options.i_accept_the_risk is True,
        seeds=1 if options.seeds is None else options.seeds,
        metric=options.metric,
        control=bool(options.control),
        overrule=options.overrule,
        waive=waivers(options.waive, options.waive_because),
        egress=options.egress,
        home=home,
        watcher=watcher,
    )


def _model(name: str) -> str | ChatModel:
    """Make the model that an import path names; every other name is the agent's to understand."""
    module, _, attribute = name.partition(":")
    is_path = attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))
    if not is_path or module in SERVICES or name in plugins.names("models"):
        return name
    return cast("Callable[[], ChatModel]", plugins.load("models", name))()


def _tools(options: AgentOptions) -> list[Given] | None:
    """Make the tools that were asked for; None means the built-in ones as they are."""
    if not options.tool and options.gpu is None and options.recover is None:
        return None
    chosen = options.tool or tuple(plugins.names("tools"))
    return [_made(plugins.load("tools", name), name, options) for name in chosen]


def _made(loaded: object, name: str, options: AgentOptions) -> Given:
    """Construct a class of tools; a function or a finished tool stays as it is."""
    if not isinstance(loaded, type):
        return cast("Given", loaded)
    maker = cast("Callable[..., Given]", loaded)
    chosen = {"use_gpu": options.gpu, "recover": options.recover}
    given = {key: value for key, value in chosen.items() if value is not None}
    return maker(**given) if name == "executor" else maker()
