"""The fixture `hub` for the tests of the Hub itself."""

from __future__ import annotations

from hub.fixtures import hub

__all__ = ["hub"]
