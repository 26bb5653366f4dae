"""Every exception the package raises, grouped by who can act on it.

MLInternError
  ConfigError            the person: a missing key, an unknown name, an unusable setting
  ModelError             the harness: the language-model service failed after its retries
  ToolError              the language model: sent back to it as an observation
    ToolArgumentError    the arguments did not fit the schema
  SandboxError           the operator: the sandbox is gone or cannot start; says nothing about the code
  JournalError           the operator: the record of the run cannot be written or trusted
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "JournalError",
    "MLInternError",
    "ModelError",
    "SandboxError",
    "ToolArgumentError",
    "ToolError",
]


class MLInternError(Exception):
    """Base class; catch it to catch everything this package raises."""


class ConfigError(MLInternError):
    """A setting the person must fix; the message says which and how."""


class ModelError(MLInternError):
    """The language-model service failed after its retries."""


class ToolError(MLInternError):
    """A tool failed in a way the language model can react to."""


class ToolArgumentError(ToolError):
    """The arguments of a tool call did not match its schema."""


class SandboxError(MLInternError):
    """The sandbox itself failed; says nothing about the code run in it."""


class JournalError(MLInternError):
    """The journal cannot be written, or what it holds is missing, out of order or damaged."""
