"""Find out what this machine offers a run: sandboxes, models, keys, a GPU, disk. Values of keys are never shown."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ml_intern import plugins
from ml_intern.config import Settings
from ml_intern.core.errors import ConfigError, SandboxError
from ml_intern.core.sandbox import Availability
from ml_intern.llm import names
from ml_intern.sandboxes.choose import STRENGTH, choose

_GIBIBYTE = 1 << 30
_DISK_NEEDED = 10 * _GIBIBYTE
"""Bytes: an image with PyTorch, a data set and a few checkpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `ok` is None where its absence is no fault; `detail` says what to do."""

    topic: str
    name: str
    ok: bool | None
    detail: str


def diagnose(settings: Settings) -> Iterator[Finding]:
    """Look at everything; each finding comes as soon as it is known."""
    yield Finding(topic="python", name=platform.python_version(), ok=True, detail=platform.platform())
    yield from _models(settings)
    yield _hub(settings)
    yield _gpu()
    yield _disk(settings.home)
    yield from sandboxes(settings)


def sandboxes(settings: Settings) -> Iterator[Finding]:
    """Really start every backend that is known, the strongest first; say last which one `auto` takes."""
    strongest = None
    for name in plugins.names("sandboxes"):
        availability = _check(name, settings)
        never = f"; never protects from: {', '.join(availability.unprotected)}" if availability.unprotected else ""
        yield Finding(topic="sandbox", name=name, ok=availability.works, detail=availability.detail + never)
        if strongest is None and availability.works and name in STRENGTH:
            strongest = name
    taken = f"takes {strongest}, the strongest that works here" if strongest else "finds none that works here"
    yield Finding(topic="sandbox", name="auto", ok=strongest is not None, detail=taken)


def _check(name: str, settings: Settings) -> Availability:
    try:
        return choose(name, settings).check()
    except (ConfigError, SandboxError) as error:
        return Availability(works=False, detail=str(error))


def _models(settings: Settings) -> Iterator[Finding]:
    for found in names.found(settings.environment):
        variables = " or ".join(found.variables)
        state = f"{variables} is {'set' if found.is_set else 'not set'}" if variables else "always there, needs no key"
        picked = "; `auto` takes this one" if found.is_picked else ""
        yield Finding(topic="model", name=found.label, ok=found.is_set or None, detail=state + picked)


def _hub(settings: Settings) -> Finding:
    if settings.hub_token:
        where = settings.hub_endpoint or "the public Hub"
        return Finding(topic="hub", name="token", ok=True, detail=f"there; models are published to {where}")
    detail = f"none (HF_TOKEN, HUGGING_FACE_HUB_TOKEN, hf auth login); models are published to {settings.local_hub}"
    return Finding(topic="hub", name="token", ok=None, detail=detail)


def _gpu() -> Finding:
    program = shutil.which("nvidia-smi")
    if program is None:
        return Finding(topic="gpu", name="NVIDIA", ok=None, detail="nvidia-smi is not installed; trainings use the CPU")
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, errors="replace", timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(topic="gpu", name="NVIDIA", ok=False, detail=f"nvidia-smi does not answer: {error}")
    return Finding(topic="gpu", name="NVIDIA", ok=True, detail="; ".join(told.split("\n")).strip("; ") or "none listed")


def _disk(home: Path) -> Finding:
    there = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(there).free
    detail = f"{free / _GIBIBYTE:.1f} GiB free at {there}; a run wants {_DISK_NEEDED // _GIBIBYTE} GiB"
    return Finding(topic="disk", name=str(home), ok=free >= _DISK_NEEDED, detail=detail)
