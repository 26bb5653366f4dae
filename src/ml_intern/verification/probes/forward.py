"""Run the dummy forward pass of one network and report what was found.

Started as `python -I …/probes/forward.py` in a job of its own. The request is JSON on stdin; the report is one line
of JSON on the descriptor that `ML_INTERN_REPORT_FD` names, with the nonce of the request in it. Before the
candidate is loaded the name leaves the environment, the descriptor moves to a number nobody can guess, and stdin is
empty: what the candidate prints, writes to other descriptors or exits with proves nothing.
"""

from __future__ import annotations

import fcntl
import importlib
import inspect
import json
import os
import resource
import secrets
import sys
from pathlib import Path
from types import ModuleType, TracebackType

_HOME = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, _HOME)

import torch  # noqa: E402 - after the path
from probes import checks, explain, gradients, predictions  # noqa: E402
from torch import nn  # noqa: E402

# The candidate must find its own modules first, also where they have these names.
sys.path.remove(_HOME)
for _name in [name for name in sys.modules if name.partition(".")[0] == "probes"]:
    del sys.modules[_name]

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
        elif isinstance(error, checks.CandidateError):
            report.failures.append({"check": self._name, "text": str(error)})
        elif self._strict:
            text = explain.explain(error, report.root, report.network)
            report.failures.append({"check": self._name, "text": text})
            report.traceback = report.traceback or explain.full_traceback(error, report.root)
        else:
            report.notes.append(f"not checked: {self._name} ({explain.summary(error)[:120]})")
        return True


def judge(request: dict, report: Report) -> None:
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
        checks.registers_its_layers(subject, report.network)
    with report.check("output shape, kind and finite values"):
        checks.gives_the_declared_output(subject, report.network)
    report.parameters = sum(p.numel() for p in report.network.parameters() if not _lazy(p))
    if len(report.failures) == before:
        _behaviour(request, report, subject, module)


def _behaviour(request: dict, report: Report, subject: checks.Subject, module: ModuleType) -> None:
    """Run the checks that need a working forward pass."""
    network = report.network
    assert network is not None
    with report.check(_REPEATABLE):
        checks.repeats_itself(subject, network)
    noisy: nn.Module | None = None
    with report.check("saves and loads as safetensors"):
        other = subject.fresh(seed=1)
        checks.saves_and_loads(subject, network, other)
        noisy = other
    if noisy is None:
        return
    with report.check("every input matters"):
        checks.add_noise(subject, noisy)
        checks.uses_every_input(subject, network, noisy)
    if _REPEATABLE in report.passed:
        with report.check("samples independent of their batch"):
            checks.keeps_samples_apart(subject, noisy)
    if request.get("sample"):
        _predict(request["sample"], report, module, noisy)
    with report.check("every trainable parameter gets a finite gradient"):
        gradients.trains_every_parameter(subject, network, noisy)
    with report.check("remarks", strict=False):
        report.notes += checks.remarks(subject, noisy)


def _predict(sample: dict, report: Report, module: ModuleType, network: nn.Module) -> None:
    rows: list[dict[str, object]] = []
    with report.check("predict on real rows", strict=False):
        rows = predictions.read_rows(Path(sample["file"]), sample["inputs"])
    if rows and "defines predict" in report.passed:
        with report.check("predict answers real rows"), torch.no_grad():
            predictions.predicts(vars(module)["predict"], network.eval(), rows, sample["classes"])


def _load(file: str, root: str) -> ModuleType:
    """Import the candidate under the name that a training script imports it by."""
    name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    sys.path.insert(0, root)
    module = importlib.import_module(name)
    if module.__file__ is None or Path(module.__file__) != Path(root, file):
        raise checks.CandidateError(f"import {name} gives a library's module, not {file}; rename the file")
    return module


def _class(module: ModuleType, class_name: str, file: str) -> type[nn.Module]:
    kind = vars(module).get(class_name)
    known = [name for name, v in vars(module).items() if inspect.isclass(v) and issubclass(v, nn.Module)]
    if not inspect.isclass(kind):
        raise checks.CandidateError(
            f"{file} has no class {class_name!r}; its networks are {', '.join(known) or 'none'}"
        )
    if not issubclass(kind, nn.Module):
        raise checks.CandidateError(f"{class_name} in {file} is no torch.nn.Module; derive it from nn.Module")
    return kind


def _subject(request: dict, kind: type[nn.Module], root: str) -> checks.Subject:
    def build() -> nn.Module:
        try:
            inspect.signature(kind).bind(**request["arguments"])
        except TypeError as error:
            line = inspect.getsourcelines(kind)[1]
            raise checks.CandidateError(
                f"{request['file']}:{line}: {kind.__name__}{inspect.signature(kind)} does not fit the arguments "
                f"{request['arguments']}: {error}"
            ) from error
        return kind(**request["arguments"])

    return checks.Subject(
        build=build,
        inputs=tuple(checks.Input(**{**given, "shape": tuple(given["shape"])}) for given in request["inputs"]),
        output_shape=tuple(request["output_shape"]),
        root=root,
    )


def _lazy(parameter: nn.Parameter) -> bool:
    return isinstance(parameter, nn.parameter.UninitializedParameter)


def _take_channel() -> int:
    """Move the report's descriptor out of sight; no child process of the candidate inherits it."""
    given = int(os.environ.pop("ML_INTERN_REPORT_FD"))
    limit = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 14)
    kept = fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, limit // 2 + secrets.randbelow(limit // 4))
    os.close(given)
    return kept


def _take_request() -> dict:
    """Read stdin to its end and leave nothing to read again."""
    request = json.loads(sys.stdin.buffer.read())
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return request


def main() -> None:
    """Serve one request, then leave at once: a thread of the candidate must not keep the job."""
    channel = _take_channel()
    request = _take_request()
    nonce = request.pop("nonce")
    sys.dont_write_bytecode = True
    torch.set_num_threads(1)
    report = Report(request["root"])
    judge(request, report)
    found = {
        "nonce": nonce,
        "passed": report.passed,
        "failures": report.failures,
        "notes": report.notes,
        "parameters": report.parameters,
        "traceback": report.traceback,
    }
    line = json.dumps(found).encode() + b"\n"
    while line:
        line = line[os.write(channel, line) :]
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
