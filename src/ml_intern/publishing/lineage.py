"""Compare weights with checkpoints that this machine knows: whose bytes they share, and whether they are another's."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ml_intern.core.facts import Finding, Trained
from ml_intern.core.safetensors import MAX_HEADER, tensors_of
from ml_intern.publishing.bundle import WEIGHTS
from ml_intern.publishing.push import PROVENANCE

SMALLEST = 64
"""Values of a tensor below which equal bytes are no sign: biases and norms often are all zero or one."""
MOST_ALIKE = 8
"""Checkpoints that weights are measured against."""
MOST = 200
"""Checkpoints that are looked at, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A file of weights and what it is called; `made_by` are script and data of a publication, else empty.

    `revision` is the commit of a model of the Hub, else empty.
    """

    file: Path
    name: str
    revision: str = ""
    made_by: tuple[str, str] = ("", "")

    @property
    def title(self) -> str:
        """The name, with its revision behind it."""
        return f"{self.name}@{self.revision}" if self.revision else self.name


def known(publications: Path, cache: Path) -> list[Checkpoint]:
    """List earlier publications of this machine, and what the Hub's client has downloaded, with their revisions."""
    own = [_published(file) for file in publications.glob(f"*/*/{WEIGHTS}")]
    others = [
        Checkpoint(
            file=file,
            name=file.parts[-4].removeprefix("models--").replace("--", "/"),
            revision=file.parts[-2],
        )
        for file in cache.glob("models--*/snapshots/*/*.safetensors")
    ]
    newest = sorted([*own, *others], key=lambda one: one.file.stat().st_mtime, reverse=True)
    return newest[:MOST]


def hub_cache(environment: Mapping[str, str]) -> Path:
    """Give the folder where the Hub's client keeps models, as the client itself finds it."""
    if named := environment.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    home = environment.get("HF_HOME") or Path(environment.get("HOME", "~")) / ".cache" / "huggingface"
    return Path(home).expanduser() / "hub"


def compare(weights: Path, trained: Trained, checkpoints: Iterable[Checkpoint]) -> tuple[Finding, ...]:
    """Tell which checkpoints share tensors with `weights`, byte for byte; all of them is another's model.

    The same script on the same data gives the same weights again, which is honest and told.

    Raises:
        ValueError: `weights` is no safetensors file.
    """
    own = _tensors(weights)
    found: list[Finding] = []
    for one in checkpoints:
        try:
            other = set(_tensors(one.file, {kind for kind, _ in own}))
        except (ValueError, OSError):  # what is damaged is no model that anybody could have taken
            continue
        equal = sum(tensor in other for tensor in own)
        if equal:
            is_again = one.made_by == (trained.script_digest, trained.dataset_digest)
            found.append(_finding(one.title, equal, len(own), is_again=is_again))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """A checkpoint with tensors of the names and shapes of ours.

    `pairs` are (ours, its), with `shared` of our `elements` values.
    """

    checkpoint: Checkpoint
    pairs: tuple[tuple[str, str], ...]
    shared: int
    elements: int


def alike(weights: Path, checkpoints: Iterable[Checkpoint]) -> list[Likeness]:
    """Give the checkpoints that hold at least half of our values under their names, those with the most first.

    A name may have one more part in front (`body.layer.weight` is `layer.weight`), as where a network wraps another.

    Raises:
        ValueError: `weights` is no safetensors file.
    """
    own = _shapes(weights)
    elements = sum(map(math.prod, own.values()))
    found: list[Likeness] = []
    for one in checkpoints:
        try:
            pairs = _paired(own, _shapes(one.file))
        except (ValueError, OSError):  # what is damaged is no base that anybody could have taken
            continue
        shared = sum(math.prod(own[name]) for name, _ in pairs)
        if shared >= elements / 2 > 0:
            found.append(Likeness(checkpoint=one, pairs=pairs, shared=shared, elements=elements))
    return sorted(found, key=lambda likeness: -likeness.shared)[:MOST_ALIKE]


_Shapes = Mapping[str, tuple[int, ...]]


def _paired(own: _Shapes, other: _Shapes) -> tuple[tuple[str, str], ...]:
    inner = {_without_first(name): name for name in other}
    found: list[tuple[str, str]] = []
    for name, shape in own.items():
        names = (name, _without_first(name), inner.get(name, ""))
        found += [(name, known) for known in names if other.get(known) == shape][:1]
    return tuple(found)


def _without_first(name: str) -> str:
    """Take the first of at least three parts away."""
    rest = name.partition(".")[2]
    return rest if "." in rest else name


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Give the shape of each tensor of floating point by its name.

    Raises:
        ValueError: it is no safetensors file.
    """
    with file.open("rb") as stream:
        header = _header(stream, file)
    names = [name for name in cast("dict[str, object]", json.loads(header)) if name != "__metadata__"]
    tensors = zip(names, tensors_of(header), strict=True)
    return {name: tensor.shape for name, tensor in tensors if "F" in tensor.dtype}


def _finding(name: str, equal: int, of: int, *, is_again: bool) -> Finding:
    said = f"{equal} of {of} large tensors have the very bytes of {name}"
    if equal < of:
        return Finding(name="known_weights", detail=f"{said}: a base that was kept.", refuses=False)
    if is_again:
        return Finding(
            name="known_weights", detail=f"{said}, which the same script made of the same data.", refuses=False
        )
    way = "Publish weights that this run has trained."
    return Finding(name="known_weights", detail=f"{said}: this is another's model. {way}", refuses=True)


def _published(file: Path) -> Checkpoint:
    name = f"the publication {file.parts[-3]}/{file.parts[-2]}"
    try:
        document: object = json.loads((file.parent / PROVENANCE).read_bytes())
    except (OSError, ValueError):
        return Checkpoint(file=file, name=name)
    trained = cast("dict[str, object]", document).get("trained") if isinstance(document, dict) else None
    made = cast("dict[str, object]", trained) if isinstance(trained, dict) else {}
    by = (str(made.get("script_digest", "")), str(made.get("dataset_digest", "")))
    return Checkpoint(file=file, name=name, made_by=by)


_Kind = tuple[str, tuple[int, ...]]


def _tensors(file: Path, kinds: set[_Kind] | None = None) -> list[tuple[_Kind, str]]:
    """Give type, shape and the SHA-256 of the bytes of each large tensor of one of `kinds` (None: of any).

    Raises:
        ValueError: it is no safetensors file.
    """
    found: list[tuple[_Kind, str]] = []
    with file.open("rb") as stream:
        header = _header(stream, file)
        for tensor in tensors_of(header):
            kind = (tensor.dtype, tensor.shape)
            if math.prod(tensor.shape) >= SMALLEST and (kinds is None or kind in kinds):
                stream.seek(8 + len(header) + tensor.first)
                found.append((kind, _digest(stream, tensor.last - tensor.first)))
    return found


def _header(stream: BinaryIO, file: Path) -> bytes:
    length = int.from_bytes(stream.read(8), "little")
    if not 2 <= length <= MAX_HEADER:
        raise ValueError(f"{file} has no header")
    return stream.read(length)


def _digest(stream: BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    while size > 0 and (piece := stream.read(min(size, 1 << 20))):
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()
