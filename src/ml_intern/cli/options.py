"""The options that `run`, `demo` and `resume` share: which parts to use, and how far they may go."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from ml_intern.core.errors import ConfigError

Output: TypeAlias = Literal["json", "plain", "auto"]

_FILE = "command.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """What the person chose; None or empty where they left it open. Units: requests, US dollars, tokens, seconds."""

    model: str | None = None
    max_iterations: int | None = None
    max_usd: float | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    approve: tuple[str, ...] = ()
    sandbox: str | None = None
    gpu: bool | None = None
    tool: tuple[str, ...] = ()

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> AgentOptions:
        """Take the options out of what argparse parsed."""
        given: dict[str, Any] = {field.name: getattr(arguments, field.name) for field in fields(cls)}
        lists: dict[str, Any] = {"approve": tuple(given["approve"] or ()), "tool": tuple(given["tool"] or ())}
        return cls(**{**given, **lists})

    def over(self, earlier: AgentOptions) -> AgentOptions:
        """Give these options, and `earlier` ones where these leave something open."""
        pairs = {field.name: getattr(self, field.name) for field in fields(self)}
        return AgentOptions(
            **{name: getattr(earlier, name) if value is None or value == () else value for name, value in pairs.items()}
        )


def add_agent_options(parser: argparse.ArgumentParser) -> None:
    """Add what `AgentOptions.of` reads."""
    parts = parser.add_argument_group("parts")
    parts.add_argument(
        "--model",
        metavar="NAME",
        help="a model's name, `rules` (built-in recipes), or module:attribute (default: auto)",
    )
    parts.add_argument("--sandbox", metavar="NAME", help="auto, docker, podman or namespaces")
    parts.add_argument("--gpu", action=argparse.BooleanOptionalAction, help="train on a GPU, or never")
    parts.add_argument(
        "--tool", action="append", metavar="NAME", help="use only the tools named so; a name or module:attribute"
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument("--max-iterations", type=int, metavar="N", help="requests to the model (default: 30)")
    limits.add_argument("--max-usd", type=float, metavar="USD", help="dollars spent on the model")
    limits.add_argument("--max-tokens", type=int, metavar="N", help="tokens in and out")
    limits.add_argument("--max-seconds", type=float, metavar="S", help="seconds of wall-clock")
    limits.add_argument(
        "--approve",
        action="append",
        metavar="EFFECT",
        choices=["contract", "execute", "spend", "publish"],
        help="ask a person before calls with this effect (execute, spend, publish), or before the contract is fixed",
    )


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add how to show a run."""
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="one JSON object a line on stdout, nothing else there")
    output.add_argument("--plain", action="store_true", help="plain lines, as when stdout is no terminal")


def output_of(arguments: argparse.Namespace) -> Output:
    """Say which output was chosen."""
    return "json" if arguments.json else "plain" if arguments.plain else "auto"


def remember(options: AgentOptions, directory: Path) -> None:
    """Keep the options beside the journal, so that `resume` needs none; the run itself never reads them."""
    draft = directory / f"{_FILE}.tmp"
    draft.write_text(json.dumps(asdict(options)), "utf-8")
    draft.replace(directory / _FILE)


def remembered(directory: Path) -> AgentOptions:
    """Give the options the run was last carried on with; none where it was started from Python.

    Raises:
        ConfigError: they cannot be read; a spending limit could hide in there, so nothing is guessed.
    """
    file = directory / _FILE
    if not file.exists():
        return AgentOptions()
    try:
        kept = cast("dict[str, Any]", json.loads(file.read_text("utf-8")))
        lists: dict[str, Any] = {"approve": tuple(kept["approve"]), "tool": tuple(kept["tool"])}
        return AgentOptions(**{**kept, **lists})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{file} is damaged ({error}); delete it and give the options again") from error
