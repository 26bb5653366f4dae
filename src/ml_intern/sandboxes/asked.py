"""What may be asked for from a package index, and what wheels ask for in turn. Pure; nothing is downloaded."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

from ml_intern.core.errors import ToolError
from ml_intern.core.neutral import one_line

MOST = 20
"""Packages that one call may ask for."""
_LARGEST_METADATA = 4 << 20
_MOST_FILES = 200_000
_ASKED = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"  # a name
    r"(?:\[[A-Za-z0-9._-]+(?:,[A-Za-z0-9._-]+)*\])?"  # extras
    r"(?:(?:==|~=|!=|<=|>=|<|>)[A-Za-z0-9.!*+_-]+(?:,(?:==|~=|!=|<=|>=|<|>)[A-Za-z0-9.!*+_-]+)*)?"
)


_SPACED = re.compile(r" *(==|~=|!=|<=|>=|<|>|,) *")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a sandbox has before anything is added.

    `environment` holds the values markers are judged by (PEP 508), `packages` versions by canonical name, `modules`
    what can be imported. `digest` names it.
    """

    environment: Mapping[str, str]
    packages: Mapping[str, str]
    modules: frozenset[str]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A downloaded wheel: its file, what it is, what it asks for, and which modules it brings."""

    file: Path
    name: str
    version: str
    requires: tuple[str, ...]
    modules: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Demand:
    """What one package must fulfil, and who says so."""

    specifier: SpecifierSet
    extras: set[str]
    askers: list[str]


def parse(asked: Sequence[str]) -> list[Requirement]:
    """Read names with optional extras and versions; nothing else gets to the downloader.

    Raises:
        ToolError: one is a path, an address, an option, a marker, or no name at all.
    """
    if not 1 <= len(asked) <= MOST:
        raise ToolError(f"name 1 to {MOST} packages, such as ['einops', 'timm>=1.0']")
    return [_parsed(_SPACED.sub(r"\1", text.strip(" "))) for text in asked]


def _parsed(text: str) -> Requirement:
    problem = f"{one_line(text, 80)!r} is no name of a package; give one as in 'timm' or 'timm>=1.0,<2'"
    if not _ASKED.fullmatch(text):
        raise ToolError(f"{problem}: paths, addresses and options are not taken")
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise ToolError(problem) from error


def demands(roots: Sequence[Requirement], chosen: Mapping[str, Wheel], base: Base) -> dict[str, Demand]:
    """Give what is asked of each package that the base lacks, as far as the chosen wheels tell.

    Raises:
        ToolError: a wheel wants an address instead of a name, or another version than the base has.
    """
    found: dict[str, Demand] = {}
    queue = [("you", root) for root in roots]
    seen: set[tuple[str, str]] = set()
    while queue:
        asker, requirement = queue.pop(0)
        if (asker, str(requirement)) in seen:
            continue
        seen.add((asker, str(requirement)))
        if _is_in_base(asker, requirement, base):
            continue
        name = canonicalize_name(requirement.name)
        demand = found.setdefault(name, Demand(specifier=SpecifierSet(), extras=set(), askers=[]))
        demand.specifier &= requirement.specifier
        demand.extras |= requirement.extras
        demand.askers.append(asker)
        if name in chosen:
            queue += [(name, needed) for needed in _needed(chosen[name], demand.extras, base)]
    return found


def _is_in_base(asker: str, requirement: Requirement, base: Base) -> bool:
    if requirement.url is not None:
        raise ToolError(f"{asker} wants {requirement.name} from an address; only the package index is used")
    version = base.packages.get(canonicalize_name(requirement.name))
    if version is None:
        return False
    if not requirement.specifier.contains(version, prereleases=True):
        wanted = f"{requirement.name}{requirement.specifier}"
        raise ToolError(f"{asker} wants {wanted}, but the sandbox has {version} and keeps it; ask for another version")
    return True


def _needed(wheel: Wheel, extras: set[str], base: Base) -> Iterator[Requirement]:
    for text in wheel.requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise ToolError(f"{wheel.name} {wheel.version} has unreadable requirements; try another version") from error
        environments = [{**base.environment, "extra": extra} for extra in ("", *sorted(extras))]
        if requirement.marker is None or any(requirement.marker.evaluate(e) for e in environments):
            yield requirement


def fits(wheel: Wheel | None, demand: Demand) -> bool:
    """Whether a wheel is there and its version allowed."""
    return wheel is not None and demand.specifier.contains(wheel.version, prereleases=True)


def read_wheel(file: Path) -> Wheel:
    """Read names and metadata of a wheel; nothing is unpacked.

    Raises:
        ToolError: it is no sound wheel.
    """
    try:
        name, version, _, _ = parse_wheel_filename(file.name)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()[:_MOST_FILES]
            metadata = [m for m in members if re.fullmatch(r"[^/]+\.dist-info/METADATA", m.filename)]
            if len(metadata) != 1 or metadata[0].file_size > _LARGEST_METADATA:
                raise ToolError(f"{file.name} is no sound wheel: it must have one METADATA")
            text = archive.read(metadata[0]).decode("utf-8", "replace")
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ToolError(f"{file.name} is no sound wheel: {error}") from error
    headers = HeaderParser().parsestr(text)
    requires = tuple(str(value) for value in headers.get_all("Requires-Dist", []))
    modules = tuple(sorted({found for m in members if (found := _module(m.filename))}))
    return Wheel(file=file, name=name, version=str(version), requires=requires, modules=modules)


def _module(member: str) -> str | None:
    """Name the module that a file belongs to at the top of the path; None for what is none."""
    parts = member.split("/")
    if parts[0].endswith(".data") and len(parts) > 2 and parts[1] in {"purelib", "platlib"}:
        parts = parts[2:]
    stem = parts[0].partition(".")[0] if len(parts) == 1 else parts[0]
    return stem if stem.isidentifier() else None
