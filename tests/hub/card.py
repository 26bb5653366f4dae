"""The Hub's check of a card's front matter, as far as it is known."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

_FRONT_MATTER = re.compile(r"^\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)", re.DOTALL)
_LICENSES = frozenset({"apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc0-1.0", "gpl-3.0", "other", "unknown"})


def problems(card: str) -> tuple[list[str], list[str]]:
    """Give errors and warnings."""
    found = _FRONT_MATTER.match(card)
    if not found:
        return [], ["empty or missing yaml metadata in repo card"]
    yaml: Any = importlib.import_module("yaml")
    try:
        metadata = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        return [f"YAML parse error: {error}"], []
    return list(_errors(metadata)), [] if metadata.get("license") else ['"license" is missing']


def _errors(metadata: dict[str, Any]) -> Iterator[str]:
    license_name = metadata.get("license")
    if license_name is not None and license_name not in _LICENSES:
        yield f'"license" must be one of [...] (got {license_name!r})'
    if not isinstance(metadata.get("tags", []), list):
        yield '"tags" must be an array'
    for model in metadata.get("model-index", []):
        for result in model["results"]:
            for part, key in (("task", "type"), ("dataset", "type"), ("dataset", "name")):
                if not isinstance(result[part].get(key), str):
                    yield f'"model-index.results.{part}.{key}" is required'
            if any("type" not in metric or "value" not in metric for metric in result["metrics"]):
                yield '"model-index.results.metrics" needs type and value'
