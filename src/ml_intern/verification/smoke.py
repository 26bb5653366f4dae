"""The smoke run: before a training runs as a whole, its script runs a few steps on a few batches, and must not fail.

It is the same script with the same hyperparameters, data, guard and watch, in a sandbox of its own. Inside,
`guard/smoke.py` lets each loader give a few batches, so that most scripts come to their end and also save; one that
does not is ended after some steps. Nothing it writes is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ml_intern.core.gated import SmokeRun
from ml_intern.core.live import ignore
from ml_intern.core.protocols import RunPaths
from ml_intern.core.sandbox import JobResult, JobSpec, SandboxBackend
from ml_intern.verification.condense import explained
from ml_intern.verification.recording import Recording
from ml_intern.verification.sealed import Seal, key_of
from ml_intern.verification.source import source_digest
from ml_intern.verification.training import Order, sandbox_of, store
from ml_intern.verification.watch import WatchSummary, summarize

SMOKE = "smoke-run"
"""The name under which a person waives it."""
SECONDS = 60.0
"""Of wall-clock after which a script that has not failed has passed."""
STEPS = 5
"""Optimizer steps after which a script without loaders is ended."""
_ENDED = 75
"""Exit status with which `guard/smoke.py` ends a script that has made its steps."""
_SHOWN = 1500


def run_smoke(
    backend: SandboxBackend,
    order: Order,
    *,
    run: str,
    paths: RunPaths,
    call_id: str,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[SmokeRun, str]:
    """Run it, or attach where this call was begun before; gives what was seen, and a text where it failed.

    Raises:
        SandboxError: the sandbox failed, whatever the script did.
    """
    place = RunPaths(root=paths.call(call_id) / "smoke")
    output = place.outputs / call_id
    output.mkdir(parents=True, exist_ok=True)
    store(order, place.call(call_id))
    limit = min(SECONDS, order.timeout)
    spec = sandbox_of(order, order.data, run=run, paths=place, call_id=call_id, verified=paths.root / "verified")
    # one thread: for so few batches more gain little, and where others work they wait for each other
    few = {"ML_INTERN_SMOKE_STEPS": str(STEPS), "OMP_NUM_THREADS": "1"}
    spec = replace(spec, environment={**spec.environment, **few})
    job = JobSpec(directory=place.call(call_id) / "job", argv=("python", order.script), timeout=limit)
    started = backend.start(spec, job)
    with Recording(place.call(call_id), call_id, ignore, None, Seal(key_of(place.call(call_id)))) as seen:
        result = started.wait(on_event=seen.take, cancelled=lambda: seen.hangs or cancelled())
    summary = summarize(seen.lines)
    problem = _problem(result, summary)
    fact = SmokeRun(
        call_id=call_id,
        script_digest=source_digest(order.files),
        steps=summary.steps,
        seconds=round(result.seconds, 2),
        reached_end=result.ok,
        problem=problem,
    )
    return fact, _refusal(fact, result) if problem else ""


def _problem(result: JobResult, summary: WatchSummary) -> str:
    """Say why the whole training would fail; empty where nothing speaks against it."""
    if summary.diverged:
        return f"It diverged {summary.diverged}"
    match result.reason:
        case None if result.exit_code == 0 and summary.steps == 0:
            return "It ended without one optimizer.step() of a torch optimizer in its own process."
        case None if result.exit_code not in {0, _ENDED}:
            return f"It failed with exit status {result.exit_code} after {summary.steps} steps."
        case None | "timeout":
            return ""
        case "stopped" if summary.hangs:
            return f"It hangs: {summary.stalled}."
        case reason:
            return f"It was ended at step {summary.steps}: {reason}."


def _refusal(fact: SmokeRun, result: JobResult) -> str:
    said = explained(result.output, _SHOWN).strip() or "It printed nothing."
    return (
        f"Not trained: the smoke run, the same script with a few batches a loader and few steps, failed after "
        f"{fact.seconds:.1f} s. {fact.problem}\nMend it and call train again; if only the few batches are to blame, "
        f"make the script bear them.\n{said}"
    )
