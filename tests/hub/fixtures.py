"""The fixture `hub`: a Hub of its own for each test, and a client that talks to nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.server import Hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Start a Hub; pass `hub.endpoint` wherever the client takes an endpoint."""
    import huggingface_hub  # noqa: PLC0415 - slow; only tests of the Hub pay for it
    from huggingface_hub import constants  # noqa: PLC0415

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    with Hub() as server:
        # What the client asks of its default endpoint, such as the list of harnesses, stays on this machine too.
        template = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server
        huggingface_hub.close_session()
