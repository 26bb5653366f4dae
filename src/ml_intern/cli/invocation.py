"""One call of the command: its streams, its settings, and the run it is about."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from ml_intern.cli.terminal import Terminal
from ml_intern.config import Settings


@dataclass(slots=True, kw_only=True)
class Invocation:
    """What every verb gets. `run` is set by the verb that carries a run on, for the messages of the top level."""

    terminal: Terminal
    home: Path | None = None
    run: str = ""

    @property
    def settings(self) -> Settings:
        """The settings of the environment, with `--home` applied."""
        settings = Settings.load(self.terminal.environment)
        return replace(settings, home=self.home.expanduser().absolute()) if self.home else settings


VerbFunction: TypeAlias = Callable[[argparse.Namespace, Invocation], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One word of the command: how it is called, and what it does. `run` gives the exit status."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: VerbFunction
