"""How a container engine gives NVIDIA cards away, read from what it tells of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

TOOLKIT = ("--gpus", "all")
"""Docker with the NVIDIA Container Toolkit's runtime."""
CDI = ("--device", "nvidia.com/gpu=all")
"""Any engine that reads Container Device Interface specifications."""
_FOLDERS = ("/etc/cdi", "/var/run/cdi")


def offers(engine: str, info: str, folders: Sequence[str] = _FOLDERS) -> tuple[tuple[str, ...], ...]:
    """Give the flags worth a trial, the engine's own way first.

    Args:
        engine: `docker` or `podman`.
        info: what `ENGINE info --format '{{json .}}'` printed.
        folders: where specifications lie unless the engine names its own.
    """
    told = _read(info)
    runtimes = cast("Mapping[str, object]", told.get("Runtimes") or {})
    own = (TOOLKIT,) if engine == "docker" and "nvidia" in runtimes else ()
    devices = cast("list[Mapping[str, object]]", told.get("DiscoveredDevices") or [])
    named = any(str(device.get("ID", "")).startswith("nvidia.com/gpu") for device in devices)
    # a docker without CDISpecDirs takes no such device
    looked = folders if engine == "podman" else cast("list[str]", told.get("CDISpecDirs") or [])
    return (*own, CDI) if named or any(map(_has_specification, looked)) else own


def missing(engine: str, tried: Mapping[tuple[str, ...], str]) -> str:
    """Say why there is no GPU, and what to do."""
    advice = "or allow the CPU with use_gpu='auto' (`--no-gpu` never looks for one)"
    if not tried:
        return (
            f"a GPU is required, but {engine} offers none: it knows neither the runtime `nvidia` nor a device "
            f"`nvidia.com/gpu`; install the NVIDIA Container Toolkit, {advice}"
        )
    said = "; ".join(f"{' '.join(flags)}: {problem}" for flags, problem in tried.items())
    return f"a GPU is required, but {engine} could not give one ({said}); mend that, {advice}"


def _has_specification(folder: str) -> bool:
    return any(Path(folder).glob("*nvidia*.[jy]*"))


def _read(info: str) -> Mapping[str, object]:
    try:
        told: object = json.loads(info)
    except ValueError:
        return {}
    return cast("Mapping[str, object]", told) if isinstance(told, dict) else {}
