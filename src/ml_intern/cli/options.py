"""The options that `run`, `demo` and `resume` share: which parts to use, and how far they may go."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from ml_intern.core.errors import ConfigError

Output: TypeAlias = Literal["json", "plain", "auto"]

_FILE = "command.json"
_LISTS = ("approve", "tool", "allow", "because", "waive", "waive_because", "egress")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """What the person chose; None or empty where they left it open. Units: requests, US dollars, tokens, seconds."""

    model: str | None = None
    max_iterations: int | None = None
    max_usd: float | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    approve: tuple[str, ...] = ()
    allow_install: bool | None = None
    recover: str | None = None
    waive: tuple[str, ...] = ()
    waive_because: tuple[str, ...] = ()
    sandbox: str | None = None
    i_accept_the_risk: bool | None = None
    gpu: bool | None = None
    seeds: int | None = None
    metric: str | None = None
    control: bool | None = None
    allow: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    tool: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> AgentOptions:
        """Take the options out of what argparse parsed."""
        given: dict[str, Any] = {field.name: getattr(arguments, field.name) for field in fields(cls)}
        lists: dict[str, Any] = {name: tuple(given[name] or ()) for name in _LISTS}
        return cls(**{**given, **lists})

    @property
    def overrule(self) -> dict[str, str]:
        """The checks that are allowed, each with its reason; one reason may stand for all.

        Raises:
            ConfigError: reasons and checks do not fit together.
        """
        reasons = self.because * len(self.allow) if len(self.because) == 1 else self.because
        if len(reasons) != len(self.allow):
            raise ConfigError("--allow CHECK needs --because TEXT: one for each, or one for all")
        return dict(zip(self.allow, reasons, strict=True))

    def over(self, earlier: AgentOptions) -> AgentOptions:
        """Give these options, and `earlier` ones where these leave something open."""
        pairs = {field.name: getattr(self, field.name) for field in fields(self)}
        return AgentOptions(
            **{name: getattr(earlier, name) if value is None or value == () else value for name, value in pairs.items()}
        )


_EXPLAINED = {"waive": "waive_because", "allow": "because"}
"""Options that need a reason, and where it is kept."""


class Because(argparse.Action):
    """Give the reason of the option before it: of the one that still lacks a reason."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Append the text."""
        del option_string
        given: dict[str, list[str] | None] = vars(namespace)
        for option, place in _EXPLAINED.items():
            reasons = given.get(place) or []
            if len(given.get(option) or []) > len(reasons):
                setattr(namespace, place, [*reasons, str(values)])
                return
        parser.error(f"--because stands after one of {', '.join(f'--{option}' for option in _EXPLAINED)}")


def _add_egress(parser: argparse.ArgumentParser) -> None:
    parser.add_argument_group("network").add_argument(
        "--egress",
        action="append",
        metavar="HOST",
        help="let code read from this host by GET and HEAD; none by default",
    )


def add_agent_options(parser: argparse.ArgumentParser) -> None:
    """Add what `AgentOptions.of` reads."""
    parts = parser.add_argument_group("parts")
    parts.add_argument(
        "--model",
        metavar="NAME",
        help="a model's name, `rules` (built-in recipes), or module:attribute (default: auto)",
    )
    parts.add_argument(
        "--sandbox", metavar="NAME", help="auto, docker, docker:RUNTIME, podman, namespaces, bubblewrap or none"
    )
    parts.add_argument(
        "--i-accept-the-risk", action="store_true", default=None, help="with `--sandbox none`: run code without walls"
    )
    parts.add_argument("--gpu", action=argparse.BooleanOptionalAction, help="train on a GPU, or never")
    parts.add_argument("--seeds", type=int, metavar="K", help="trainings of different seeds that a score rests on")
    parts.add_argument("--metric", metavar="FILE:FUNCTION", help="a metric of your own, function(labels, predictions)")
    parts.add_argument(
        "--control",
        action=argparse.BooleanOptionalAction,
        help="train once more on permuted labels: the score must fall to chance",
    )
    parts.add_argument(
        "--allow", action="append", metavar="CHECK", help="publish in spite of this check or finding; needs --because"
    )
    parts.add_argument(
        "--recover", choices=["ask", "auto"], help="on NaN or a spike stop, or go back and on with a smaller rate"
    )
    parts.add_argument(
        "--waive", action="append", metavar="CHECK", help="let a check fail, or smoke-run; the card says so; repeat it"
    )
    parts.add_argument("--because", action=Because, metavar="TEXT", help="the reason, after each --allow or --waive")
    parts.set_defaults(because=None, waive_because=None)
    parts.add_argument(
        "--tool", action="append", metavar="NAME", help="use only the tools named so; a name or module:attribute"
    )
    _add_egress(parser)
    _add_limits(parser)


def _add_limits(parser: argparse.ArgumentParser) -> None:
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
    limits.add_argument(
        "--allow-install", action=argparse.BooleanOptionalAction, help="let packages be installed without asking"
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
    """Keep the options beside the journal, so that `resume` needs none; the run itself never reads them.

    That a risk is accepted is not kept: it is said each time, by whoever starts code.
    """
    options = replace(options, i_accept_the_risk=None)
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
        lists: dict[str, Any] = {name: tuple(kept.get(name, ())) for name in _LISTS}
        return AgentOptions(**{**kept, **lists})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{file} is damaged ({error}); delete it and give the options again") from error
