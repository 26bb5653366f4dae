"""The Hub for the tests of this folder."""

from __future__ import annotations

import pytest
from huggingface_hub import constants

from hub.fixtures import hub as bare_hub
from hub.server import Hub

__all__ = ["bare_hub", "hub"]


@pytest.fixture
def hub(bare_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Give the Hub, with the client's addresses of files made from its endpoint as in a process of its own."""
    template = bare_hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    return bare_hub
