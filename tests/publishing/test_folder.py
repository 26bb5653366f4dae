"""A local folder keeps a model as a Hub would, and remembers its commits beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.server import Hub
from ml_intern.config import Secret
from ml_intern.core.errors import ToolError
from ml_intern.publishing.folder import FolderDestination
from ml_intern.publishing.hub import HubDestination


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "parts").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / "parts" / "layer.py").write_text("SIZE = 1\n")
    return folder


@pytest.fixture
def destination(tmp_path: Path) -> FolderDestination:
    return FolderDestination(tmp_path / "hub" / "models")


def push(destination: FolderDestination, files: Path, key: str = "run/1") -> str:
    return destination.push(files, "local/model", private=True, key=key, message="Publish it")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_layout_is_what_a_hub_lists(hub: Hub, destination: FolderDestination, files: Path, tmp_path: Path) -> None:
    HubDestination(token=Secret("hf_test_alice"), endpoint=hub.endpoint).push(
        files, "alice/model", private=True, key="run/1", message="Publish it"
    )
    push(destination, files)

    assert names(tmp_path / "hub" / "models" / "local" / "model") == list(hub.files("alice/model"))
    assert [p.name for p in (tmp_path / "hub" / "models").iterdir()] == ["local"]


def test_a_commit_is_found_by_its_key_and_fetched_equal(
    destination: FolderDestination, files: Path, tmp_path: Path
) -> None:
    first = push(destination, files, "run/1")
    (files / "parts" / "layer.py").write_text("SIZE = 2\n")
    second = push(destination, files, "run/2")

    assert (destination.find("local/model", "run/1"), destination.find("local/model", "run/2")) == (first, second)
    assert destination.find("local/model", "run/3") is None
    fetched = destination.fetch("local/model", second, tmp_path / "fetched")
    assert (fetched.folder / "parts" / "layer.py").read_text() == "SIZE = 2\n"
    with pytest.raises(ToolError, match="newer commit"):
        destination.fetch("local/model", first, tmp_path / "older")


def test_a_record_torn_by_a_crash_hides_no_other_commit(
    destination: FolderDestination, files: Path, tmp_path: Path
) -> None:
    first = push(destination, files, "run/1")
    record = tmp_path / "hub" / "commits" / "local" / "model.jsonl"
    record.write_text(record.read_text() + '{"revision": "ab')

    assert destination.find("local/model", "run/1") == first
    second = push(destination, files, "run/2")
    assert destination.find("local/model", "run/2") == second


def test_files_that_others_put_there_stay(destination: FolderDestination, files: Path, tmp_path: Path) -> None:
    push(destination, files)
    place = tmp_path / "hub" / "models" / "local" / "model"
    (place / "notes.txt").write_text("mine")
    push(destination, files, "run/2")

    assert (place / "notes.txt").read_text() == "mine"


def test_a_name_alone_is_local(destination: FolderDestination) -> None:
    assert destination.complete("model") == "local/model"
    assert destination.complete("alice/model") == "alice/model"
    with pytest.raises(ToolError, match="no name of a repository"):
        destination.complete("../../etc")
