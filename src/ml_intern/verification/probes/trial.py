"""Run the tests of a file in this process, on the right source or a wrong version, and tell what they saw.

A trial is a forked child: the parent, which reports, never runs the candidate's code.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import inspect
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

import torch
from probes import explain

_SEEN = 400
"""Numbers kept of what a test computed."""
_CALLS = 8


class Trial:
    """One run of all tests.

    Attributes:
        root: folder of network and tests.
        tests: the test file in it.
        network: the files of the network, below `root`.
        code: the compiled wrong version by its path; empty for the right source.
    """

    def __init__(self, root: str, tests: str, network: list[str], code: dict[str, CodeType]) -> None:
        self.root = root
        self.tests = tests
        self.network = {str(Path(root, name)) for name in network}
        self.code = code
        self.seen = Seen(root)
        self.lines: dict[str, set[int]] = {}

    def run(self, say: Callable[..., None], *, seed: int, stop: bool, trace: bool) -> None:
        """Tell the outcome of each test as it ends.

        Args:
            say: takes fields to report.
            seed: for random numbers, set before each test.
            stop: end at the first test that does not pass.
            trace: note which lines of the network run.
        """
        _exchange(self.code)
        if trace:
            sys.settrace(self._follow)
        tests: list[tuple[str, Callable[[], object]]] = []
        with Caught() as loading:
            tests = list(_tests(_load(self.root, self.tests)))
        if loading.error is not None:
            say(**self._failure("import of the tests", loading.error))
            return
        say(names=[name for name, _ in tests])
        for name, function in tests:
            passed = self._one(name, function, say, seed)
            if stop and not passed:
                break
        sys.settrace(None)
        say(lines={Path(file).relative_to(self.root).as_posix(): sorted(rows) for file, rows in self.lines.items()})

    def _one(self, name: str, function: Callable[[], object], say: Callable[..., None], seed: int) -> bool:
        torch.manual_seed(seed)
        self.seen.clear()
        with Caught() as running:
            function()
        if running.error is not None:
            say(**self._failure(name, running.error))
            return False
        say(test=name, outcome="passed", seen=self.seen.numbers(), text="")
        return True

    def _failure(self, name: str, error: BaseException) -> dict[str, object]:
        text = explain.explain(error, self.root)
        if calls := self.seen.calls[-_CALLS:]:
            text += "\nmodules called last: " + "; ".join(calls)
        crashed = self._innermost(error.__traceback__) in self.network
        return {"test": name, "outcome": "crashed" if crashed else "failed", "text": text}

    def _innermost(self, trace: TracebackType | None) -> str:
        """Give the deepest file of the candidate's in which the error arose."""
        file = ""
        while trace is not None:
            name = trace.tb_frame.f_code.co_filename
            file = name if name.startswith(self.root) else file
            trace = trace.tb_next
        return file

    def _follow(self, frame, event, argument):
        """Trace the lines of the network's files, and nothing else."""
        del event, argument
        if frame.f_code.co_filename not in self.network:
            return None
        rows = self.lines.setdefault(frame.f_code.co_filename, set())
        rows.add(frame.f_lineno)

        def line(frame, event, argument):
            del event, argument
            rows.add(frame.f_lineno)
            return line

        return line


class Caught:
    """A block whose exception is a finding: anything may come out of a candidate's code, an exit too."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __enter__(self) -> Caught:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        """Keep what came out."""
        self.error = error
        return True


class Seen:
    """What the candidate's modules gave during a test: enough numbers to tell two computations apart."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.calls: list[str] = []
        self.outputs: list[float] = []
        self.modules: dict[int, torch.nn.Module] = {}
        torch.nn.modules.module.register_module_forward_hook(self._hook)

    def clear(self) -> None:
        """Begin a test."""
        self.calls, self.outputs, self.modules = [], [], {}

    def numbers(self) -> list[float]:
        """Give what outputs and gradients came to."""
        gradients = [
            number
            for module in self.modules.values()
            for p in module.parameters(recurse=False)
            if p.grad is not None
            for number in _summary(p.grad)
        ]
        return [*self.outputs[:_SEEN], *gradients[:_SEEN]]

    def _hook(self, module, inputs, output) -> None:
        self.modules[id(module)] = module
        given, made = ", ".join(_shapes(inputs)), ", ".join(_shapes(output))
        self.calls.append(f"{type(module).__name__} {given} -> {made}")
        if len(self.outputs) < _SEEN:
            for tensor in _tensors(output):
                self.outputs += _summary(tensor)


def _tensors(value) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _shapes(value) -> list[str]:
    return [str(tuple(tensor.shape)) for tensor in _tensors(value)]


def _summary(tensor: torch.Tensor) -> tuple[float, float]:
    """Give the size of a tensor's values, and a number that depends on their order."""
    flat = tensor.detach().to(torch.float64).flatten() if not tensor.is_complex() else tensor.detach().abs().flatten()
    size = float(flat.abs().sum())
    order = torch.cos(torch.arange(flat.numel(), dtype=torch.float64) * 1.7 + tensor.dim())
    turned = float(flat @ order) / (size + 1e-12) if flat.numel() else 0.0
    return size, turned


def alike(one: list[float], other: list[float]) -> bool:
    """Whether two tests saw the same computation, but for rounding."""
    return len(one) == len(other) and all(
        math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-5) or (math.isnan(a) and math.isnan(b))
        for a, b in zip(one, other, strict=True)
    )


def _exchange(code: dict[str, CodeType]) -> None:
    """Have imports give the wrong version of a file; what reads the file still reads the right one."""
    loader = importlib.machinery.SourceFileLoader
    original = loader.source_to_code

    def source_to_code(self, data, path, *, _optimize=-1):
        return code[path] if path in code else original(self, data, path, _optimize=_optimize)

    loader.source_to_code = source_to_code


def _load(root: str, tests: str) -> ModuleType:
    toolbox = str(Path(__file__).resolve().parent / "toolbox")
    # At the end: a file of the candidate's own called properties.py wins.
    sys.path[:] = [root, *sys.path, toolbox]
    return importlib.import_module(tests.removesuffix(".py").replace("/", "."))


def _tests(module: ModuleType) -> Iterator[tuple[str, Callable[[], object]]]:
    """Give the functions `test_*` of the file, and those of its classes `Test*`, in their order."""
    for name, value in vars(module).items():
        if name.startswith("test") and inspect.isfunction(value):
            yield name, _without_arguments(name, value)
        elif name.startswith("Test") and inspect.isclass(value):
            for method in vars(value):
                if method.startswith("test"):
                    full = f"{name}.{method}"
                    yield full, _without_arguments(full, getattr(value(), method))


def _without_arguments(name: str, function: Callable[[], object]) -> Callable[[], object]:
    if needed := [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]:
        raise TypeError(f"{name} takes {needed[0].name!r}: tests are called without arguments, and have no fixtures")
    return function


def speak(descriptor: int) -> Callable[..., None]:
    """Give a function that writes its fields as a line to `descriptor`."""

    def say(**fields: object) -> None:
        line = json.dumps(fields).encode() + b"\n"
        while line:
            line = line[os.write(descriptor, line) :]

    return say
