"""What a workspace held is kept once, bounded, whatever dies when, and can be compared and put back."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_intern.core.collecting import Bounds
from ml_intern.core.errors import ConfigError, JournalError
from ml_intern.core.events import WorkspaceRestored
from ml_intern.core.protocols import RunPaths
from ml_intern.journal.changes import Change, changes
from ml_intern.journal.restoring import Restored, finish, roll_back
from ml_intern.journal.snapshots import Snapshots
from ml_intern.journal.sqlite import SqliteJournal
from ml_intern.journal.tree import Tree, encode
from support import START, MemoryJournal

LATER = 10**19
"""A time in nanoseconds at which nothing on disk is young."""


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    paths = RunPaths(root=tmp_path / "run")
    paths.workspace.mkdir(parents=True)
    return paths


def fill(workspace: Path, **files: str) -> None:
    for name, content in files.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(content, "utf-8")


def test_the_same_content_is_kept_once_and_an_unchanged_workspace_has_the_same_digest(paths: RunPaths) -> None:
    fill(paths.workspace, **{"a.py": "x = 1\n", "sub/b.py": "x = 1\n"})
    store = Snapshots(paths.snapshots)

    first, second = store.take(paths.workspace), Snapshots(paths.snapshots).take(paths.workspace)

    tree = store.tree(first)
    assert first == second == tree.digest
    assert (sorted(tree.files), tree.folders) == (["a.py", "sub/b.py"], ("sub",))
    assert len(list((paths.snapshots / "objects").glob("*/*"))) == 1
    assert store.content(tree.files["a.py"].digest) == b"x = 1\n"
    assert list((paths.snapshots / "drafts").iterdir()) == []


def test_what_is_known_is_not_read_again(paths: RunPaths) -> None:
    fill(paths.workspace, **{"a.py": "x = 1\n"})
    store = Snapshots(paths.snapshots, clock=lambda: LATER)
    first = store.take(paths.workspace)
    shutil.rmtree(paths.snapshots / "objects")

    assert store.take(paths.workspace) == first
    assert not list((paths.snapshots / "objects").glob("*/*"))


@pytest.mark.parametrize("clock", [time.time_ns, lambda: LATER], ids=["now", "later"])
def test_content_swapped_under_the_same_size_and_time_is_noticed(paths: RunPaths, clock: Callable[[], int]) -> None:
    fill(paths.workspace, **{"a.py": "x = 1\n"})
    store = Snapshots(paths.snapshots, clock=clock)
    first = store.take(paths.workspace)
    was = (paths.workspace / "a.py").stat()
    while (paths.workspace / "a.py").stat().st_ctime_ns == was.st_ctime_ns:  # the next tick of the file system
        fill(paths.workspace, **{"a.py": "x = 2\n"})
        os.utime(paths.workspace / "a.py", ns=(was.st_atime_ns, was.st_mtime_ns))

    assert store.take(paths.workspace) != first


def test_a_change_within_one_tick_of_the_file_system_is_noticed(paths: RunPaths) -> None:
    store = Snapshots(paths.snapshots)
    seen = set[str]()
    for n in range(10, 60):
        fill(paths.workspace, **{"a.py": str(n)})
        seen.add(store.take(paths.workspace))

    assert len(seen) == 50


def test_what_is_beyond_the_bounds_is_left_and_said_so(paths: RunPaths) -> None:
    fill(paths.workspace, a="1234", b="12", c="1", d="1")
    (paths.workspace / "big").write_bytes(b"x" * 100)
    os.mkfifo(paths.workspace / "pipe")
    (paths.workspace / "one").hardlink_to(paths.workspace / "d")

    tree = _tree(paths, Snapshots(paths.snapshots, bounds=Bounds(file=50, total=6, files=9)))

    assert sorted(tree.files) == ["a", "b"]
    assert tree.left == {
        "big": "too much for a snapshot (100 bytes)",
        "c": "too much for a snapshot (1 bytes)",
        "d": "too much for a snapshot (1 bytes)",
        "one": "too much for a snapshot (1 bytes)",
        "pipe": "no ordinary file",
    }


def test_a_full_store_takes_no_more_contents(paths: RunPaths) -> None:
    fill(paths.workspace, a="1234")
    store = Snapshots(paths.snapshots, store=6)
    store.take(paths.workspace)
    fill(paths.workspace, a="56789")

    tree = store.tree(store.take(paths.workspace))

    assert tree.left == {"a": "it has more than 2 bytes"}


def _tree(paths: RunPaths, store: Snapshots) -> Tree:
    return store.tree(store.take(paths.workspace))


def test_a_link_is_kept_as_a_link_and_never_followed(paths: RunPaths, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", "utf-8")
    (paths.workspace / "link").symlink_to(tmp_path / "secret")
    (paths.workspace / "folder").symlink_to(tmp_path)

    tree = _tree(paths, Snapshots(paths.snapshots))

    assert (tree.files, dict(tree.links)) == ({}, {"link": str(tmp_path / "secret"), "folder": str(tmp_path)})


def test_damage_is_noticed(paths: RunPaths) -> None:
    fill(paths.workspace, a="1")
    store = Snapshots(paths.snapshots)
    digest = store.take(paths.workspace)
    (paths.snapshots / "trees" / digest).write_text("{}", "ascii")
    for file in (paths.snapshots / "objects").glob("*/*"):
        file.write_bytes(b"2")

    with pytest.raises(JournalError, match="damaged"):
        store.tree(digest)
    with pytest.raises(JournalError, match="damaged"):
        store.content(_tree(paths, Snapshots(paths.root / "other")).files["a"].digest)
    with pytest.raises(JournalError, match="gone"):
        store.content("0" * 64)


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../out", ""])
def test_a_tree_that_names_a_place_outside_is_refused(paths: RunPaths, name: str) -> None:
    store = Snapshots(paths.snapshots)
    store.take(paths.workspace)
    tree = Tree(links={name: "x"})

    (paths.snapshots / "trees" / tree.digest).write_bytes(encode(tree))

    with pytest.raises(JournalError, match="outside"):
        store.tree(tree.digest)


def test_a_snapshot_is_found_by_the_beginning_of_its_digest(paths: RunPaths) -> None:
    store = Snapshots(paths.snapshots)
    digest = store.take(paths.workspace)

    assert store.find(digest[:16]) == digest
    for prefix in ("", digest[:3], "f" * 16):
        with pytest.raises(ConfigError):
            store.find(prefix)


def test_differences_are_told_as_a_unified_diff_or_by_digest(paths: RunPaths) -> None:
    store = Snapshots(paths.snapshots)
    fill(paths.workspace, **{"a.py": "one\ntwo\n", "gone.txt": "x\n", "same": "s", "big": "y\n" * 5000})
    (paths.workspace / "data.bin").write_bytes(b"\0\1")
    before = _tree(paths, store)
    fill(paths.workspace, **{"a.py": "one\n2\n", "new.txt": "n\n", "big": "z\n" * 5000})
    (paths.workspace / "gone.txt").unlink()
    (paths.workspace / "data.bin").write_bytes(b"\0\1\2")
    (paths.workspace / "link").symlink_to("a.py")

    after = _tree(paths, store)
    told = {change.name: change for change in changes(before, after, store.content)}

    digests = [tree.files["data.bin"].digest[:12] for tree in (before, after)]
    assert sorted(told) == ["a.py", "big", "data.bin", "gone.txt", "link", "new.txt"]
    assert told["a.py"] == Change(
        name="a.py",
        kind="changed",
        lines=("--- a/a.py", "+++ b/a.py", "@@ -1,2 +1,2 @@", " one", "-two", "+2"),
    )
    assert told["gone.txt"].lines == ("--- a/gone.txt", "+++ /dev/null", "@@ -1,1 +0,0 @@", "-x")
    assert told["new.txt"].lines == ("--- /dev/null", "+++ b/new.txt", "@@ -0,0 +1,1 @@", "+n")
    assert told["data.bin"].lines == (f"data.bin: 2 bytes {digests[0]} → 3 bytes {digests[1]}",)
    assert told["link"].lines == ("link: nothing → link to a.py",)
    assert told["big"].lines[0].startswith("big: 10,000 bytes ")


def test_putting_back_restores_files_links_and_folders_and_can_be_undone(paths: RunPaths) -> None:
    store, journal = Snapshots(paths.snapshots), MemoryJournal([START])
    fill(paths.workspace, **{"a.py": "1", "sub/b.py": "2", "becomes": "file"})
    (paths.workspace / "a.py").chmod(0o755)
    (paths.workspace / "link").symlink_to("a.py")
    (paths.workspace / "empty").mkdir()
    wanted = store.take(paths.workspace)
    fill(paths.workspace, **{"a.py": "changed", "new/c.py": "3"})
    (paths.workspace / "becomes").unlink()
    fill(paths.workspace, **{"becomes/folder": "x"})
    shutil.rmtree(paths.workspace / "sub")
    (paths.workspace / "sub").symlink_to("/etc")
    (paths.workspace / "link").unlink()
    (paths.workspace / "empty").rmdir()
    changed = store.take(paths.workspace)

    back = roll_back(paths, journal, call_id="c1", workspace=wanted)
    restored = store.take(paths.workspace)
    undone = roll_back(paths, journal, call_id="c1", workspace=back.before)

    assert back == Restored(workspace=wanted, before=changed, left=())
    assert (restored, store.take(paths.workspace), undone.before) == (wanted, changed, wanted)
    assert [type(r.event) for r in journal.records[1:]] == [WorkspaceRestored, WorkspaceRestored]
    assert "before the call c1" in journal.records[1].event.text  # type: ignore[union-attr] # asserted just above


def test_what_no_snapshot_has_is_never_removed(paths: RunPaths) -> None:
    store = Snapshots(paths.snapshots)
    fill(paths.workspace, a="1", b="1")
    wanted = store.take(paths.workspace)
    with (paths.workspace / "b").open("wb") as file:
        file.truncate(65 << 20)
    fill(paths.workspace, **{"new/small": "1"})
    (paths.workspace / "b").rename(paths.workspace / "new" / "huge")
    with (paths.workspace / "b").open("wb") as file:
        file.truncate(65 << 20)
    os.mkfifo(paths.workspace / "pipe")

    back = roll_back(paths, MemoryJournal([START]), call_id="c1", workspace=wanted)

    assert sorted(back.left) == ["b", "new/huge", "pipe"]
    assert sorted(str(p.relative_to(paths.workspace)) for p in paths.workspace.rglob("*")) == [
        "a", "b", "new", "new/huge", "pipe",
    ]  # fmt: skip


NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "e"])
STATES = st.dictionaries(NAMES, st.sampled_from(["", "x", "link", "folder"]), max_size=5)


def become(workspace: Path, state: dict[str, str]) -> None:
    shutil.rmtree(workspace)
    workspace.mkdir()
    for name, what in state.items():
        place = workspace / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if what == "link":
            place.symlink_to("/etc")
        elif what == "folder":
            place.mkdir(exist_ok=True)
        else:
            place.write_text(what, "utf-8")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STATES, STATES)
def test_any_workspace_can_be_put_back_from_any_other(
    tmp_path: Path, first: dict[str, str], second: dict[str, str]
) -> None:
    paths = RunPaths(root=tmp_path / "any")
    paths.workspace.mkdir(parents=True, exist_ok=True)
    store = Snapshots(paths.snapshots)
    become(paths.workspace, first)
    wanted = store.take(paths.workspace)
    become(paths.workspace, second)

    back = roll_back(paths, MemoryJournal([START]), call_id="c", workspace=wanted)

    assert back.left == ()
    assert store.take(paths.workspace) == wanted


CHANGING = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.utime", "sqlite3.connect"}


def dies_at(step: int, act: Callable[[], object]) -> bool:
    """Act in a child that ends without warning before its `step`-th touch of the disk; false if it came through."""
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            del arguments
            if event in CHANGING:
                left -= 1
                if left == 0:
                    os._exit(9)

        sys.addaudithook(count)
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_snapshot_cut_off_anywhere_leaves_a_whole_store(paths: RunPaths) -> None:
    fill(paths.workspace, a="1", b="2", **{"c/d": "3"})
    steps = 0
    while dies_at(steps + 1, lambda: Snapshots(paths.snapshots).take(paths.workspace)):
        steps += 1
        for place in (paths.snapshots / "trees").glob("*"):
            for kept in Snapshots(paths.snapshots).tree(place.name).files.values():
                Snapshots(paths.snapshots).content(kept.digest)
        if steps % 3 == 0:
            shutil.rmtree(paths.snapshots / "objects", ignore_errors=True)
            shutil.rmtree(paths.snapshots / "trees", ignore_errors=True)

    assert steps > 10
    assert _tree(paths, Snapshots(paths.snapshots)).files.keys() == {"a", "b", "c/d"}


def test_putting_back_cut_off_anywhere_is_finished_by_whoever_comes_next(paths: RunPaths) -> None:
    store = Snapshots(paths.snapshots)
    fill(paths.workspace, a="1", b="2", **{"c/d": "3"})
    wanted = store.take(paths.workspace)
    become(paths.workspace, {"a": "x", "c": "link", "new/e": "x"})
    changed = store.take(paths.workspace)
    database = paths.root / "run.db"
    with SqliteJournal(database, writer=True) as journal:
        journal.append(START)
    shutil.copytree(paths.root, paths.root.with_name("kept"), symlinks=True)

    def act() -> None:
        with SqliteJournal(database, writer=True) as journal:
            roll_back(paths, journal, call_id="c1", workspace=wanted)

    steps = 0
    while dies_at(steps + 1, act):
        steps += 1
        was_ordered = (paths.snapshots / "order.json").exists()
        with SqliteJournal(database, writer=True) as journal:
            finish(paths, journal)
            told = [r.event for r in journal if isinstance(r.event, WorkspaceRestored)]
        done = bool(told)
        assert len(told) <= 1
        assert done or not was_ordered
        assert store.take(paths.workspace) == (wanted if done else changed)
        shutil.rmtree(paths.root)
        shutil.copytree(paths.root.with_name("kept"), paths.root, symlinks=True)

    assert steps > 20
