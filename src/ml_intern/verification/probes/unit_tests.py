"""Run the tests of a network, then judge them by wrong versions of the network, and report.

Started as `python -I …/probes/unit_tests.py` in a job of its own; request on stdin, one line of JSON on the report
descriptor. This process imports torch once and runs nothing of the candidate's: every trial is a fork of it that
holds a pipe of its own and not the report's descriptor.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

_HOME = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, _HOME)

import torch  # noqa: E402 - after the path
from probes import mutants  # noqa: E402
from probes.trial import Trial, alike, speak  # noqa: E402

# The candidate must find its own modules first, also where they have these names.
sys.path.remove(_HOME)

SEEDS = (0, 1, 2)
"""A right network passes with each; a test that needs luck would seem to tell wrong versions apart."""
TESTS_LIMIT = 60.0
"""Seconds for one run of all tests on the right source."""
MUTANTS_LIMIT = 90.0
"""Seconds for all wrong versions together."""
_SLOWER = 5.0
_LEAST = 2.0
"""A wrong version may take five times as long as the right source, and two seconds."""


def judge(request: dict) -> dict:
    """Run everything the request asks for."""
    began = time.monotonic()
    first = trial(request, {}, seed=SEEDS[0], limit=TESTS_LIMIT, trace=bool(request["limit"]))
    report = {"tests": _outcomes(first), "flaky": [], "mutants": [], "possible": 0}
    if any(entry["outcome"] != "passed" for entry in report["tests"]):
        return report
    took = time.monotonic() - began
    for seed in SEEDS[1:]:
        again = _outcomes(trial(request, {}, seed=seed, limit=TESTS_LIMIT))
        report["flaky"] += [entry for entry in again if entry["outcome"] != "passed"]
    if not report["flaky"] and request["limit"]:
        limit = max(_LEAST, _SLOWER * took)
        report["mutants"], report["possible"] = _mutate(request, first, limit)
    return report


def _mutate(request: dict, first: list[dict], limit: float) -> tuple[list[dict], int]:
    """Give the fate of each wrong version, and how many there could be."""
    sources = {name: Path(request["root"], name).read_text("utf-8") for name in request["network"]}
    layers = tuple(request["layers"])
    made = [m for name, source in sources.items() for m in mutants.mutants(name, source, layers)]
    lines = {name: set(rows) for entry in first for name, rows in entry.get("lines", {}).items()}
    usual = {entry["test"]: entry["seen"] for entry in first if entry.get("outcome") == "passed"}
    end = time.monotonic() + MUTANTS_LIMIT
    fates = []
    for mutant in mutants.spread(made, request["limit"]):
        if time.monotonic() > end:
            break
        fate = "not run"
        if mutant.line in lines.get(mutant.file, ()):
            fate = _fate(request, mutant, sources[mutant.file], usual, limit)
        fates.append(
            {
                "file": mutant.file,
                "line": mutant.line,
                "owner": mutant.owner,
                "operator": mutant.operator,
                "before": mutant.before[:200],
                "after": mutant.after[:200],
                "fate": fate,
            }
        )
    return fates, len(made)


def _fate(request: dict, mutant: mutants.Mutant, source: str, usual: dict[str, list[float]], limit: float) -> str:
    """Say what the tests made of a wrong version.

    `killed`: an assertion of theirs failed. `crashed`: it broke by itself, which any call shows. `different`: they
    saw it compute something else and passed. `same`: it computed the same in all they did.
    """
    path = str(Path(request["root"], mutant.file))
    try:
        code = compile(mutant.applied(source), path, "exec")
    except (SyntaxError, ValueError, RecursionError):
        return "crashed"
    outcomes = _outcomes(trial(request, {path: code}, seed=SEEDS[0], limit=limit, stop=True, quiet=True))
    worst = next((entry for entry in outcomes if entry["outcome"] != "passed"), None)
    if worst is not None:
        return "killed" if worst["outcome"] == "failed" else "crashed"
    return "same" if all(alike(entry["seen"], usual.get(entry["test"], [])) for entry in outcomes) else "different"


def _outcomes(entries: list[dict]) -> list[dict]:
    return [entry for entry in entries if "outcome" in entry]


def trial(
    request: dict,
    code: dict[str, CodeType],
    *,
    seed: int,
    limit: float,
    stop: bool = False,
    trace: bool = False,
    quiet: bool = False,
) -> list[dict]:
    """Run the tests in a fork; a fork that does not get to its end adds an entry that says so."""
    listen, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(listen)
        os.setpgid(0, 0)
        if quiet:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
        os.close(request["channel"])
        say = speak(tell)
        run = Trial(request["root"], request["tests"], request["network"], code)
        run.run(say, seed=seed, stop=stop, trace=trace)
        say(end=True)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    os.close(tell)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    entries, ended = _hear(listen, limit)
    os.close(listen)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return entries if ended else [*entries, _lost(entries, status, limit)]


def _hear(listen: int, limit: float) -> tuple[list[dict], bool]:
    """Read lines until the trial says that it ended, is gone, or takes too long."""
    end = time.monotonic() + limit
    entries: list[dict] = []
    for line in _lines(listen, end):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("end"):
            return entries, True
        if isinstance(entry, dict):
            entries.append(entry)
    return entries, False


def _lines(listen: int, end: float) -> Iterator[bytes]:
    buffered = b""
    while (left := end - time.monotonic()) > 0:
        if not select.select([listen], [], [], left)[0]:
            return
        if not (piece := os.read(listen, 1 << 16)):
            return
        *lines, buffered = (buffered + piece).split(b"\n")
        yield from lines


def _lost(entries: list[dict], status: int, limit: float) -> dict:
    names = next((entry["names"] for entry in entries if "names" in entry), [])
    done = len(_outcomes(entries))
    name = names[done] if done < len(names) else "the tests"
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    why = f"was not through after {limit:.0f} s" if killed else f"ended the process (status {status})"
    return {"test": name, "outcome": "crashed", "text": f"{name} {why}"}


def main() -> None:
    """Serve one request."""
    channel = int(os.environ.pop("ML_INTERN_REPORT_FD"))
    request = json.loads(sys.stdin.buffer.read())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.dont_write_bytecode = True
    torch.set_num_threads(1)
    nonce = request.pop("nonce")
    request["channel"] = channel
    report = judge(request)
    for entry in report["tests"]:
        entry.pop("seen", None)
    speak(channel)(**report, nonce=nonce)


if __name__ == "__main__":
    main()
