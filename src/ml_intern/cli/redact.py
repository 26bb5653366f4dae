"""Replace the secrets of this machine in text that leaves it: by value, so that code stays as it was."""

from __future__ import annotations

import json
import re

from ml_intern.config import Settings

_NAME = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
_SHORTEST = 8
"""Characters below which a value is a word that occurs by chance."""


def redacted(line: str, settings: Settings) -> str:
    """Give a line of JSON with every secret value of the environment and the Hub token replaced by `***`."""
    values = {value for name, value in settings.environment.items() if _NAME.search(name)}
    if settings.hub_token:
        values.add(settings.hub_token.reveal())
    # the longest first: one secret may begin another
    for value in sorted((v.strip() for v in values if len(v.strip()) >= _SHORTEST), key=len, reverse=True):
        line = line.replace(json.dumps(value)[1:-1], "***")
    return line
