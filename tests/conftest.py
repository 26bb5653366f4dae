"""Fixtures of all tests; and no test reaches a machine but this one."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path
from typing import cast

import pytest

from ml_intern.sandboxes.environment import find_environment
from ml_intern.sandboxes.namespaces import NamespaceBackend

# What these hold is asserted in them, and a failure must say what was seen.
pytest.register_assert_rewrite("abuse", "conformance", "hub", "support")

# A developer's keys and settings must neither be used nor change what a test sees.
for name in [
    n for n in os.environ if n.startswith(("ML_INTERN_", "HF_", "OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_"))
]:
    if name not in {"ML_INTERN_SANDBOX_PYTHON", "ML_INTERN_TEST_HOME"}:
        del os.environ[name]
os.environ.pop("HUGGING_FACE_HUB_TOKEN", None)


def _is_here(host: object) -> bool:
    if host is None or host in {"localhost", b"localhost", ""}:
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False


def _refuse_other_machines(event: str, arguments: tuple[object, ...]) -> None:
    """Look at what Python is about to do; unlike a patched function, no library can go round it."""
    if event == "socket.getaddrinfo" and not _is_here(arguments[0]):
        raise AssertionError(f"a test looked up the machine {arguments[0]!r}")
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]  # a path for sockets of this machine's file system
        host = cast("tuple[object, ...]", address)[0] if isinstance(address, tuple) else None
        if not _is_here(host):
            raise AssertionError(f"a test connected to {host!r}")


sys.addaudithook(_refuse_other_machines)


@pytest.fixture(scope="session")
def sandbox_python() -> Path:
    """The environment with torch that `ml-intern sandbox build` makes; tests that need it fail without one."""
    home = Path(os.environ.get("ML_INTERN_TEST_HOME", Path.home() / ".ml-intern"))
    given = os.environ.get("ML_INTERN_SANDBOX_PYTHON")
    found = Path(given) if given else find_environment(home)
    if found is None:
        pytest.fail("no sandbox environment: run `make sandbox`, or `ml-intern sandbox build --venv`", pytrace=False)
    return found


@pytest.fixture
def backend(sandbox_python: Path, tmp_path: Path) -> NamespaceBackend:
    """A real sandbox without a container engine."""
    return NamespaceBackend(tmp_path / "home", python=sandbox_python)
