"""Our own programs are compiled once for what runs them, and stale bytecode is never run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ml_intern.core.errors import SandboxError
from ml_intern.sandboxes.bytecode import compile_by, compile_in

PYTHON = Path(sys.executable)


def say(folder: Path) -> str:
    code = f"import sys; sys.dont_write_bytecode = True; sys.path.append({str(folder)!r}); import program"
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout


def test_programs_get_bytecode_beside_their_sources_also_in_folders_below(tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    for file in (tmp_path / "program.py", tmp_path / "checks" / "one.py"):
        file.write_text("print(1)", "utf-8")

    compile_by(PYTHON, [tmp_path])

    assert sorted(path.name.partition(".")[0] for path in tmp_path.rglob("*.pyc")) == ["one", "program"]


def test_bytecode_of_a_source_that_has_changed_is_not_run(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("print(1)", "utf-8")
    compile_by(PYTHON, [tmp_path])
    before = say(tmp_path)
    program.write_text("print(2)", "utf-8")

    assert (before, say(tmp_path)) == ("1\n", "2\n")


def test_an_interpreter_that_cannot_compile_says_so(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="compiling our own programs failed"):
        compile_by(tmp_path / "python", [tmp_path])


def test_an_image_compiles_them_without_network_and_as_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    compile_in("docker", "image:tag", [Path("/a"), Path("/b")])

    asked = (tmp_path / "asked").read_text("utf-8")
    assert asked.startswith("run --rm --network none --user=")
    assert asked.endswith(
        "--volume=/a:/programs/0 --volume=/b:/programs/1 image:tag "
        "-I -m compileall -q --invalidation-mode checked-hash /programs/0 /programs/1\n"
    )
