"""A persistent session over the pipes of a supervisor, whatever started it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, cast

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import Execution

_POLL = 0.05
"""Seconds between two questions whether the person interrupts."""
_SLACK = 30.0
"""Seconds after interrupt and kill in which the supervisor must have answered."""
_CHUNK = 1 << 16
_LONGEST_CODE = 500_000
"""Bytes; more does not fit into the pipe to the worker at once."""


class Session:
    """One supervisor in session mode. `command` starts it; `clean` removes what its end does not."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        output: int,
        stored: int = 64 << 20,
        clean: Callable[[], None] = lambda: None,
        patience: float = 60.0,
    ) -> None:
        self._output = output
        self._stored = stored
        self._clean = clean
        self._lock = Lock()
        self._number = 0
        self._pending = bytearray()
        self._is_warm = False
        self._errors: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed by close
        try:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            raise SandboxError(f"{command[0]} cannot be started: {error}") from error
        self._await_ready(patience)

    def execute(
        self,
        code: str,
        *,
        timeout: float,
        on_output: Callable[[str], None],
        cancelled: Callable[[], bool] = lambda: False,
        log: Callable[[str], object] | None = None,
    ) -> Execution:
        """Run `code`; see `core.sandbox.Sandbox`.

        Raises:
            SandboxError: the sandbox is gone or closed, or `code` is longer than 500,000 bytes.
        """
        stored = self._stored if log is not None else self._output
        request = {"op": "execute", "code": code, "timeout": timeout, "output": self._output, "stored": stored}
        if len(json.dumps(code)) > _LONGEST_CODE:
            raise SandboxError(f"the code is longer than {_LONGEST_CODE} bytes; write it to a file and import it")
        with self._lock:
            self._number += 1
            self._send({**request, "id": self._number})
            try:
                return self._follow(timeout, _Transcript(on_output, log), cancelled)
            except BaseException:  # whoever called gave up, so nobody would know what still runs inside
                self.close()
                raise

    def close(self) -> None:
        """End the sandbox and all its processes."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()
        self._clean()

    def _await_ready(self, patience: float) -> None:
        try:
            while (event := self._receive(time.monotonic() + patience)).get("event") != "ready":
                if not event:
                    raise SandboxError(f"the sandbox did not start within {patience:g} s")
        except SandboxError:
            self.close()
            raise

    def wait_until_warm(self, timeout: float) -> bool:
        """Wait until torch is imported inside, for `timeout` seconds at most; the first use of torch is quick then.

        Raises:
            SandboxError: the sandbox is gone.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            while not self._is_warm and time.monotonic() < deadline:
                self._receive(deadline)
        return self._is_warm

    def _follow(self, timeout: float, transcript: _Transcript, cancelled: Callable[[], bool]) -> Execution:
        give_up = time.monotonic() + timeout + _SLACK
        is_interrupted = False
        while True:
            event = self._receive(time.monotonic() + _POLL)
            if event.get("id") == self._number and event["event"] == "output":
                transcript.add(str(event["text"]), is_shown=event["shown"] is True)
            elif event.get("id") == self._number:
                return _ended(event, transcript)
            if not is_interrupted and cancelled():
                is_interrupted = True
                give_up = min(give_up, time.monotonic() + _SLACK)
                self._send({"op": "interrupt", "id": self._number})
            if time.monotonic() > give_up:
                self._process.kill()
                raise SandboxError("the sandbox stopped answering and was ended; start a new session")

    def _send(self, request: Mapping[str, object]) -> None:
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            raise SandboxError("the session is closed")
        try:
            pipe.write(json.dumps(request).encode() + b"\n")
            pipe.flush()
        except OSError as error:
            raise SandboxError(f"the sandbox is gone: {self._last_words()}") from error

    def _receive(self, deadline: float) -> Mapping[str, object]:
        """Give the next event, or an empty one at `deadline` (monotonic seconds)."""
        pipe = self._process.stdout
        assert pipe is not None
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        searched = 0
        while (end := self._pending.find(b"\n", searched)) < 0:
            searched = len(self._pending)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return {}
            data = os.read(pipe.fileno(), _CHUNK)
            if not data:
                raise SandboxError(f"the sandbox is gone: {self._last_words()}")
            self._pending += data
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        event: dict[str, object] = json.loads(line)
        self._is_warm = self._is_warm or event["event"] == "warm"
        return event

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:].decode("utf-8", "replace").strip() or "it said nothing"


class _Transcript:
    """What one execution printed: a bounded part to show, and all there is for the log."""

    def __init__(self, on_output: Callable[[str], None], log: Callable[[str], object] | None) -> None:
        self._on_output = on_output
        self._log = log
        self._chunks: list[str] = []

    def add(self, text: str, *, is_shown: bool) -> None:
        """Take one chunk."""
        if is_shown:
            self._chunks.append(text)
            self._on_output(text)
        if self._log is not None:
            self._log(text)

    def finish(self, event: Mapping[str, object]) -> str:
        """Add the ends that an event `done` carries; give the part that was shown."""
        if tail := _text(event.get("tail")):
            self._chunks.append(f"\n[… {_integer(event.get('dropped'))} bytes dropped …]\n{tail}")
            self._on_output(self._chunks[-1])
        if self._log is not None and (end := _text(event.get("end"))):
            self._log(f"\n[… {_integer(event.get('lost'))} bytes not kept …]\n{end}")
        return "".join(self._chunks)


def _ended(event: Mapping[str, object], transcript: _Transcript) -> Execution:
    return Execution(
        output=transcript.finish(event),
        seconds=_number(event.get("seconds")),
        value=_text(event.get("value")),
        error=_text(event.get("error")),
        traceback=_text(event.get("traceback")),
        timed_out=event.get("timed_out") is True,
        interrupted=event.get("interrupted") is True,
        died=_text(event.get("died")),
        dropped=_integer(event.get("dropped")),
        artefacts=_paths(event.get("artefacts")),
    )


def _paths(value: object) -> tuple[str, ...]:
    """Take names that are what they look like; the inside may send anything."""
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return tuple(path for path in listed if isinstance(path, str) and path.startswith("/") and path.isprintable())


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
