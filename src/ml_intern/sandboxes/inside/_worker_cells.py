"""Run the user's code: one namespace for the whole session, one result line per execution."""

from __future__ import annotations

import _ast
import _signal
import faulthandler
import fcntl
import os
import sys
import types
from _frozen_importlib import module_from_spec
from _frozen_importlib_external import spec_from_file_location

import lean

# `signal`, `ast`, `contextlib` and `importlib.util` would double the time to the first result: hence what they stand on

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib would cost 3 ms at each start
sys.path[:] = [entry for entry in sys.path if entry != _HERE]  # the user's modules of these names must win
_START = os.getcwd()  # noqa: PTH109 - the code may remove it
_GUARD = "/opt/ml-intern/guard"
_EGRESS = "/opt/ml-intern/egress"
_PATHS = "_ML_INTERN_PYTHONPATH"
"""What PYTHONPATH will be for the code: it must not shadow what this file imports."""
_HIGH = 200
"""First number for descriptors that code closing the usual ones shall not hit."""
_TEXT = 4096
_ONLY_TREE = 0x400
"""`ast.PyCF_ONLY_AST`."""


def load(name: str) -> Any:
    """Load a sibling as `_ml_intern_<name>`, so that it never shadows a module of the user."""
    full = f"_ml_intern_{name}"
    if full not in sys.modules:
        spec = spec_from_file_location(full, f"{_HERE}/_worker_{name}.py")
        sys.modules[full] = module_from_spec(spec)
        _apart(lambda: spec.loader.exec_module(sys.modules[full]))
    return sys.modules[full]


def library(name: str) -> Any:
    """Give a module of Python or of a library."""
    if name not in sys.modules:
        _apart(lambda: __import__(name))
    return sys.modules[name]


def _apart(act: Callable[[], object]) -> None:
    """Do what imports modules while no file of the user, which may have the name of one, is looked at."""
    kept = sys.path[:]
    own = {_START, *os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    sys.path[:] = [entry for entry in kept if entry not in own]
    try:
        act()
    finally:
        sys.path[:] = kept


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
        self._sources: dict[str, str] = {}
        self._definitions = load("main").Definitions(library)
        self._main = load("main").make_main(self._definitions)
        sys.modules["__main__"] = self._main
        faulthandler.enable(file=os.fdopen(os.dup(self._streams[1]), "w"))
        _signal.signal(_signal.SIGINT, self._on_interrupt)

    def serve(self) -> None:
        """Run what comes until the supervisor goes away."""
        for line in self._commands:
            command = lean.loads(line)
            if "code" not in command:
                self._keep_house(command)
                continue
            self._restore()
            result = self._run(command["code"])
            if os.getpid() != self._pid:  # the code forked: only the parent answers
                os._exit(0)
            self._send({**result, "nonce": command["nonce"]})
            self._show_sources()

    def _keep_house(self, command: dict[str, list[Any]]) -> None:
        """Do what is asked for between two cells."""
        for child in command.get("bury", ()):
            try:
                os.waitpid(child, 0)
            except OSError:
                pass
        if "preload" in command:
            preload(command["preload"])
            self._send({"preloaded": True})

    def _restore(self) -> None:
        """Undo what the last cell may have done to signals and standard streams."""
        _signal.signal(_signal.SIGINT, self._on_interrupt)
        for number, kept in zip((1, 2), self._streams, strict=True):
            os.dup2(kept, number)
        for name, number in (("stdout", 1), ("stderr", 2)):
            if getattr(getattr(sys, name, None), "closed", True):
                setattr(sys, name, _stream(number))

    def _on_interrupt(self, number: int, frame: types.FrameType | None) -> None:
        """Interrupt user code once; wait while a module is half imported, or torch would stay broken, and say so."""
        del number
        if self._interruptible and _is_importing(frame):
            self._send({"importing": True})
        elif self._interruptible:
            self._interruptible = False
            raise KeyboardInterrupt

    def _run(self, code: str) -> dict[str, object]:
        self._cells += 1
        name = f"<cell {self._cells}>"
        self._sources[name] = code
        if self._cells > 1 or "import" in code:  # else nothing that it could import asks for its lines
            self._show_sources()
        try:
            try:
                self._interruptible = True
                result = self._evaluate(code, name)
            finally:
                self._interruptible = False
        except SystemExit as error:
            _flush()
            return {} if error.code in {None, 0} else {"error": f"SystemExit: {error.code}"[:_TEXT]}
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; all of it is a result
            _flush()
            self._show_sources()
            return load("errors").describe(error)
        return result

    def _show_sources(self) -> None:
        """Let tracebacks show the lines of all cells so far."""
        errors = load("errors")  # before a file of the user can take the place of something that it imports
        while self._sources:
            errors.remember(*self._sources.popitem())

    def _evaluate(self, code: str, name: str) -> dict[str, object]:
        """Run `code`; show its last statement where that is an expression with a value, and save open figures."""
        tree = compile(code, name, "exec", _ONLY_TREE, dont_inherit=True)
        self._definitions.add(tree)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], _ast.Expr) else None
        namespace = self._main.__dict__
        exec(compile(tree, name, "exec", dont_inherit=True), namespace)
        value = None
        if last is not None:
            value = eval(compile(_ast.Expression(last.value), name, "eval", dont_inherit=True), namespace)
        if value is not None:
            namespace["_"] = value
        result = {"value": None if value is None else _show(value)}
        if "matplotlib.pyplot" in sys.modules:
            result["artefacts"], remark = load("figures").save_figures(_START)
            sys.stderr.write(f"[{remark}]\n" if remark else "")
        _flush()
        return result

    def _send(self, result: dict[str, object]) -> None:
        data = lean.dumps(result).encode() + b"\n"
        while data:
            data = data[os.write(self._results, data) :]


def _show(value: object) -> str:
    if type(value) in {int, float, bool}:  # the usual, without loading more
        return repr(value)
    return load("values").show(value)


def _is_importing(frame: types.FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _stream(number: int) -> Any:
    """Open a standard stream that writes at each end of a line: without a buffer, `print` would write twice."""
    return open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001, S110 - user code may have put anything there
            pass


def preload(modules: list[str]) -> None:
    """Import what is there of `modules`, so that an execution finds it."""
    for name in modules:
        try:
            library(name)
        except Exception:  # noqa: BLE001, S110 - a library that fails to load fails again where it is used
            pass


def become(commands: int, results: int, reports: int) -> NoReturn:
    """Be a worker, with the paths of the user's code; ends without running its exit handlers twice."""
    os.environ["ML_INTERN_REPORT_FD"] = str(reports)
    paths = os.environ.pop(_PATHS, "")
    if paths:
        os.environ["PYTHONPATH"] = paths
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    sys.argv = [""]
    worker = Worker(commands, results)
    sys.path[:0] = [_START, *(path for path in paths.split(os.pathsep) if path)]
    if os.path.exists(_EGRESS):  # noqa: PTH110
        load("egress").install()
    if os.path.exists(f"{_GUARD}/arm.py"):  # noqa: PTH110
        sys.path.insert(0, _GUARD)
        __import__("arm")
        sys.modules.pop("arm", None)  # a user's own `arm.py` must stay importable
    worker.serve()
    os._exit(0)


def main(mode: str, *arguments: str) -> NoReturn:
    """Do what the command line says."""
    if mode == "nursery":
        channel, modules = int(arguments[0]), [name for name in arguments[1].split(",") if name]
        load("nursery").hide()
        preload(modules)
        become(*load("nursery").serve(channel))
    become(*map(int, (mode, *arguments)))
