"""What the language model may call: thin adapters over the services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_intern.tools._define import FunctionTool, Toolset, tool

if TYPE_CHECKING:
    from ml_intern.tools.datasets import HuggingFaceDatasets
    from ml_intern.tools.deployer import HubDeployer
    from ml_intern.tools.documentation import LibraryDocs
    from ml_intern.tools.executor import PyTorchExecutor
    from ml_intern.tools.papers import ArXivReader

__all__ = [
    "ArXivReader",
    "FunctionTool",
    "HubDeployer",
    "HuggingFaceDatasets",
    "LibraryDocs",
    "PyTorchExecutor",
    "Toolset",
    "tool",
]

_HOMES = {
    "ArXivReader": "ml_intern.tools.papers",
    "HubDeployer": "ml_intern.tools.deployer",
    "HuggingFaceDatasets": "ml_intern.tools.datasets",
    "LibraryDocs": "ml_intern.tools.documentation",
    "PyTorchExecutor": "ml_intern.tools.executor",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        import importlib  # noqa: PLC0415 - a tool loads its libraries when it is asked for

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ml_intern.tools' has no attribute {name!r}")
