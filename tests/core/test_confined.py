"""Files of a hostile folder are read, listed and written without ever leaving it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml_intern.core import confined
from ml_intern.core.errors import ToolError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret", "utf-8")
    inside = tmp_path / "inside"
    (inside / "folder").mkdir(parents=True)
    (inside / "folder" / "file").write_text("content", "utf-8")
    (inside / "link").symlink_to(tmp_path / "outside" / "secret")
    (inside / "linked").symlink_to(tmp_path / "outside")
    (inside / "twice").hardlink_to(tmp_path / "outside" / "secret")
    os.mkfifo(inside / "pipe")
    return inside


@pytest.mark.parametrize(
    "name", ["link", "linked/secret", "twice", "pipe", "folder", "../outside/secret", "/etc/passwd", "", "a\0b", "none"]
)
def test_nothing_but_an_ordinary_file_inside_is_read(root: Path, name: str) -> None:
    with pytest.raises(ToolError):
        confined.read_bytes(root, name, limit=100)


def test_a_file_is_read_up_to_its_limit(root: Path) -> None:
    assert confined.read_bytes(root, "folder/file", limit=7) == b"content"
    with pytest.raises(ToolError, match="more than 6 bytes"):
        confined.read_bytes(root, "folder/file", limit=6)


@pytest.mark.parametrize("name", ["linked/new", "../new", "folder"])
def test_writing_never_goes_through_a_link_nor_onto_a_folder(root: Path, name: str) -> None:
    with pytest.raises(ToolError):
        confined.write_bytes(root, name, b"x")

    assert sorted(p.name for p in (root.parent / "outside").iterdir()) == ["secret"]


def test_writing_replaces_a_link_by_a_file(root: Path) -> None:
    confined.write_bytes(root, "link", b"new")

    assert not (root / "link").is_symlink()
    assert (root.parent / "outside" / "secret").read_text("utf-8") == "secret"


def test_what_has_a_name_is_said_without_following_it(root: Path) -> None:
    names = ("folder/file", "folder", "link", "linked", "linked/secret", "pipe", "none", "..")

    kinds = [confined.kind(root, name) for name in names]

    assert kinds == ["file", "folder", "link", "link", None, "other", None, None]


def test_a_copy_that_would_be_too_long_leaves_nothing(root: Path, tmp_path: Path) -> None:
    with confined.opened(root, "folder/file") as file, pytest.raises(ToolError, match="more than 3 bytes"):
        confined.copy(file, tmp_path / "copy", limit=3)

    assert not (tmp_path / "copy").exists()
