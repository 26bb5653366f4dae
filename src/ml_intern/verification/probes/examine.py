"""Run the checks on one candidate and report each as it ends.

Started as `python -I …/probes/examine.py` in a job of its own; request, channel and nonce are as in `gate.py`. A
line `{"begin": NAME}` goes before each check, so that a candidate that ends the process is known by where it did.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

_HOME = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, _HOME)

import torch  # noqa: E402 - after the path
from probes import apart, explain, fullsize, installed, serving  # noqa: E402
from probes.candidate import Candidate  # noqa: E402
from probes.checks import base, registry  # noqa: E402

_SECONDS = {"free": 5.0, "cheap": 10.0, "moderate": 20.0, "dear": 40.0}
"""Of processor time after which a check is given up."""


_WITHOUT_VALUES = ("static", "fake")
"""Families that see the network at its full size."""


class OverBudgetError(BaseException):
    """The check took too long; no ordinary exception, so that the candidate does not catch it by mistake."""


def examine(candidate: Candidate, checks: list[base.Check], tell: Callable[[dict], None], seconds: float) -> None:
    """Run `checks` in order; those left after `seconds` of processor time are inconclusive."""
    started, barred = _spent(), None
    _load(candidate)
    for check in checks:
        tell({"begin": check.name})
        began = _spent()
        if barred is None and check.family not in _WITHOUT_VALUES:
            barred = fullsize.make_small(candidate)
        if barred and check.family not in _WITHOUT_VALUES:
            outcome = base.not_applicable(barred)
        elif began - started > seconds:
            outcome = base.inconclusive(f"the checks before it took all of the {seconds:g} s")
        elif check.family == "fake":
            told = apart.run(lambda check=check: dataclasses.asdict(_outcome(check, candidate)))
            outcome = base.Outcome(**told) if told else base.inconclusive("the process of the check ended early")
        else:
            outcome = _outcome(check, candidate)
        if outcome.status == "fail":
            candidate.does_not_work.add(check.name)
        tell({
            "check": check.name,
            "family": check.family,
            "status": outcome.status,
            "what": outcome.what,
            "where": outcome.where,
            "advice": outcome.advice,
            "seconds": _spent() - began,
        })  # fmt: skip


def _spent() -> float:
    """Give processor seconds of this process and of its ended children."""
    return sum(os.times()[:4])


def _load(candidate: Candidate) -> None:
    """Import the program and measure its size; what goes wrong there is told by the checks that need it."""
    with contextlib.suppress(Exception, SystemExit, OverBudgetError), _limited(_SECONDS["moderate"]):
        candidate.module  # noqa: B018 - imported for all checks, so that no mode of one of them is on at the time
        fullsize.full_size(candidate)


def _outcome(check: base.Check, candidate: Candidate) -> base.Outcome:
    if (missing := _missing(check, candidate)) is not None:
        return missing
    try:
        with _limited(_SECONDS[check.cost]), warnings.catch_warnings(action="ignore"):
            if check.family not in _OF_INSTALLED and _is_installed(candidate):
                return base.not_applicable(installed.WHY)
            torch.manual_seed(0)
            return check.run(candidate) or base.passed()
    except base.StopError as stop:
        return stop.outcome
    except KeyboardInterrupt:
        raise
    except OverBudgetError:
        return base.inconclusive(f"not through after {_SECONDS[check.cost]:g} s of processor time")
    except BaseException as error:  # noqa: BLE001 - anything may come out of a candidate's code
        return _raised(check, candidate, error)


def _missing(check: base.Check, candidate: Candidate) -> base.Outcome | None:
    """Say what a check lacks; what the program does not define, and what was found not to work."""
    for need in check.needs:
        if need in candidate.does_not_work:
            return base.not_applicable(f"the check `{need}` must pass first")
        if need in _DEFINED and not all(candidate.has(name) for name in _DEFINED[need]):
            return base.not_applicable(f"the file defines no {' and '.join(_DEFINED[need])}")
    return None


_OF_INSTALLED = ("static", "fake", "output", "loss", "gradients", "data", "loop", "learning")
"""Families that a network of an installed library is asked for: what is the candidate's own about it."""


def _is_installed(candidate: Candidate) -> bool:
    if "installed" not in candidate.notes:
        candidate.notes["installed"] = installed.is_installed(candidate.network)
    return bool(candidate.notes["installed"])


_DEFINED = {
    "loss": ("compute_loss",),
    "splits": ("make_splits",),
    "raw": ("load_raw", "make_splits"),
    "train": ("train", "make_splits", "compute_loss"),
    "evaluate": ("evaluate", "make_splits"),
    "run": ("run", "make_splits", "compute_loss"),
}


def _raised(check: base.Check, candidate: Candidate, error: BaseException) -> base.Outcome:
    """Blame the candidate only for what its own code raised where it may not."""
    trace, frames = error.__traceback__, []
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    if check.crash and any(file.startswith(candidate.root) for file in frames):
        return base.failed(explain.explain(error, candidate.root, vars(candidate).get("network")))
    if check.crash and isinstance(error, SyntaxError):
        return base.failed(explain.summary(error))
    return base.inconclusive(f"the check did not work out: {explain.summary(error)[:200]}")


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise OverBudgetError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def chosen(request: dict) -> list[base.Check]:
    """Give the checks that a request asks for."""
    found = registry.all_checks(request.get("plugins", ()))
    families, names = request.get("families"), request.get("only")
    return [c for c in found if (not families or c.family in families) and (not names or c.name in names)]


def examine_all(request: dict, checks: list[base.Check], tell: Callable[[dict], None]) -> None:
    """Run them on the candidate that `request` names, and tell that all are through."""
    examine(Candidate(request), checks, tell, request["seconds"])
    tell({"done": True})


def main() -> None:
    """Serve one request, then leave at once: a thread of the candidate must not keep the job."""
    request, tell = serving.begin()
    checks = chosen(request)
    serving.hide(_HOME)
    examine_all(request, checks, tell)
    serving.leave()


if __name__ == "__main__":
    main()
