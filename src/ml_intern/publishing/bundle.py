"""The bundle: the verified network, how to construct it and its weights, with one digest over the three."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import DatasetPrepared, NetworkVerified, Trained
from ml_intern.publishing.weights import copy_weights

MODELING = "modeling.py"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A folder of files to publish.

    `files` maps each name, with `/` between its parts, to the SHA-256 of its content; `digest` is `digest_of(files)`.
    """

    folder: Path
    files: Mapping[str, str]
    digest: str


def build(
    destination: Path,
    *,
    trained: Trained,
    network: NetworkVerified,
    dataset: DatasetPrepared,
    source: Mapping[str, bytes],
    weights: Path,
    run: str,
) -> Bundle:
    """Write the bundle of one training at `destination`, which appears whole or not at all and replaces another one.

    Args:
        destination: the bundle's folder.
        trained: the training the weights come from.
        network: the verified network that was trained.
        dataset: the data it was trained on.
        source: the network's file and every workspace module it imports, by name, as they were verified.
        weights: the safetensors file that the training left.
        run: identifier of the run.

    Raises:
        ToolError: the parts do not belong together, or the weights are not what the training left.
    """
    if trained.source_digest != network.source_digest or trained.dataset_digest != dataset.digest:
        raise ToolError(f"call {trained.call_id} did not train this network on this data; evaluate what was trained")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=destination.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        for name, content in _modules(network.file, source).items():
            write(new / name, content)
        write(new / CONFIG, _config(network, dataset, run))
        if copy_weights(weights, new / WEIGHTS) != trained.weights_digest:
            raise ToolError(f"the weights of call {trained.call_id} changed since it ended; train again")
        # an evaluation that outlived its agent may still read the folder: the same content stays where it is
        if not _is_there(read(new), destination):
            replace_folder(new, destination, scratch=Path(scratch))
    return read(destination)


def _is_there(bundle: Bundle, folder: Path) -> bool:
    try:
        return read(folder).digest == bundle.digest
    except ToolError:
        return False


def read(folder: Path) -> Bundle:
    """Digest the bundle in `folder`; what is not part of it must not be there.

    Raises:
        ToolError: there is no bundle, or it holds a link or a foreign file.
    """
    if not (folder / MODELING).is_file() or not (folder / WEIGHTS).is_file() or not (folder / CONFIG).is_file():
        raise ToolError("there is no complete bundle yet; evaluate the trained model first")
    files = {name: file_digest(folder / name) for name in file_names(folder)}
    if foreign := [name for name in files if not _belongs(name)]:
        raise ToolError(f"the bundle holds a file that is no part of it: {foreign[0]}; evaluate again to rebuild it")
    return Bundle(folder=folder, files=files, digest=digest_of(files))


def digest_of(files: Mapping[str, str]) -> str:
    """Give the SHA-256 over `<digest>  <name>` lines in the order of names, the listing that `sha256sum` prints."""
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def file_digest(file: Path) -> str:
    """Give the SHA-256 of a file's content."""
    with file.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()


def file_names(folder: Path) -> list[str]:
    """Name every file below `folder` in order, with `/` between parts.

    Raises:
        ToolError: one of them is a link or no ordinary file.
    """
    names: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise ToolError(f"{name} is a link or no ordinary file and cannot be published; put a copy in its place")
        if path.is_file():
            names.append(name)
    return sorted(names)


def write(file: Path, content: bytes) -> None:
    """Write a new file and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("xb") as writer:
        writer.write(content)


def replace_folder(new: Path, destination: Path, *, scratch: Path) -> None:
    """Move `new` to `destination`; what was there goes to `scratch`, on the same disk, and is removed with it."""
    if destination.exists():
        destination.rename(scratch / "old")
    new.rename(destination)
    shutil.rmtree(scratch / "old", ignore_errors=True)


def _belongs(name: str) -> bool:
    return name in {CONFIG, WEIGHTS} or PurePosixPath(name).suffix == ".py"


def _modules(file: str, source: Mapping[str, bytes]) -> dict[str, bytes]:
    """Place the network as `modeling.py` at the root and what it imports beside it under its own name."""
    others = {name: content for name, content in source.items() if name != file}
    if MODELING in others:
        raise ToolError(f"{file} imports a module called modeling, the name that the network itself is published as")
    if unsafe := [n for n in others if PurePosixPath(n).is_absolute() or ".." in PurePosixPath(n).parts]:
        raise ToolError(f"{unsafe[0]} is outside the workspace and cannot be published")
    return {MODELING: source[file], **others}


def _config(network: NetworkVerified, dataset: DatasetPrepared, run: str) -> bytes:
    arguments = json.loads(network.arguments)
    if not isinstance(arguments, dict):
        raise ToolError(f"the arguments of {network.class_name} are no JSON object: {network.arguments}")
    config = {
        "architecture": network.class_name,
        "arguments": cast(dict[str, object], arguments),
        "classes": list(dataset.classes),
        "inputs": [asdict(column) for column in dataset.inputs],
        "target": dataset.target,
        "task": dataset.task,
        "library": "pytorch",
        "run": run,
    }
    return (json.dumps(config, indent=2) + "\n").encode()
