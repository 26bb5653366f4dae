"""Build and find what the sandbox has installed: an image, or a virtual environment for namespaces.

Both are named by a hash of everything that decides their content. `ML_INTERN_SANDBOX_PYTHON` names a virtual
environment to use instead of the built one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from ml_intern.core.errors import SandboxError
from ml_intern.sandboxes import bytecode
from ml_intern.sandboxes import engine as engines
from ml_intern.sandboxes import wheelhouse as wheels

Kind: TypeAlias = Literal["docker", "venv"]
Say: TypeAlias = Callable[[str], None]

REPOSITORY = "open-ml-intern-sandbox"
"""Name of the images, without the tag."""
_FOLDER = Path(__file__).parent
_DOCKERFILE, REQUIREMENTS = _FOLDER / "Dockerfile", _FOLDER / "requirements.txt"
_BASE = "python:3.11-slim"
_READY = "ml-intern-ready"
"""File that is written into an environment last; one without it is never used."""
_BUILD_TIMEOUT = 3600.0
_INDEXED = "ml-intern-docs"
"""Begins the name of a file that says which programs indexed an environment's documentation."""
_DOCS = "share/ml-intern/docs.sqlite"
"""Where an environment or an image keeps the index of its packages' documentation, below its prefix."""
_FIRST_STAGE = "label=org.open-ml-intern.stage=build"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    home: Path
    base: str
    wheelhouse: Path | None
    index_url: str | None
    cuda: str | None
    indexer: Path
    programs: Sequence[Path]
    say: Say


def build(
    settings_home: Path,
    *,
    indexer: Path,
    kind: Kind | None = None,
    base: str | None = None,
    wheelhouse: Path | None = None,
    index_url: str | None = None,
    cuda: str | None = None,
    programs: Sequence[Path] = (),
    say: Callable[[str], None] = lambda line: None,
) -> str:
    """Make what the sandbox needs, unless it is there; give the image's tag, or the environment's path.

    Args:
        settings_home: where wheels and environments are kept.
        indexer: folder of the programs that index documentation; an environment without its index gets it.
        kind: an image or an environment; without one, an image where Docker or Podman answers.
        base: image to build on, with Python and pip; `python:3.11-slim` without one.
        wheelhouse: folder with all wheels; then nothing is downloaded.
        index_url: package index that has PyTorch.
        cuda: PyTorch for CUDA `12` or `13` instead of the much smaller one for the CPU.
        programs: folders of what runs inside, to be compiled for it.
        say: told what happens.

    Raises:
        SandboxError: a download or a build failed; what was there before is untouched.
    """
    request = _Request(
        home=settings_home,
        base=base or _BASE,
        wheelhouse=wheelhouse,
        index_url=index_url,
        cuda=cuda,
        indexer=indexer,
        programs=programs,
        say=say,
    )
    engine = _engine() if kind != "venv" else None
    if engine is not None:
        tag = _build_image(request, engine)
        _compile(request, lambda: bytecode.compile_in(engine, tag, request.programs))
        return tag
    if kind == "docker":
        raise SandboxError("neither Docker nor Podman answers; start one, or build an environment with --venv")
    place = _build_environment(request)
    _compile(request, lambda: bytecode.compile_by(place / "bin" / "python", request.programs))
    return str(place)


def _compile(request: _Request, make: Callable[[], None]) -> None:
    """Compile our own programs for what was built; without it all works, only each job takes longer."""
    if not request.programs:
        return
    try:
        make()
    except SandboxError as error:
        request.say(f"our own programs could not be compiled, so that each job does it: {error}")


def find_image(engine: str = "docker") -> str | None:
    """Give the newest image that was built, or None.

    Raises:
        SandboxError: the engine is not installed or does not answer.
    """
    listing = engines.ask(engine, "images", REPOSITORY, "--format", "{{.CreatedAt}}\t{{.Repository}}:{{.Tag}}")
    found = sorted(line for line in listing.splitlines() if not line.endswith(":<none>"))
    return found[-1].partition("\t")[2] if found else None


def find_environment(home: Path) -> Path | None:
    """Give the newest complete environment under `home`, or None."""
    found = sorted((home / "environments").glob(f"*/{_READY}"), key=lambda path: path.stat().st_mtime)
    return found[-1].parent if found else None


def _engine() -> str | None:
    """Give the first engine that answers."""
    for engine in ("docker", "podman"):
        with contextlib.suppress(SandboxError):
            engines.ask(engine, "ps", "--quiet")
            return engine
    return None


