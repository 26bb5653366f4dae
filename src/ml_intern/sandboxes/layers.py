"""Add packages to a run's sandboxes: the host downloads wheels, a sandbox without network unpacks them into a layer.

No script of a package runs in this: wheels only, and every dependency is looked up by its name in the index, because a
wheel may name an address whose program a downloader would build. What a layer would hide of the base is refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ml_intern.core.errors import SandboxError, ToolError
from ml_intern.core.facts import Package, PackagesInstalled
from ml_intern.core.protocols import RunPaths
from ml_intern.core.sandbox import JobResult, JobSpec, Mount, SandboxBackend, SandboxSpec
from ml_intern.sandboxes import layout, wheelhouse
from ml_intern.sandboxes.asked import Base, Demand, Wheel, demands, fits, parse, read_wheel

LARGEST = 4 << 30
"""Bytes that the wheels of a layer may have together."""
_ROUNDS = 40
_WHEELS, _TARGET = "/wheels", "/layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to add, and where. `known` is what the run added before; `index_url` None means what pip is set to."""

    asked: tuple[str, ...]
    run: str
    call_id: str
    paths: RunPaths
    known: PackagesInstalled | None = None
    index_url: str | None = None


def install(
    backend: SandboxBackend, order: Order, *, cancelled: Callable[[], bool] = lambda: False
) -> PackagesInstalled:
    """Resolve, download and unpack; the same order again finds what is there already.

    Raises:
        ToolError: a name is none, cannot be had as a wheel, or does not go with the base.
        SandboxError: the sandbox or pip failed.
    """
    asked = parse(order.asked)
    base = describe(backend, order)
    kept = [Requirement(f"{p.name}=={p.version}") for p in order.known.packages] if order.known else []
    wheels = _resolved([*asked, *kept], base, order)
    packages = tuple(sorted(map(_package, wheels), key=lambda package: package.name))
    layer = _digest({"base": base.digest, "packages": [[p.name, p.version, p.digest] for p in packages]})
    place = folder(order.paths, layer)
    if not place.exists():
        _unpack(backend, order, wheels, place, cancelled)
    return PackagesInstalled(call_id=order.call_id, layer=layer, base=base.digest, packages=packages)


def folder(paths: RunPaths, layer: str) -> Path:
    """Say where a layer lies."""
    return paths.root / "layers" / layer


def describe(backend: SandboxBackend, order: Order) -> Base:
    """Ask a sandbox without any layer what it has."""
    job = JobSpec(
        directory=order.paths.call(order.call_id) / "describe",
        argv=("python", "-I", f"{layout.INSIDE}/describe.py"),
        timeout=120.0,
    )
    spec = SandboxSpec(run=order.run, mounts=(), working_directory="/tmp")
    told = backend.start(spec, job).wait(on_event=lambda _event: None)
    if not told.ok or len(told.reports) != 1:
        raise SandboxError(f"the sandbox does not say what it has: {_end(told)}")
    given = cast("dict[str, object]", json.loads(told.reports[0]))
    packages = cast("dict[str, str]", given["packages"])
    return Base(
        environment=cast("dict[str, str]", given["environment"]),
        packages={canonicalize_name(name): version for name, version in packages.items()},
        modules=frozenset(cast("list[str]", given["modules"])),
        digest=_digest(given),
    )


def _resolved(roots: Sequence[Requirement], base: Base, order: Order) -> list[Wheel]:
    """Download what is asked, then what that asks for, until nothing is missing."""
    chosen: dict[str, Wheel] = {}
    for _ in range(_ROUNDS):
        wanted = demands(roots, chosen, base)
        missing = {name: demand for name, demand in wanted.items() if not fits(chosen.get(name), demand)}
        if not missing:
            wheels = [chosen[name] for name in sorted(wanted)]
            _check(wheels, base)
            return wheels
        chosen.update(_download(missing, base, order))
    raise ToolError("the packages' requirements do not come to an end; ask for exact versions")


def _check(wheels: Sequence[Wheel], base: Base) -> None:
    """Refuse what would take the place of something else, or would take too much room."""
    if not wheels:
        raise ToolError("the sandbox has all of that already; import it")
    for wheel in wheels:
        if hidden := sorted(set(wheel.modules) & base.modules):
            raise ToolError(f"{wheel.name} {wheel.version} brings a module {hidden[0]!r}, which would hide the base's")
    if sum(wheel.file.stat().st_size for wheel in wheels) > LARGEST:
        raise ToolError(f"the packages have more than {LARGEST >> 30} GiB")


def _download(missing: Mapping[str, Demand], base: Base, order: Order) -> dict[str, Wheel]:
    """Take one wheel for each name from the index, without what it asks for."""
    place = order.paths.root / "layers" / "wheels"
    place.mkdir(parents=True, exist_ok=True)
    environment = base.environment
    target = wheelhouse.Target(version=environment["python_version"], machine=environment["platform_machine"])
    names = [f"{name}{demand.specifier}" for name, demand in sorted(missing.items())]
    with tempfile.TemporaryDirectory(prefix=".download-", dir=place.parent) as scratch:
        try:
            wheelhouse.take(names, Path(scratch), target=target, index_url=order.index_url, also=place)
        except SandboxError as error:
            told = ", ".join(f"{name} (for {', '.join(demand.askers)})" for name, demand in sorted(missing.items()))
            raise ToolError(f"no fitting wheel of {told}: {str(error)[-700:]}") from error
        files = sorted(Path(scratch).glob("*.whl"))
        found = [read_wheel(file.replace(place / file.name)) for file in files]
    return {wheel.name: wheel for wheel in found if wheel.name in missing}


def _unpack(
    backend: SandboxBackend, order: Order, wheels: Sequence[Wheel], place: Path, cancelled: Callable[[], bool]
) -> None:
    """Let pip of the sandbox unpack the wheels, without network; the layer appears whole or not at all."""
    draft = place.with_name(f"{place.name}.partial")
    draft.mkdir(parents=True, exist_ok=True)
    files = [f"{_WHEELS}/{wheel.file.name}" for wheel in wheels]
    options = ("--no-index", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--target", _TARGET)
    job = JobSpec(
        directory=order.paths.call(order.call_id) / "unpack",
        argv=("python", "-I", "-m", "pip", "install", "--quiet", "--upgrade", *options, *files),
        timeout=1800.0,
    )
    mounts = (Mount(source=wheels[0].file.parent, target=_WHEELS), Mount(source=draft, target=_TARGET, writable=True))
    spec = SandboxSpec(run=order.run, mounts=mounts, working_directory="/tmp")
    told = backend.start(spec, job).wait(on_event=lambda _event: None, cancelled=cancelled)
    if not told.ok:
        shutil.rmtree(draft, ignore_errors=True)
        raise ToolError(f"the packages cannot be unpacked: {_end(told)}")
    draft.rename(place)


def _package(wheel: Wheel) -> Package:
    with wheel.file.open("rb") as reader:
        digest = hashlib.file_digest(reader, "sha256").hexdigest()
    return Package(name=wheel.name, version=wheel.version, file=wheel.file.name, digest=digest)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _end(told: JobResult) -> str:
    return f"{told.reason or f'exit status {told.exit_code}'}: {told.output[-500:].strip()}"
