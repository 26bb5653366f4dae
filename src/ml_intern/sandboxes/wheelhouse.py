"""Download the wheels that the sandbox installs, so that nothing else needs a network."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import parse_wheel_filename

from ml_intern.core.errors import SandboxError

_TIMEOUT = 3600.0
_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch publishes wheels without CUDA for Linux (pytorch.org, "Start locally")."""
_CUDA_INDEXES = {
    "12": ("cu126", "https://download.pytorch.org/whl/cu126"),
    "13": ("cu130", "https://download.pytorch.org/whl/cu130"),
}
"""Name of the build and index for each version of CUDA (pytorch.org, "Previous versions")."""
PINS = "pins.txt"
"""Requirements with the digests of the wheels that were downloaded, in pip's own form."""
_TAGS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The Python that will use the wheels: `version` like `3.11`, `machine` like `x86_64`; always Linux."""

    version: str
    machine: str

    @classmethod
    def here(cls) -> Target:
        """Give the Python that runs this."""
        return cls(version=f"{sys.version_info.major}.{sys.version_info.minor}", machine=platform.machine())


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to download."""

    requirements: Path
    target: Target
    index_url: str | None
    cuda: str | None


def download(place: Path, options: Options, say: Callable[[str], None]) -> Path:
    """Fill `place` with the wheels of `options`, unless it is there; it appears whole or not at all.

    Raises:
        SandboxError: pip is missing or a download fails.
    """
    if place.exists():
        check_pins(place)
        return place
    draft = place.with_name(f"{place.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    torch = torch_of(options)
    base = [*_pip(), "download", "--quiet", "--dest", str(draft), *_for_target(options.target)]
    say(f"downloading {torch} and what it needs")
    run([*base, *_torch_index(torch, options), torch], f"downloading {torch}")
    say("downloading the other packages")
    # the wheel from the step before satisfies the same pin here, so no other build of PyTorch is looked for
    run(
        [*base, "--find-links", str(draft), *_exactly(draft), "--requirement", str(options.requirements)], "downloading"
    )
    (draft / PINS).write_text("".join(f"{line}\n" for line in pins(draft)), "utf-8")
    draft.rename(place)
    return place


def torch_of(options: Options) -> str:
    """Give the pin of PyTorch, with the build where one is asked for and no index of the person's says it."""
    torch = next(line for line in options.requirements.read_text("utf-8").splitlines() if line.startswith("torch=="))
    return f"{torch}+{_CUDA_INDEXES[options.cuda][0]}" if options.cuda and options.index_url is None else torch


def pins(folder: Path) -> list[str]:
    """Name each wheel of a folder with its version and SHA-256."""
    lines: list[str] = []
    for wheel in sorted(folder.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        with wheel.open("rb") as file:
            lines.append(f"{name}=={version} --hash=sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
    return lines


def check_pins(place: Path) -> None:
    """Compare wheels that were kept with what was recorded when they came.

    Raises:
        SandboxError: one changed, came in or went.
    """
    recorded = place / PINS
    if recorded.exists() and recorded.read_text("utf-8").splitlines() != pins(place):
        raise SandboxError(f"the wheels in {place} are not those that were downloaded; delete the folder and try again")


def take(names: Sequence[str], place: Path, *, target: Target, index_url: str | None, also: Path) -> None:
    """Download one wheel for each of `names` to `place`, and nothing that they ask for.

    Without dependencies, for a wheel may name an address as one, and pip would build what lies there.

    Args:
        names: names with versions, already checked.
        place: an empty folder.
        target: the Python that will use them.
        index_url: the package index; None means what pip is set to.
        also: a folder of wheels that were downloaded before.

    Raises:
        SandboxError: pip is missing, or one of them cannot be had as a wheel.
    """
    index = ["--index-url", index_url] if index_url is not None else []
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(place), "--find-links", str(also)]
    tags = [option for option in _for_target(target) if option not in {"--only-binary", ":all:"}]
    run([*_pip(), "download", *options, *index, *tags, "--", *names], "downloading")


def _exactly(folder: Path) -> list[str]:
    """Constrain PyTorch to the build that was taken: `2.13.0` alone would also match one with CUDA."""
    wheel = next(folder.glob("torch-*.whl"))
    constraint = folder / "constraints.txt"
    constraint.write_text(f"torch=={wheel.name.split('-')[1]}\n", "utf-8")
    return ["--constraint", str(constraint)]


def _torch_index(torch: str, options: Options) -> list[str]:
    """Choose the index for PyTorch: the given one, pip's own if that suffices, else the one for the CPU."""
    if options.index_url is not None:
        return ["--index-url", options.index_url]
    if options.cuda:
        return ["--index-url", _CUDA_INDEXES[options.cuda][1]]
    if options.target.machine != "x86_64" or _resolves_to_cpu(torch, options.target):
        return []
    return ["--extra-index-url", _CPU_INDEX]


def _resolves_to_cpu(torch: str, target: Target) -> bool:
    """Ask pip which build its configured indexes offer, without downloading it."""
    command = [*_pip(), "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--report", "-"]
    answer = run([*command, "--target", "unused", *_for_target(target), torch], f"looking for {torch}")
    version: str = json.loads(answer)["install"][0]["metadata"]["version"]
    return version.endswith("+cpu")


def _for_target(target: Target) -> list[str]:
    if target == Target.here() and sys.platform == "linux":
        return []
    tags = [part for tag in _TAGS for part in ("--platform", f"{tag}_{target.machine}")]
    return ["--only-binary", ":all:", "--python-version", target.version, *tags]


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is None:
        raise SandboxError("pip is missing in the agent's environment; run `python -m ensurepip`, or give a wheelhouse")
    return [sys.executable, "-m", "pip"]


def run(command: Sequence[str], what: str) -> str:
    """Run a program to its end and give its output.

    Raises:
        SandboxError: it fails or takes an hour.
    """
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"{what} failed: {error}") from error
    if done.returncode != 0:
        raise SandboxError(f"{what} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
