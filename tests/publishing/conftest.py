"""Fixtures of the tests that publish."""

from __future__ import annotations

from hub.fixtures import hub

__all__ = ["hub"]
