"""What a column is, and which columns are likely inputs and target."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from channel import RefusedError
from datasets import ClassLabel, Dataset, Features, Image, LargeList, List, Value

MASK_NAMES = ("mask", "masks", "segmentation", "segmentation_mask", "annotation", "label", "labels", "target")
TARGET_NAMES = ("label", "labels", "target", "class", "category", "y", "sentiment", "species", "quality", "price")
IDENTIFIERS = ("id", "idx", "index", "uuid", "guid", "unnamed: 0", "row_id")
NAME_LENGTH = 80
MOST_CLASSES = 1000
MOST_INTEGER_CLASSES = 50
LONGEST = 4000
"""Characters of a text that a network is to write; longer ones are not scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Which columns a network reads and which it predicts."""

    inputs: tuple[str, ...]
    target: str


def clean(text: str, limit: int = NAME_LENGTH) -> str:
    """Give `text` without control and format characters, in one line, at most `limit` characters."""
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def unique(names: list[str]) -> list[str]:
    """Clean names and keep them distinct by a number behind those that became equal."""
    seen: set[str] = set()
    cleaned: list[str] = []
    for position, name in enumerate(names):
        candidate = clean(name) or "unnamed"
        candidate = candidate if candidate not in seen else f"{candidate[: NAME_LENGTH - 8]} {position}"
        seen.add(candidate)
        cleaned.append(candidate)
    return cleaned


def kind(feature: object) -> str:
    """Name the kind of a feature: image, label, text, integer, number, list or other."""
    if isinstance(feature, Image):
        return "image"
    if isinstance(feature, ClassLabel):
        return "label"
    if isinstance(feature, Value):
        return _kind_of_value(feature.dtype)
    is_list = isinstance(feature, LargeList | List) or type(feature).__name__.startswith("Array")
    return "list" if is_list else "other"


def _kind_of_value(dtype: str) -> str:
    if dtype in {"string", "large_string", "string_view"}:
        return "text"
    if dtype == "bool" or dtype.startswith(("int", "uint")):
        return "integer"
    return "number" if dtype.startswith(("float", "double")) else "other"


def propose(dataset: Dataset, target: str = "", leave_out: Sequence[str] = ()) -> Mapping | None:
    """Guess inputs, and the target if none is given, from names, kinds and the first rows; None: nothing fits."""
    kinds = {name: kind(feature) for name, feature in dataset.features.items()}
    target = target or _target(dataset.features, kinds)
    banned = {target, *leave_out, *(name for name in kinds if name.lower() in IDENTIFIERS or kinds[name] == "other")}
    rest = [name for name in kinds if name not in banned]
    images = [name for name in rest if kinds[name] == "image"]
    texts = [name for name in rest if kinds[name] == "text" and is_prose(dataset, name)]
    inputs = images[:1] or texts or rest
    return Mapping(inputs=tuple(inputs), target=target) if target and inputs else None


def _target(features: Features, kinds: dict[str, str]) -> str:
    lowered = {name.lower(): name for name in features}
    usable = {name for name, of in kinds.items() if of in {"label", "integer", "number", "text"}}
    for candidate in TARGET_NAMES:
        if lowered.get(candidate) in usable:
            return lowered[candidate]
    labels = [name for name, of in kinds.items() if of == "label"]
    if labels:
        return max(labels, key=lambda name: features[name].num_classes)
    last = [name for name in features if name in usable]
    masks = [name for name, of in kinds.items() if of == "image" and name.lower() in MASK_NAMES]
    return (last or masks or [""])[-1]


def is_prose(dataset: Dataset, name: str) -> bool:
    """Tell free text from category names by the first 200 rows."""
    texts = [text for text in dataset.select_columns([name])[:200][name] if text]
    words = sum(len(text.split()) for text in texts) / max(1, len(texts))
    return words > 3 and len(set(texts)) > len(texts) / 2


def choose(dataset: Dataset, inputs: list[str], target: str, leave_out: Sequence[str] = ()) -> Mapping:
    """Fill what the request left open with the proposal, which has none of `leave_out`, and check the rest.

    Raises:
        RefusedError: a column does not exist, or nothing can be proposed.
    """
    unknown = [name for name in [*inputs, *([target] if target else [])] if name not in dataset.column_names]
    known = ", ".join(json.dumps(name, ensure_ascii=False) for name in dataset.column_names[:40])
    if unknown:
        raise RefusedError(f"there is no column {', '.join(map(repr, unknown))}; the columns are: {known}")
    guess = propose(dataset, target, leave_out)
    if guess is None and not (inputs and target):
        raise RefusedError(f"inputs and target cannot be guessed; name both. The columns are: {known}")
    chosen = Mapping(inputs=tuple(dict.fromkeys(inputs)) or guess.inputs, target=target or guess.target)
    if chosen.target in chosen.inputs:
        raise RefusedError(f"{chosen.target!r} is both an input and the target; name another target or other inputs")
    return chosen


def classes_of(dataset: Dataset, target: str) -> dict[object, str]:
    """Give the class name of each value of `target`, in the order of the classes; empty where it holds no classes.

    Raises:
        RefusedError: nothing can be learned of such a column.
    """
    feature = dataset.features[target]
    of = kind(feature)
    if of == "label":
        return dict(enumerate(unique(feature.names)))
    if of not in {"integer", "number", "text", "image"}:
        raise RefusedError(
            f"column {target!r} is of kind {of}; a target must be a label, integer, number, text or mask"
        )
    if of == "image":
        return {}
    values = [] if of == "number" else dataset.data.column(target).unique().to_pylist()
    values = sorted(value for value in values if value is not None)
    if of == "text" and (len(values) > MOST_CLASSES or len(dataset) < 2 * len(values)):
        return {}
    if of == "integer" and (len(values) > MOST_INTEGER_CLASSES or len(dataset) < 5 * len(values)):
        return {}
    return dict(zip(values, unique([str(value) for value in values]), strict=True))


def task_of(dataset: Dataset, mapping: Mapping, classes: dict[object, str]) -> str:
    """Name the task: classification, regression, generation or segmentation.

    Raises:
        RefusedError: texts are to be written from neither texts nor images, or are too long to be scored; or masks
            are to be drawn without an image.
    """
    if kind(dataset.features[mapping.target]) == "image":
        if "image" not in {kind(dataset.features[name]) for name in mapping.inputs}:
            raise RefusedError(f"column {mapping.target!r} holds images, and no input is one to draw them from")
        return "segmentation"
    if classes or kind(dataset.features[mapping.target]) != "text":
        return "classification" if classes else "regression"
    texts = [text for text in dataset.data.column(mapping.target).unique().to_pylist() if text is not None]
    if not {"text", "image"} & {kind(dataset.features[name]) for name in mapping.inputs}:
        raise RefusedError(
            f"column {mapping.target!r} holds {len(texts)} different texts in {len(dataset)} rows: neither a class nor "
            "a number, and no input is a text or an image to write them from. Choose another target."
        )
    if (longest := max(map(len, texts), default=0)) > LONGEST:
        raise RefusedError(
            f"column {mapping.target!r} has a text of {longest} characters; at most {LONGEST} are scored. Choose "
            "another target."
        )
    return "generation"
