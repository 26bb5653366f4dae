"""Find an implementation by name: built-in, installed entry point, or import path."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points

from ml_intern.core.errors import ConfigError

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "models": {
        "rules": "ml_intern.llm.recipes:built_in_recipes",
        "rules:teach": "ml_intern.llm.recipes:teaching_recipes",
    },
    "sandboxes": {
        "docker": "ml_intern.sandboxes.docker:DockerBackend",
        "podman": "ml_intern.sandboxes.docker:podman",
        "namespaces": "ml_intern.sandboxes.namespaces:NamespaceBackend",
        "bubblewrap": "ml_intern.sandboxes.bubblewrap:BubblewrapBackend",
    },
    # the built-in ones are found by their folder; an entry point adds a module that is shipped into the sandbox
    "checks": {},
    "gates": {
        "dummy_forward": "ml_intern.verification.gates:DummyForwardGate",
        "unit_tests": "ml_intern.verification.gates:UnitTestsGate",
        "trained": "ml_intern.verification.gates:TrainedGate",
        "evaluated": "ml_intern.evaluation.gates:EvaluatedGate",
        "contract_kept": "ml_intern.engine.gates:ContractKeptGate",
    },
    "tools": {
        "papers": "ml_intern.tools.papers:ArXivReader",
        "datasets": "ml_intern.tools.datasets:HuggingFaceDatasets",
        "executor": "ml_intern.tools.executor:PyTorchExecutor",
        "deployer": "ml_intern.tools.deployer:HubDeployer",
        "documentation": "ml_intern.tools.documentation:LibraryDocs",
    },
}
"""Names of what the package brings, by kind; entry points of the group `ml_intern.<kind>` add to them."""


def names(kind: str) -> Mapping[str, str]:
    """Give every known name of `kind` with its import string."""
    return {**BUILT_IN[kind], **{e.name: e.value for e in entry_points(group=f"ml_intern.{kind}")}}


def load(kind: str, name: str) -> object:
    """Import and return what is called `name`.

    Args:
        kind: a key of `BUILT_IN`.
        name: a registered name, or `module:attribute`.

    Raises:
        ConfigError: nothing has that name, or its import fails; the message lists what is known.
    """
    known = names(kind)
    path = known.get(name, name)
    module, _, attribute = path.partition(":")
    if not attribute:
        raise ConfigError(f"nothing in {kind} is called {name!r}; known: {', '.join(sorted(known))}")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{kind} {name!r} ({path}) cannot be imported: {error}") from error
