"""Artefacts are taken out of a hostile folder: ordinary files only, bounded, whole, whatever changes meanwhile."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_intern.core.collecting import Artefact, Bounds, Collection, Refused, collect, is_safe
from ml_intern.core.errors import ToolError

SECRET = b"SECRET" * 100


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def names(refused: tuple[Refused, ...]) -> dict[str, str]:
    return {entry.name: entry.reason for entry in refused}


def test_ordinary_files_are_taken_with_their_digests_and_the_rest_is_named(root: Path, tmp_path: Path) -> None:
    (root / "plots").mkdir()
    (root / "plots" / "loss.png").write_bytes(b"image")
    (root / "link.txt").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    (root / "twice.txt").hardlink_to(tmp_path / "secret")
    os.mkfifo(root / "pipe")
    (root / ".bashrc").write_bytes(b"hidden")
    (root / "evil\u202egnp.exe").write_bytes(b"x")

    collection = collect(root, tmp_path / "taken")

    digest = hashlib.sha256(b"image").hexdigest()
    assert collection.taken == (Artefact(name="plots/loss.png", size=5, digest=digest),)
    assert names(collection.refused) == {
        ".bashrc": "its name",
        "evil\\u202egnp.exe": "its name",
        "folder": "a link",
        "link.txt": "a link",
        "pipe": "no ordinary file",
        "twice.txt": "twice.txt is not an ordinary file with one name",
    }
    assert sorted(p.name for p in (tmp_path / "taken").rglob("*")) == ["loss.png", "plots"]


def test_everything_is_bounded_and_what_is_beyond_is_said(root: Path, tmp_path: Path) -> None:
    for name, size in (("a", 10), ("b", 60), ("c", 45), ("d", 45), ("e", 1)):
        (root / name).write_bytes(b"x" * size)
    with (root / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    (root / "x" / "y" / "z").mkdir(parents=True)
    (root / "x" / "y" / "z" / "deep").write_bytes(b"x")

    taken = collect(root, tmp_path / "taken", bounds=Bounds(file=50, total=60, depth=2, files=2))

    assert [a.name for a in taken.taken] == ["a", "c"]
    assert names(taken.refused) == {
        "b": "too big (60 bytes)",
        "d": "more than 2 files",
        "e": "more than 2 files",
        "sparse": "more than 2 files",
        "x/y": "deeper than 2 folders",
    }


def test_a_folder_of_very_many_names_is_not_read_to_its_end(root: Path, tmp_path: Path) -> None:
    for n in range(30):
        (root / f"f{n}").touch()

    collection = collect(root, tmp_path / "taken", bounds=Bounds(names=10))

    assert len(collection.taken) == 10
    assert collection.refused == (Refused(name=".", reason="more than 10 names in all"),)


def test_the_destination_appears_whole_or_not_at_all(root: Path, tmp_path: Path) -> None:
    (root / "a").write_bytes(b"new")
    full, link = tmp_path / "full", tmp_path / "link"
    full.mkdir()
    (full / "mine").write_bytes(b"mine")
    link.symlink_to(full)

    for destination in (full, link, tmp_path / "secret", tmp_path / "none" / "there"):
        with pytest.raises(ToolError):
            collect(root, destination)

    assert [p.name for p in full.iterdir()] == ["mine"]
    assert not list(tmp_path.glob(".collect-*"))


def test_a_root_that_is_gone_or_a_file_is_refused(root: Path, tmp_path: Path) -> None:
    for missing in (root / "none", tmp_path / "secret"):
        with pytest.raises(ToolError):
            collect(missing, tmp_path / "taken")


@given(st.text(min_size=1))
def test_a_safe_name_is_one_visible_word_of_a_path(name: str) -> None:
    if is_safe(name):
        assert name.isprintable()
        assert "/" not in name
        assert name[0] not in ".-"
        assert len(name.encode()) <= 200


RACER = """
import os, sys
root, secret = sys.argv[1:]
os.chdir(root)
os.mkdir("folder")
def write(name):
    with open(name, "wb") as file:
        file.write(b"honest" * 100)
write("file")
print("racing", flush=True)
while True:
    os.symlink(secret, "new")
    os.rename("new", "file")
    write("new")
    os.rename("new", "file")
    os.link("file", "second")
    os.unlink("second")
    write("folder/secret")
    os.rename("folder", "aside")
    os.symlink(os.path.dirname(secret), "folder")
    os.unlink("folder")
    os.rename("aside", "folder")
"""


@pytest.fixture
def racer(root: Path, tmp_path: Path) -> Iterator[None]:
    """A process that swaps files and folders for links to the secret as fast as it can."""
    with subprocess.Popen(
        [sys.executable, "-c", RACER, str(root), str(tmp_path / "secret")], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"racing\n"
        yield
        assert process.poll() is None
        process.kill()


@pytest.mark.usefixtures("racer")
def test_links_put_in_place_while_it_collects_lead_nowhere(root: Path, tmp_path: Path) -> None:
    seen: list[Collection] = []
    for n in range(400):
        seen.append(collect(root, tmp_path / f"taken{n}"))
        for artefact in seen[-1].taken:
            content = (tmp_path / f"taken{n}" / artefact.name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == artefact.digest
            assert SECRET[:6] not in content

    assert any(collection.taken for collection in seen)
    assert any(entry.reason == "a link" for collection in seen for entry in collection.refused)
