"""The process that runs the user's code: one namespace for the whole session, one result line per execution.

Started by the supervisor as `worker.py COMMANDS RESULTS` (numbers of descriptors).
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import faulthandler
import fcntl
import importlib
import json
import linecache
import os
import reprlib
import signal
import sys
import sysconfig
import traceback
import types
from pathlib import Path
from typing import NoReturn

_GUARD = Path("/opt/ml-intern/guard")
_HIGH = 200
"""First number for descriptors that code closing the usual ones shall not hit."""
_TEXT = 4096
_TRACE = 20_000
_FRAMES = 20
_LIBRARIES = tuple({*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, str(Path(__file__).parent)})


class Worker:
    """Runs cells. `interruptible` is true only while user code runs: an interrupt elsewhere would lose a result."""

    def __init__(self, commands: int, results: int) -> None:
        self._commands = os.fdopen(fcntl.fcntl(commands, fcntl.F_DUPFD_CLOEXEC, _HIGH), "rb")
        self._results = fcntl.fcntl(results, fcntl.F_DUPFD_CLOEXEC, _HIGH)
        self._streams = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _HIGH) for number in (1, 2)]
        os.close(commands)
        os.close(results)
        self._pid = os.getpid()
        self._interruptible = False
        self._cells = 0
        self._main = types.ModuleType("__main__")
        self._main.__dict__["__builtins__"] = builtins
        sys.modules["__main__"] = self._main
        faulthandler.enable(file=os.fdopen(os.dup(self._streams[1]), "w"))

    def serve(self) -> None:
        """Run what comes until the supervisor goes away."""
        for line in self._commands:
            command = json.loads(line)
            self._restore()
            result = self._run(command["code"])
            if os.getpid() != self._pid:  # the code forked: only the parent answers
                os._exit(0)
            self._send({**result, "nonce": command["nonce"]})

    def _restore(self) -> None:
        """Undo what the last cell may have done to signals and standard streams."""
        signal.signal(signal.SIGINT, self._on_interrupt)
        for number, kept in zip((1, 2), self._streams, strict=True):
            os.dup2(kept, number)
        for name, number in (("stdout", 1), ("stderr", 2)):
            if getattr(getattr(sys, name, None), "closed", True):
                stream = open(  # noqa: SIM115 - lives as long as the session
                    number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
                )
                setattr(sys, name, stream)

    def _on_interrupt(self, number: int, frame: types.FrameType | None) -> None:
        """Interrupt user code once; wait while a module is half imported, or torch would stay broken."""
        del number
        if self._interruptible and not _is_importing(frame):
            self._interruptible = False
            raise KeyboardInterrupt

    def _run(self, code: str) -> dict[str, str | None]:
        self._cells += 1
        name = f"<cell {self._cells}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        try:
            try:
                self._interruptible = True
                value = self._evaluate(code, name)
                _flush()
            finally:
                self._interruptible = False
        except SystemExit as error:
            return {} if error.code in {None, 0} else {"error": f"SystemExit: {error.code}"[:_TEXT]}
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; all of it is a result
            _flush()
            return _describe(error)
        return {"value": value}

    def _evaluate(self, code: str, name: str) -> str | None:
        """Run `code`; give the repr of its last statement where that is an expression with a value."""
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        namespace = self._main.__dict__
        exec(compile(tree, name, "exec", dont_inherit=True), namespace)
        if last is None:
            return None
        value = eval(compile(ast.Expression(last.value), name, "eval", dont_inherit=True), namespace)
        if value is None:
            return None
        namespace["_"] = value
        return _show(value)

    def _send(self, result: dict[str, str | None]) -> None:
        data = json.dumps(result).encode() + b"\n"
        while data:
            data = data[os.write(self._results, data) :]


def _is_importing(frame: types.FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # user code may have put anything there
            stream.flush()


def _show(value: object) -> str:
    """Give a repr of bounded size, without building an unbounded one for long strings and containers."""
    if isinstance(value, str | bytes):
        text = repr(value[:_TEXT])
        return text if len(value) <= _TEXT else f"{text}… ({len(value)} in all)"
    if isinstance(value, list | tuple | dict | set | frozenset) and len(value) > _TEXT // 4:
        return f"{_SHORT.repr(value)} ({len(value)} in all)"
    text = repr(value)
    return text if len(text) <= _TEXT else text[:_TEXT] + "…"


_SHORT = reprlib.Repr()
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = _SHORT.maxset = _SHORT.maxfrozenset = 50
_SHORT.maxstring = _SHORT.maxother = 200


def _describe(error: BaseException) -> dict[str, str | None]:
    """Name the exception and show the frames of the user's code, with the innermost of a library's."""
    try:
        report = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
        _prune(report)
        text = "".join(report.format())
        message = "".join(report.format_exception_only()).strip().splitlines()[-1]
    except Exception as broken:  # noqa: BLE001 - __str__ of the user's exception may raise anything
        return {"error": f"{type(error).__name__}: (its text cannot be shown: {type(broken).__name__})"}
    return {"error": message[:_TEXT], "traceback": text if len(text) <= _TRACE else "…" + text[-_TRACE:]}


def _prune(report: traceback.TracebackException | None, depth: int = 0) -> None:
    if report is None or depth > _FRAMES:
        return
    own = str(Path(__file__).parent)
    frames = [frame for frame in report.stack if not frame.filename.startswith((own, "<frozen "))]
    kept = [frame for frame in frames[:-1] if not frame.filename.startswith(_LIBRARIES)] + frames[-1:]
    half = _FRAMES // 2
    kept = kept if len(kept) <= _FRAMES else kept[:half] + kept[-half:]
    report.stack = traceback.StackSummary.from_list(kept)
    _prune(report.__cause__, depth + 1)
    _prune(report.__context__, depth + 1)


def main(commands: str, results: str) -> NoReturn:
    """Set up and serve; leaves without running exit handlers of user code twice."""
    worker = Worker(int(commands), int(results))
    sys.argv = [""]
    sys.path[0] = str(Path.cwd())
    if (_GUARD / "arm.py").exists():
        sys.path.insert(0, str(_GUARD))
        importlib.import_module("arm")
    worker.serve()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
