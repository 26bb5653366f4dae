"""The dummy forward pass of one network, from its import to its gradients."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType, TracebackType

import torch
from probes import explain, gradients, installed, predictions, wiring
from torch import nn

_REPEATABLE = "repeatable in evaluation mode"


class Report:
    """What was found, check by check."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.network: nn.Module | None = None
        self.passed: list[str] = []
        self.failures: list[dict[str, str]] = []
        self.notes: list[str] = []
        self.traceback = ""
        self.parameters = 0

    def check(self, name: str, *, strict: bool = True) -> Check:
        """Run a block as the check `name`."""
        return Check(self, name, strict=strict)


class Check:
    """A block whose exception is a finding and not the end; anything may come out of a candidate's code.

    Where it is not `strict`, only `CandidateError` counts against the candidate: any other exception says that the
    check did not work out.
    """

    def __init__(self, report: Report, name: str, *, strict: bool) -> None:
        self._report = report
        self._name = name
        self._strict = strict

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        """Note how it ended; only an interrupt of the job goes on."""
        report = self._report
        if error is None:
            report.passed += [self._name] if self._strict else []
        elif isinstance(error, KeyboardInterrupt):
            return False
        elif isinstance(error, wiring.CandidateError):
            report.failures.append({"check": self._name, "text": str(error)})
        elif self._strict:
            text = explain.explain(error, report.root, report.network)
            report.failures.append({"check": self._name, "text": text})
            report.traceback = report.traceback or explain.full_traceback(error, report.root)
        else:
            report.notes.append(f"not checked: {self._name} ({explain.summary(error)[:120]})")
        return True


def judged(request: dict) -> dict:
    """Give what was found, as JSON holds it."""
    report = Report(request["root"])
    _judge(request, report)
    return {
        "passed": report.passed,
        "failures": report.failures,
        "notes": report.notes,
        "parameters": report.parameters,
        "traceback": report.traceback,
    }


def _judge(request: dict, report: Report) -> None:
    """Run the checks in order; those that build on each other stop at the first failure."""
    file, class_name = request["file"], request["class_name"]
    module: ModuleType | None = None
    with report.check("loads"):
        module = _load(file, report.root)
    if module is None:
        return
    kind: type[nn.Module] | None = None
    with report.check("defines the class"):
        kind = _class(module, class_name, file)
    with report.check("defines predict"):
        predictions.takes_network_and_rows(vars(module).get("predict"), file)
    if kind is None:
        return
    subject = _subject(request, kind, report.root)
    with report.check("builds"):
        report.network = subject.fresh(seed=0)
    if report.network is None:
        return
    before = len(report.failures)
    with report.check("layers registered"):
        wiring.registers_its_layers(subject, report.network)
    with report.check("output shape, kind and finite values"):
        wiring.gives_the_declared_output(subject, report.network)
    report.parameters = sum(p.numel() for p in report.network.parameters() if not _lazy(p))
    if len(report.failures) == before:
        _behaviour(request, report, subject, module)


def _behaviour(request: dict, report: Report, subject: wiring.Subject, module: ModuleType) -> None:
    """Run the checks that need a working forward pass."""
    network = report.network
    assert network is not None
    with report.check(_REPEATABLE):
        wiring.repeats_itself(subject, network)
    noisy: nn.Module | None = None
    with report.check("saves and loads as safetensors"):
        other = subject.fresh(seed=1)
        wiring.saves_and_loads(subject, network, other)
        noisy = other
    if noisy is None:
        return
    wiring.add_noise(subject, noisy)
    is_own = not installed.is_installed(network)
    if is_own:
        with report.check("every input matters"):
            wiring.uses_every_input(subject, network, noisy)
    if is_own and _REPEATABLE in report.passed:
        with report.check("samples independent of their batch"):
            wiring.keeps_samples_apart(subject, noisy)
    if request.get("sample"):
        _predict(request["sample"], report, module, noisy)
    with report.check("every trainable parameter gets a finite gradient"):
        gradients.trains_every_parameter(subject, network, noisy)
    with report.check("remarks", strict=False):
        report.notes += wiring.remarks(subject, noisy)


def _predict(sample: dict, report: Report, module: ModuleType, network: nn.Module) -> None:
    rows: list[dict[str, object]] = []
    with report.check("predict on real rows", strict=False):
        rows = predictions.read_rows(Path(sample["file"]), sample["inputs"])
    if rows and "defines predict" in report.passed:
        with report.check("predict answers real rows"), torch.no_grad():
            predictions.predicts(vars(module)["predict"], network.eval(), rows, sample["classes"], sample["task"])


def _load(file: str, root: str) -> ModuleType:
    """Import the candidate under the name that a training script imports it by."""
    name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    sys.path.insert(0, root)
    module = importlib.import_module(name)
    if module.__file__ is None or Path(module.__file__) != Path(root, file):
        raise wiring.CandidateError(f"import {name} gives a library's module, not {file}; rename the file")
    return module


def _class(module: ModuleType, class_name: str, file: str) -> type[nn.Module]:
    kind = vars(module).get(class_name)
    known = [name for name, v in vars(module).items() if inspect.isclass(v) and issubclass(v, nn.Module)]
    if not inspect.isclass(kind):
        raise wiring.CandidateError(
            f"{file} has no class {class_name!r}; its networks are {', '.join(known) or 'none'}"
        )
    if not issubclass(kind, nn.Module):
        raise wiring.CandidateError(f"{class_name} in {file} is no torch.nn.Module; derive it from nn.Module")
    return kind


def _subject(request: dict, kind: type[nn.Module], root: str) -> wiring.Subject:
    def build() -> nn.Module:
        try:
            inspect.signature(kind).bind(**request["arguments"])
        except TypeError as error:
            line = inspect.getsourcelines(kind)[1]
            raise wiring.CandidateError(
                f"{request['file']}:{line}: {kind.__name__}{inspect.signature(kind)} does not fit the arguments "
                f"{request['arguments']}: {error}"
            ) from error
        return kind(**request["arguments"])

    return wiring.Subject(
        build=build,
        inputs=tuple(wiring.Input(**{**given, "shape": tuple(given["shape"])}) for given in request["inputs"]),
        output_shape=tuple(request["output_shape"]),
        root=root,
    )


def _lazy(parameter: nn.Parameter) -> bool:
    return isinstance(parameter, nn.parameter.UninitializedParameter)
