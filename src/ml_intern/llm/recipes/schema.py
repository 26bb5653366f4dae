"""Read what the data tools say: kinds of columns, image sizes, classes and rows."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COLUMN = re.compile(
    r'^- "(?P<name>[^"]+)" (?P<kind>image|label|text|integer|number|list|other): (?P<detail>.*)$', re.MULTILINE
)
_PROPOSAL = re.compile(r"^Proposal: inputs (?P<inputs>.*); target \"(?P<target>[^\"]+)\" \((?P<task>\w+)", re.MULTILINE)
_SIZE = re.compile(r"(\d+)x(\d+) (\w+)")
_CLASSES = re.compile(r"^Classes \((\d+)\)", re.MULTILINE)
_ROWS = re.compile(r"search (\d+) rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSchema:
    """Images of one size; `channels` is 1 for grey and 3 for colour."""

    width: int
    height: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What inspection proposed: inputs of one kind, and what to predict."""

    image: ImageSchema | None
    columns: tuple[str, ...]
    target: str
    is_classification: bool


def read_schema(text: str) -> Schema | None:
    """Read the report of an inspection; None where no recipe fits what it proposes."""
    proposal = _PROPOSAL.search(text)
    if proposal is None or proposal["task"] not in {"classification", "regression"}:
        return None
    kinds = {c["name"]: (c["kind"], c["detail"]) for c in _COLUMN.finditer(text)}
    inputs = tuple(re.findall(r'"([^"]+)"', proposal["inputs"]))
    found = {kinds.get(name, ("other", ""))[0] for name in inputs}
    image = _image(kinds[inputs[0]][1]) if found == {"image"} and len(inputs) == 1 else None
    if image is None and not found <= {"integer", "number"}:
        return None
    return Schema(
        image=image,
        columns=inputs,
        target=proposal["target"],
        is_classification=proposal["task"] == "classification",
    )


def read_classes(text: str) -> int:
    """Read how many classes the preparation found; 0 for regression."""
    found = _CLASSES.search(text)
    return int(found[1]) if found else 0


def read_rows(text: str) -> int:
    """Read how many rows there are to train on."""
    found = _ROWS.search(text)
    return int(found[1]) if found else 0


def _image(detail: str) -> ImageSchema | None:
    sizes = _SIZE.findall(detail)
    if not sizes:
        return None
    width, height, mode = sizes[0]
    return ImageSchema(width=int(width), height=int(height), channels=1 if mode in {"L", "1", "I", "F"} else 3)
