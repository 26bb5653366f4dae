"""The card's example, run as a stranger would: from the published files alone, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.server import Hub
from ml_intern.config import Secret
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.publishing.destination import Destination, Fetched
from ml_intern.publishing.folder import FolderDestination
from ml_intern.publishing.hub import HubDestination
from ml_intern.publishing.push import CARD, confirm, stage
from ml_intern.publishing.roundtrip import try_snippet
from publishing.samples import PROSE, RUN, build_sample, sample_record

pytestmark = [
    pytest.mark.sandbox,
    # The client's upload of LFS objects uses what its own HTTP library deprecates (huggingface_hub 2.4, httpx2 2.16).
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]


def published(tmp_path: Path, destination: Destination) -> Fetched:
    bundle, files = build_sample(tmp_path / "bundle"), tmp_path / "publication"
    record, name = sample_record(bundle), destination.complete("flowers")
    stage(files, bundle=bundle, record=record, prose=PROSE, repository=name, destination=destination)
    revision = destination.push(files, name, private=True, key="run/1", message="Publish it")
    return confirm(files, destination, name, revision, into=tmp_path / "fetched")


def attempt(backend: SandboxBackend, tmp_path: Path, fetched: Fetched, card: str) -> tuple[bool, str]:
    return try_snippet(
        backend,
        run=RUN,
        directory=tmp_path / "job",
        card_text=card,
        fetched=fetched.shown,
        hub_cache=fetched.cache,
    )


def test_the_example_of_a_hub_publication_downloads_and_predicts_unchanged(
    hub: Hub, backend: SandboxBackend, tmp_path: Path
) -> None:
    fetched = published(tmp_path, HubDestination(token=Secret("hf_test_alice"), endpoint=hub.endpoint))

    assert attempt(backend, tmp_path, fetched, (fetched.folder / CARD).read_text()) == (True, "[2]")


def test_the_example_of_a_folder_publication_predicts_unchanged(backend: SandboxBackend, tmp_path: Path) -> None:
    fetched = published(tmp_path, FolderDestination(tmp_path / "hub" / "models"))

    assert attempt(backend, tmp_path, fetched, (fetched.folder / CARD).read_text()) == (True, "[2]")


def test_an_example_that_fails_is_told_with_its_error(backend: SandboxBackend, tmp_path: Path) -> None:
    fetched = published(tmp_path, FolderDestination(tmp_path / "hub" / "models"))
    card = (fetched.folder / CARD).read_text().replace("import Net, predict", "import Net, foresee")
    works, text = attempt(backend, tmp_path, fetched, card)

    assert not works
    assert "cannot import name 'foresee'" in text
    assert text.endswith("(ended with status 1)")


def test_an_example_that_predicts_nothing_does_not_count(backend: SandboxBackend, tmp_path: Path) -> None:
    fetched = published(tmp_path, FolderDestination(tmp_path / "hub" / "models"))
    card = (fetched.folder / CARD).read_text().replace("print(predict(network, rows))", "predict(network, rows)")

    assert attempt(backend, tmp_path, fetched, card) == (False, "")


def test_the_example_cannot_reach_the_network(hub: Hub, backend: SandboxBackend, tmp_path: Path) -> None:
    fetched = published(tmp_path, FolderDestination(tmp_path / "hub" / "models"))
    port = hub.endpoint.rpartition(":")[2]
    code = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=5)\nprint('connected')"
    works, text = attempt(backend, tmp_path, fetched, f"```python\n{code}\n```\n")

    assert not works
    assert "connected" not in text.splitlines()
