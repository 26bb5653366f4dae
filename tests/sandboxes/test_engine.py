"""A container engine that never answers costs the time that was set for it, and an error that says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml_intern.core.errors import SandboxError
from ml_intern.sandboxes.engine import ask
from ml_intern.sandboxes.session import Session

SILENT = "#!/bin/sh\nexec sleep 600\n"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An engine on the path that takes every command and says nothing."""
    program = tmp_path / "silent-engine"
    program.write_text(SILENT, "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return program.name


def test_a_command_that_the_engine_does_not_answer_is_an_error(engine: str) -> None:
    with pytest.raises(SandboxError, match=r"silent-engine info did not answer within 0\.2 s"):
        ask(engine, "info", timeout=0.2)


def test_a_session_that_the_engine_does_not_start_is_an_error_and_is_cleaned_up(engine: str) -> None:
    cleaned: list[bool] = []

    with pytest.raises(SandboxError, match=r"did not start within 0\.2 s"):
        Session([engine, "run"], environment=os.environ, output=1000, clean=lambda: cleaned.append(True), patience=0.2)
    assert cleaned
