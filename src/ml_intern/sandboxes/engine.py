"""Ask a container engine through its command line; no call can hang for ever."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ml_intern.core.errors import SandboxError

_PASSED = ("PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "TMPDIR")
_PREFIXES = ("DOCKER_", "BUILDKIT_", "BUILDX_", "CONTAINER_", "CONTAINERS_", "REGISTRY_AUTH_")


def locate(engine: str) -> str:
    """Give the path of the engine's program.

    Raises:
        SandboxError: it is not installed.
    """
    program = shutil.which(engine)
    if program is None:
        raise SandboxError(f"{engine} is not installed")
    return str(Path(program).absolute())


def environment() -> Mapping[str, str]:
    """Give what the engine's program needs of our environment; keys of other services stay out."""
    return {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(_PREFIXES)}


def ask(engine: str, *arguments: str, timeout: float = 30.0) -> str:
    """Run one command of `engine` and give its output.

    Args:
        engine: name of the program.
        arguments: its arguments.
        timeout: seconds.

    Raises:
        SandboxError: it is not installed, fails, or does not answer in time.
    """
    command = [locate(engine), *arguments]
    try:
        done = subprocess.run(
            command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"{engine} {arguments[0]} did not answer within {timeout:g} s; is it healthy?") from error
    except OSError as error:
        raise SandboxError(f"{engine} cannot be run: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()[-2000:]
        raise SandboxError(f"{engine} {arguments[0]} failed: {said or f'status {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")
