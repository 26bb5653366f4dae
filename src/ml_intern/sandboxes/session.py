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
from typing import IO

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import Execution

_POLL = 0.2
_SLACK = 30.0
"""Seconds after interrupt and kill in which the supervisor must have answered."""
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
        clean: Callable[[], None] = lambda: None,
        patience: float = 60.0,
    ) -> None:
        self._output = output
        self._clean = clean
        self._lock = Lock()
        self._number = 0
        self._pending = b""
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
    ) -> Execution:
        """Run `code`; see `core.sandbox.Sandbox`.

        Raises:
            SandboxError: the sandbox is gone or closed, or `code` is longer than 500,000 bytes.
        """
        request = {"op": "execute", "code": code, "timeout": timeout, "output": self._output}
        if len(json.dumps(code)) > _LONGEST_CODE:
            raise SandboxError(f"the code is longer than {_LONGEST_CODE} bytes; write it to a file and import it")
        with self._lock:
            self._number += 1
            self._send({**request, "id": self._number})
            try:
                return self._follow(timeout, on_output, cancelled)
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

    def _follow(self, timeout: float, on_output: Callable[[str], None], cancelled: Callable[[], bool]) -> Execution:
        chunks: list[str] = []
        give_up = time.monotonic() + timeout + _SLACK
        is_interrupted = False
        while True:
            event = self._receive(time.monotonic() + _POLL)
            if event.get("id") == self._number and event["event"] == "output":
                chunks.append(str(event["text"]))
                on_output(chunks[-1])
            elif event.get("id") == self._number:
                return self._ended(event, chunks, on_output)
            if not is_interrupted and cancelled():
                is_interrupted = True
                give_up = min(give_up, time.monotonic() + _SLACK)
                self._send({"op": "interrupt", "id": self._number})
            if time.monotonic() > give_up:
                self._process.kill()
                raise SandboxError("the sandbox stopped answering and was ended; start a new session")

    def _ended(self, event: Mapping[str, object], chunks: list[str], on_output: Callable[[str], None]) -> Execution:
        dropped = _integer(event.get("dropped"))
        if tail := str(event.get("tail") or ""):
            chunks.append(f"\n[… {dropped} bytes dropped …]\n{tail}")
            on_output(chunks[-1])
        return Execution(
            output="".join(chunks),
            seconds=_number(event.get("seconds")),
            value=_text(event.get("value")),
            error=_text(event.get("error")),
            traceback=_text(event.get("traceback")),
            timed_out=event.get("timed_out") is True,
            interrupted=event.get("interrupted") is True,
            died=_text(event.get("died")),
            dropped=dropped,
        )

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
        while b"\n" not in self._pending:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return {}
            data = os.read(pipe.fileno(), 1 << 16)
            if not data:
                raise SandboxError(f"the sandbox is gone: {self._last_words()}")
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        event: dict[str, object] = json.loads(line)
        return event

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:].decode("utf-8", "replace").strip() or "it said nothing"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
