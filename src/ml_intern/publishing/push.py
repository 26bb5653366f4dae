"""Publish a model: choose where, write what leaves, push it, download it again and compare."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ml_intern.config import Settings
from ml_intern.core.errors import ToolError
from ml_intern.publishing.bundle import Bundle, file_digest, file_names, write
from ml_intern.publishing.card import render
from ml_intern.publishing.destination import Destination, Fetched
from ml_intern.publishing.folder import FolderDestination
from ml_intern.publishing.hub import HubDestination
from ml_intern.publishing.lint import lint
from ml_intern.publishing.prose import Prose
from ml_intern.publishing.provenance import provenance, read
from ml_intern.publishing.record import ModelRecord
from ml_intern.publishing.screening import screen
from ml_intern.publishing.weights import copy_weights

CARD = "README.md"
PROVENANCE = "provenance.json"
SELF_TEST = "selftest.safetensors"


def choose(settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> Destination:
    """Give the Hub where there is a token, else the local folder."""
    if settings.hub_token is None:
        return FolderDestination(settings.local_hub)
    return HubDestination(token=settings.hub_token, endpoint=settings.hub_endpoint, sleep=sleep)


def stage(
    folder: Path,
    *,
    bundle: Bundle,
    record: ModelRecord,
    prose: Prose,
    repository: str,
    destination: Destination,
    self_test: Path | None = None,
) -> None:
    """Write bundle, card, self-test and provenance at `folder`, which appears whole or not at all.

    Args:
        folder: where to write.
        bundle: what was evaluated.
        record: what was proven.
        prose: what the language model wrote.
        repository: its full name.
        destination: where it will be published.
        self_test: inputs and outputs that the evaluation stored, where it did.

    Raises:
        ToolError: the prose or the card states a number that no fact has, or the self-test is not the stored one.
    """
    card = render(record, prose, bundle=bundle, repository=repository, folder=destination.folder(repository))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".publication-", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        shutil.copytree(bundle.folder, new, symlinks=True)
        if self_test is not None and copy_weights(self_test, new / SELF_TEST) != record.evaluated.self_test_digest:
            raise ToolError("the stored self-test changed since the evaluation; evaluate again")
        write(new / CARD, card.encode())
        files = {name: file_digest(new / name) for name in file_names(new)}
        written = provenance(record, bundle, prose=prose, files=files)
        if unproven := [number for number in lint(card, read(written)) if not number.resolved]:
            raise ToolError(f"the card states {unproven[0].words!r} ({unproven[0].where}), which no entry has")
        write(new / PROVENANCE, written)
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)


def push(
    files: Path, destination: Destination, repository: str, *, private: bool, key: str, settings: Settings, title: str
) -> str:
    """Screen `files` and push them in one commit; give its revision."""
    screen(files, secrets=[settings.hub_token] if settings.hub_token else [])
    return destination.push(files, repository, private=private, key=key, message=f"Publish {title}")


def confirm(files: Path, destination: Destination, repository: str, revision: str, *, into: Path) -> Fetched:
    """Download `revision` afresh and compare every file with what was pushed.

    Raises:
        ToolError: a file is missing or differs.
    """
    shutil.rmtree(into, ignore_errors=True)
    fetched = destination.fetch(repository, revision, into)
    for name in screen(files):
        copy = fetched.folder / name
        if not copy.is_file() or file_digest(copy) != file_digest(files / name):
            raise ToolError(f"{name} of {repository} at {revision} is not what was pushed. Publish under a new name.")
    return fetched
