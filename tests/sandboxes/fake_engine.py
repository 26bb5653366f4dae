"""A program called `docker` that stands for the engine and keeps what it was asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FAKE = """#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> asked
case "$1" in
  images) printf 'today\\topen-ml-intern-sandbox:abc\\n' ;;
  info) cat info ;;
  run)
    case "$*" in
      *--gpus*) if [ -e broken ]; then echo "no CUDA-capable device is detected" >&2; exit 125; fi ;;
    esac
    case "$*" in
      *supervisor.py*) echo '{"event": "ready"}'; cat > /dev/null ;;
    esac ;;
esac
"""


def put(folder: Path, monkeypatch: pytest.MonkeyPatch, *, info: str) -> Path:
    """Put it into `folder` and that on PATH; the file `info` there is what the engine tells of itself."""
    program = folder / "docker"
    program.write_text(FAKE, "utf-8")
    program.chmod(0o755)
    (folder / "info").write_text(info, "utf-8")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def started(folder: Path) -> list[str]:
    """Give the command line of each sandbox, without trials and questions."""
    return [line for line in (folder / "asked").read_text("utf-8").splitlines() if "supervisor.py" in line]
