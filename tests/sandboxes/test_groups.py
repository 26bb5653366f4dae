"""Control groups of the rootless container: which are made, what is written to them, and that they hold."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from conformance.sandbox_base import runner
from ml_intern.core.sandbox import Limits, SandboxSpec
from ml_intern.sandboxes import groups, layout
from ml_intern.sandboxes.groups import Wanted
from ml_intern.sandboxes.namespaces import NamespaceBackend

LIMITS = Limits(memory=1 << 30, processes=100, cpus=1.5)
MEMORY = 1 << 30


def unified(root: Path, given: str) -> Path:
    """Lay out the second version of control groups, with a group of ours in a slice that gives `given` away."""
    parent = root / "user.slice" / "app.slice"
    (parent / "ours.scope").mkdir(parents=True)
    (root / "cgroup.controllers").write_text("cpu memory pids", "ascii")
    (parent / "cgroup.subtree_control").write_text(given, "ascii")
    return parent


def test_the_second_version_gets_one_group_beside_our_own(tmp_path: Path) -> None:
    parent = unified(tmp_path, "cpu memory pids")

    found = groups.wanted("0::/user.slice/app.slice/ours.scope\n", LIMITS, MEMORY, root=tmp_path)

    files = {"memory.max": str(MEMORY), "memory.swap.max": "0", "pids.max": "108", "cpu.max": "150000 100000"}
    assert found == (Wanted(parent=parent, files=files),)


def test_processors_are_left_alone_where_they_are_not_given_away(tmp_path: Path) -> None:
    unified(tmp_path, "memory pids")

    (found,) = groups.wanted("0::/user.slice/app.slice/ours.scope\n", LIMITS, MEMORY, root=tmp_path)

    assert set(found.files) == {"memory.max", "memory.swap.max", "pids.max"}


@pytest.mark.parametrize("given", ["", "pids cpu"])
def test_nothing_is_made_where_memory_is_not_given_away(tmp_path: Path, given: str) -> None:
    unified(tmp_path, given)

    assert groups.wanted("0::/user.slice/app.slice/ours.scope\n", LIMITS, MEMORY, root=tmp_path) == ()
    assert groups.wanted("0::/of/another/container\n", LIMITS, MEMORY, root=tmp_path) == ()


def test_the_first_version_gets_a_group_for_each_controller(tmp_path: Path) -> None:
    for name in ("memory/ours", "pids", "cpu"):
        (tmp_path / name).mkdir(parents=True)

    found = groups.wanted("4:memory:/ours\n3:pids:/\n2:cpu:/gone\n0::/\n", LIMITS, MEMORY, root=tmp_path)

    both = {"memory.limit_in_bytes": str(MEMORY), "memory.memsw.limit_in_bytes": str(MEMORY)}
    assert found == (
        Wanted(parent=tmp_path / "memory" / "ours", files=both),
        Wanted(parent=tmp_path / "pids", files={"pids.max": "108"}),
        Wanted(parent=tmp_path / "cpu", files={"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000"}),
    )


def test_all_groups_are_made_or_none(tmp_path: Path) -> None:
    there = Wanted(parent=tmp_path, files={})
    missing = Wanted(parent=tmp_path / "missing", files={})

    assert groups.make([there, missing], "ml-intern.1") == ()
    assert list(tmp_path.iterdir()) == []
    assert groups.make([there], "ml-intern.2") == (tmp_path / "ml-intern.2",)


def _permitted() -> Sequence[Path]:
    """Make groups for 64 MiB; none where this user may not."""
    own = Path("/proc/self/cgroup").read_text("ascii")
    return groups.make(groups.wanted(own, LIMITS, 64 << 20), f"ml-intern.test-{os.getpid()}")


def test_a_group_ends_what_takes_too_much_and_counts_it() -> None:
    made = _permitted()
    count = cast("Callable[[Sequence[str]], int]", _inside("processes.py")["kernel_kills"])
    # without a group it takes 256 MiB for a moment
    code = "import sys\n[open(g + '/cgroup.procs', 'w').write('0') for g in sys.argv[1:]]\nb'x' * (256 << 20)"

    done = subprocess.run([sys.executable, "-I", "-c", code, *map(str, made)], check=False)
    counted = [count([str(file)]) for group in made for file in group.glob("memory.*") if file.name in _COUNTING]
    for group in made:
        group.rmdir()

    assert done.returncode == (-signal.SIGKILL if made else 0)
    assert counted == [1] * bool(made)


_COUNTING = ("memory.events", "memory.oom_control")


def _inside(name: str) -> dict[str, object]:
    """Load a program of the inside, which finds its siblings by itself there."""
    sys.path.insert(0, str(layout.SCRIPTS))
    try:
        return runpy.run_path(str(layout.SCRIPTS / name))
    finally:
        sys.path.remove(str(layout.SCRIPTS))


@pytest.mark.sandbox
def test_a_session_has_its_groups_sees_their_counts_and_leaves_none_behind(backend: NamespaceBackend) -> None:
    made = _permitted()
    for group in made:
        group.rmdir()
    # a launcher that was killed in another test leaves its own, for ten minutes
    before = _left_by_this_process(made)
    spec = SandboxSpec(run="groups", mounts=(), working_directory="/tmp", limits=LIMITS, preload=())

    opened = backend.open(spec)
    code = (
        "import os\ncounts = ('/sys/fs/cgroup/memory.events', '/sys/fs/cgroup/memory/memory.oom_control')\n"
        "[any(map(os.path.exists, counts)), open('/proc/self/cgroup').read().count('ml-intern')]"
    )
    seen = runner(opened)(code).value
    opened.close()

    assert seen == str([bool(made), 0])
    assert _left_by_this_process(made) <= before


def _left_by_this_process(made: Sequence[Path]) -> set[Path]:
    return {left for group in made for left in group.parent.glob(f"ml-intern.{os.getpid()}-*")}