def _build_image(request: _Request, engine: str) -> str:
    tag = f"{REPOSITORY}:{_hash(request, _DOCKERFILE.read_text('utf-8'), request.base, _indexer_digest(request))}"
    with _exclusive(request.home / "images", tag.rpartition(":")[2]):
        if engines.ask(engine, "images", "--quiet", tag).strip():
            request.say(f"{tag} is there already")
            return tag
        request.say(f"looking at {request.base}")
        target = _target_of(request.base, engine)
        with tempfile.TemporaryDirectory(prefix="ml-intern-image-") as folder:
            context = Path(folder)
            shutil.copy(_DOCKERFILE, context)
            shutil.copy(REQUIREMENTS, context)
            shutil.copytree(request.indexer, context / "documentation", ignore=shutil.ignore_patterns("__pycache__"))
            _link(_wheels(request, target), context / "wheelhouse")
            request.say(f"building {tag}; this takes some minutes")
            arguments = ("--network", "none", "--tag", tag, "--build-arg", f"BASE={request.base}", str(context))
            engines.ask(engine, "build", *arguments, timeout=_BUILD_TIMEOUT)
            with contextlib.suppress(SandboxError):  # only space is lost: the classic builder keeps the first stage
                engines.ask(engine, "image", "prune", "--force", "--filter", _FIRST_STAGE, timeout=300.0)
    return tag


def _target_of(base: str, engine: str) -> wheels.Target:
    """Ask the base image for its Python."""
    code = "import platform, sys; print(*sys.version_info[:2], platform.machine())"
    answer = engines.ask(engine, "run", "--rm", "--entrypoint", "python3", base, "-c", code, timeout=900.0)
    major, minor, machine = answer.split()[-3:]
    return wheels.Target(version=f"{major}.{minor}", machine=machine)


def _build_environment(request: _Request) -> Path:
    target = wheels.Target.here()
    name = _hash(request, target.version, target.machine)
    place = request.home / "environments" / name
    with _exclusive(place.parent, name):
        if (place / _READY).exists():
            request.say(f"{place} is there already")
            _index(place, request)
            return place
        shutil.rmtree(place, ignore_errors=True)
        source = _wheels(request, target)
        request.say(f"installing into {place}")
        wheels.run([sys.executable, "-m", "venv", str(place)], "making the environment")
        install = ["-m", "pip", "install", "--no-index", "--find-links", str(source), "--requirement"]
        wheels.run([str(place / "bin" / "python"), *install, str(REQUIREMENTS)], "installing the packages")
        _index(place, request)
        (place / _READY).touch()
    return place


def _index(place: Path, request: _Request) -> None:
    """Index the packages' documentation, unless these very programs did it before."""
    done = place / f"{_INDEXED}-{_indexer_digest(request)}"
    if not done.exists():
        request.say("indexing the packages' documentation")
        program = [str(place / "bin" / "python"), "-I", str(request.indexer / "build.py"), str(place / _DOCS)]
        wheels.run(program, "indexing the documentation")
        done.touch()


def _indexer_digest(request: _Request) -> str:
    programs = sorted(request.indexer.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in programs)).hexdigest()[:16]


def _wheels(request: _Request, target: wheels.Target) -> Path:
    if request.wheelhouse is not None:
        if not list(request.wheelhouse.glob("*.whl")):
            raise SandboxError(f"{request.wheelhouse} holds no wheels")
        return request.wheelhouse.resolve()
    name = _hash(request, target.version, target.machine)
    options = wheels.Options(requirements=REQUIREMENTS, target=target, index_url=request.index_url, cuda=request.cuda)
    return wheels.download(request.home / "wheelhouses" / name, options, request.say)


def _hash(request: _Request, *more: str) -> str:
    given = sorted(path.name for path in request.wheelhouse.glob("*.whl")) if request.wheelhouse else []
    parts = [REQUIREMENTS.read_text("utf-8"), str(request.cuda), request.index_url or "", *more, *given]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@contextmanager
def _exclusive(folder: Path, name: str) -> Generator[None]:
    """Let one builder of the same thing at a time pass; a second finds it built."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _link(source: Path, target: Path) -> None:
    """Put the wheels into the build context, without copying where the file system allows it."""
    target.mkdir()
    for wheel in source.glob("*.whl"):
        try:
            (target / wheel.name).hardlink_to(wheel.resolve())
        except OSError:  # another file system
            shutil.copy(wheel, target)
