"""Note which hyperparameters a script reads, so that one it never used is told. Runs inside the sandbox."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

FILE = "hyperparameters.json"


class Noted(dict):
    """A dict that remembers which keys were asked for; whoever takes all of it has read all of it."""

    used = None

    def __getitem__(self, key):
        self.used.add(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        """As of a dict."""
        self.used.add(key)
        return super().get(key, default)

    def pop(self, key, *default):
        """As of a dict."""
        self.used.add(key)
        return super().pop(key, *default)

    def __iter__(self):
        self.used.update(super().keys())
        return super().__iter__()

    def keys(self):
        """As of a dict."""
        self.used.update(super().keys())
        return super().keys()

    def items(self):
        """As of a dict."""
        self.used.update(super().keys())
        return super().items()

    def values(self):
        """As of a dict."""
        self.used.update(super().keys())
        return super().values()

    def copy(self):
        """Give a copy that goes on noting."""
        return noted(dict.copy(self), self.used)

    def __reduce__(self):
        return dict, (dict.copy(self),)


def noted(values, used):
    """Wrap `values`; keys that are read are added to `used`."""
    wrapped = Noted(values)
    wrapped.used = used
    return wrapped


class Settings:
    """What the host gave in hyperparameters.json, and which of it the script has asked for."""

    def __init__(self, file):
        self.file = file
        self.given = json.loads(file.read_text("utf-8"))
        self.used = set()
        self.opened = self.parsed = False

    def install(self):
        """Note where the file is opened, and wrap what `json` makes of its content."""
        loads = json.loads

        def seen(*args, **kwargs):
            value = loads(*args, **kwargs)
            if type(value) is dict and value and value == self.given:
                self.parsed = True
                return noted(value, self.used)
            return value

        json.loads = seen
        sys.addaudithook(self.audit)

    def audit(self, event, arguments):
        """See whether the file is opened at all: it may be read by other means than json."""
        if event == "open" and isinstance(arguments[0], str) and arguments[0].endswith(FILE):
            self.opened = True

    def unread(self):
        """Name the hyperparameters that were never asked for; none where the file was read by other means."""
        if self.opened and not self.parsed:
            return []
        return sorted(set(self.given) - self.used)


def of_job():
    """Give the settings of the job in the working folder; None where there are none."""
    file = Path.cwd() / FILE
    return Settings(file) if os.access(file, os.R_OK) else None
