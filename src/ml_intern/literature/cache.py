"""Keep what was read in files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from ml_intern.core.errors import ConfigError

_Value = TypeVar("_Value")


class Shelf(Generic[_Value]):
    """A folder with one JSON file a value of one type."""

    def __init__(self, folder: Path, kind: type[_Value]) -> None:
        self._folder = folder
        self._adapter = TypeAdapter(kind)

    def get(self, name: str) -> _Value | None:
        """Give the value called `name`; None where there is none that can be read."""
        try:
            return self._adapter.validate_json(self._path(name).read_bytes())
        except (OSError, ValidationError):
            return None

    def put(self, name: str, value: _Value) -> None:
        """Store `value` so that a reader sees the old file or the new one, never a part.

        Raises:
            ConfigError: the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".part")
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._adapter.dump_json(value))
            Path(temporary).replace(self._path(name))
        except OSError as error:
            raise ConfigError(f"{self._folder} cannot be written: {error.strerror}") from error

    def _path(self, name: str) -> Path:
        return self._folder / f"{name.replace('/', '_')}.json"
