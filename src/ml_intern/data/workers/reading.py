"""Load any supported data set as named splits, whatever its files are."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
from channel import RefusedError
from columns import kind, unique
from datasets import ClassLabel, Dataset, Features, Image, Value, get_dataset_config_names, load_dataset
from datasets.exceptions import DatasetsError
from PIL import Image as Pillow

READ_ERRORS = (DatasetsError, pa.ArrowException, OSError, ValueError)
"""What the readers raise for files that are damaged or of no supported form."""

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The splits of one data set; `revision` is set where only the sandbox knows it."""

    splits: dict[str, Dataset]
    revision: str | None = None
    notes: list[str] = field(default_factory=list)


def load(source: dict) -> Loaded:
    """Read what `source` names: `{"bundled": name}`, or `{"folder": path, "config": name or None}`.

    Raises:
        RefusedError: nothing readable is there.
    """
    if source.get("bundled"):
        return _load_bundled(source["bundled"])
    notes: list[str] = []
    config = _choose_config(source["folder"], source.get("config"), notes)
    loaded = load_dataset(source["folder"], name=config, verification_mode="no_checks")
    splits = {str(name): _with_clean_names(split) for name, split in loaded.items() if len(split)}
    if not splits:
        raise RefusedError("the data set has no rows")
    return Loaded(splits=splits, notes=notes)


def _choose_config(folder: str, config: str | None, notes: list[str]) -> str | None:
    names = get_dataset_config_names(folder)
    if config is not None and config not in names:
        raise RefusedError(f"there is no configuration {config!r}; known: {', '.join(names[:30])}")
    if config is None and len(names) > 1:
        config = "default" if "default" in names else names[0]
        others = ", ".join(name for name in names[:12] if name != config)
        notes.append(f"configuration {config!r} was taken; others are named with a colon behind the name: {others}")
    return config


def _with_clean_names(split: Dataset) -> Dataset:
    names = unique(split.column_names)
    return (
        split
        if names == split.column_names
        else split.rename_columns(dict(zip(split.column_names, names, strict=True)))
    )


def _load_bundled(name: str) -> Loaded:
    from sklearn import datasets as bundled  # noqa: PLC0415 - a second, and only for these

    loaders = {
        "digits": lambda: _digits(bundled.load_digits()),
        "iris": lambda: _table(bundled.load_iris()),
        "wine": lambda: _table(bundled.load_wine()),
        "breast_cancer": lambda: _table(bundled.load_breast_cancer()),
        "diabetes": lambda: _table(bundled.load_diabetes(scaled=False)),
    }
    return Loaded(splits={"all": loaders[name]()}, revision=f"scikit-learn {version('scikit-learn')}")


def _digits(digits: object) -> Dataset:
    """Export the 8x8 digits as grey PNG images; their 17 levels, 0 to 16, become 0 to 255."""
    levels = (digits.images * (255 / 16)).round().astype("uint8")  # (rows, 8, 8)
    features = Features({"image": Image(), "label": ClassLabel(names=[str(name) for name in digits.target_names])})
    images = [{"bytes": _png(Pillow.fromarray(level)), "path": None} for level in levels]
    return Dataset.from_dict({"image": images, "label": digits.target.tolist()}, features=features)


def _png(image: Pillow.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def _table(bunch: object) -> Dataset:
    names = [str(name) for name in bunch.feature_names]
    columns = dict(zip(names, bunch.data.T.tolist(), strict=True))
    classes = [str(name) for name in getattr(bunch, "target_names", [])]
    target = ClassLabel(names=classes) if classes else Value("float64")
    features = Features({**{name: Value("float64") for name in names}, "target": target})
    return Dataset.from_dict({**columns, "target": bunch.target.tolist()}, features=features)


def rows_of(dataset: Dataset, columns: list[str]) -> Iterator[dict]:
    """Yield rows as stored: an image is `{"bytes", "path"}` and is not decoded."""
    stored = dataset.select_columns(columns).with_format("arrow")
    for batch in stored.iter(batch_size=BATCH):
        yield from batch.to_pylist()


def image_bytes(stored: dict | None) -> bytes | None:
    """Give the encoded image, from the row itself or the file it names; None where neither is readable."""
    if stored is None:
        return None
    if stored["bytes"] is not None or not stored["path"]:
        return stored["bytes"]
    try:
        return Path(stored["path"]).read_bytes()
    except OSError:
        return None


def fingerprint(row: dict, kinds: dict[str, str]) -> bytes:
    """Digest the columns of `kinds` in a row: images by their bytes, texts without regard to case and spacing."""
    digest = hashlib.blake2b(digest_size=16)
    for column, of in kinds.items():
        part = _canonical(row[column], of)
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _canonical(value: object, of: str) -> bytes:
    if value is None:
        return b"\x00"
    if of == "image":
        return image_bytes(value) or b"\x00"
    if of == "text":
        return " ".join(value.casefold().split()).encode("utf-8", "surrogatepass")
    return json.dumps(value, sort_keys=True, default=str).encode()


def kinds_of(dataset: Dataset, columns: list[str]) -> dict[str, str]:
    """Give the kind of each of `columns`."""
    return {column: kind(dataset.features[column]) for column in columns}
