"""Open the sealed lines of the watch: signed with a key of the call, numbered, each taken once.

Whatever shares a process with the watch can reach it, so a seal is no proof. It keeps out what code writes to the
watch's descriptor without being the watch, and says that it was tried.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from pathlib import Path

KEY = "ML_INTERN_REPORT_KEY"


def key_of(call: Path) -> str:
    """Give the call's key, made once, so that a later life of the agent reads the same lines."""
    file = call / "report.key"
    if not file.exists():
        call.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".new")
        draft.write_text(secrets.token_hex(16), "ascii")
        draft.replace(file)
    return file.read_text("ascii")


class Seal:
    """Opens lines in their order. `broken` counts those that are not the watch's."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._last = 0
        self.broken = 0

    def open(self, line: str) -> str:
        """Give the content of a line, or an empty text where it is not genuine or came before."""
        content, _, tag = line.rpartition("\t")
        wanted = hashlib.blake2b(content.encode(), key=self._key, digest_size=16).hexdigest()
        if not hmac.compare_digest(tag.encode(), wanted.encode()):
            self.broken += 1
            return ""
        number: int = json.loads(content)["n"]
        if number <= self._last:
            self.broken += 1
            return ""
        self._last = number
        return content
