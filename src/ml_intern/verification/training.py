"""Run one training in a sandbox of its own, watch it, and accept it only with sound weights.

The folder of the call on the host holds `source/` (the exact files that ran), `job/` (claim and events of the
process), `output.log` and `metrics.jsonl`. The process outlives the agent: the same call attaches to it again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, TypeGuard, cast

from ml_intern.core import confined
from ml_intern.core.errors import ToolError
from ml_intern.core.facts import Trained
from ml_intern.core.live import Watcher
from ml_intern.core.neutral import one_line
from ml_intern.core.protocols import RunPaths
from ml_intern.core.safetensors import WeightsFile, check_weights
from ml_intern.core.sandbox import GPU, Job, JobResult, JobSpec, Limits, Mount, SandboxBackend, SandboxSpec
from ml_intern.verification import witness
from ml_intern.verification.asking import write_files
from ml_intern.verification.condense import explained
from ml_intern.verification.doubts import doubts
from ml_intern.verification.recording import Recording
from ml_intern.verification.sealed import KEY, Seal, key_of
from ml_intern.verification.source import source_digest
from ml_intern.verification.watch import WatchSummary, summarize
from ml_intern.verification.weights import WEIGHTS, require_sound, weights_probe

METRICS = "metrics.json"
HYPERPARAMETERS = "hyperparameters.json"

OnDivergence: TypeAlias = Literal["ask", "auto"]
"""What happens on a divergence: stop and tell, or go back to the last healthy state with a smaller rate."""

_PROBES = Path(__file__).parent / "probes"
_GUARD = "/opt/ml-intern/guard"
_MAX_METRICS = 64 << 10
_MAX_NAMES = 64
_SHOWN = 2500
"""Characters of the job's output in a report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """How a training ended. `text` is for the language model; `fact` is None where it is not accepted."""

    text: str
    fact: Trained | None
    summary: WatchSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to train: `files` by name with `/`, `script` one of them, and what they are known by."""

    files: Mapping[str, bytes]
    script: str
    hyperparameters: Mapping[str, object]
    source_digest: str
    dataset_digest: str = ""
    data: Path | None = None
    gpu: GPU = "none"
    timeout: float = 3600.0
    rows: int = 0
    """Rows that training may see; 0 where that is not known."""
    recover: OnDivergence = "ask"


def guard_mounts(paths: RunPaths, verified: Path | None = None) -> tuple[Mount, ...]:
    """Give the mounts that arm guard and watch, and the list of checked networks they go by."""
    verified = verified or paths.root / "verified"
    verified.mkdir(parents=True, exist_ok=True)
    return (
        Mount(source=_PROBES / "guard", target=_GUARD),
        Mount(source=_PROBES, target="/opt/ml-intern/probes"),
        Mount(source=verified, target="/verified"),
    )


def train(
    backend: SandboxBackend,
    order: Order,
    *,
    run: str,
    paths: RunPaths,
    call_id: str,
    live: Watcher,
    cancelled: Callable[[], bool] = lambda: False,
    started: Job | None = None,
) -> TrainingReport:
    """Run the script to its end, or attach where this call was begun before, and judge what it left.

    `started` is what `start` gave for the same call, held.

    Raises:
        SandboxError: the sandbox failed, whatever the script did.
    """
    started = started or start(backend, order, run=run, paths=paths, call_id=call_id)
    started.hand(b"")
    total = order.hyperparameters.get("steps")
    total = total if isinstance(total, int) and total > 0 else None
    seal = Seal(key_of(paths.call(call_id)))
    with weights_probe(backend, run=run, paths=paths, call_id=call_id) as probe:
        with Recording(paths.call(call_id), call_id, live, total, seal) as seen:
            result = started.wait(on_event=seen.take, cancelled=lambda: seen.hangs or cancelled())
        summary = summarize(seen.lines)
        read = witness.testify(paths.call(call_id), result.observed)
        try:
            if problem := _problem(result, summary, call_id) or _forgery(seal) or witness.problem(read):
                raise ToolError(problem)
            weights = check_weights(paths.outputs / call_id, WEIGHTS)
            require_sound(probe, cancelled)
            state = _state_of(weights, summary, order)
        except ToolError as error:
            return TrainingReport(text=_refusal(str(error), result, call_id), fact=None, summary=summary)
    reported, note = _reported(paths.outputs / call_id)
    fact = replace(_fact(order, call_id, weights, reported, summary, result, state), read=read, sandbox=backend.name)
    note += _remarks(fact, summary, order)
    return TrainingReport(text=_success(fact, weights, summary, result, note), fact=fact, summary=summary)


def start(backend: SandboxBackend, order: Order, *, run: str, paths: RunPaths, call_id: str, held: bool = False) -> Job:
    """Start the script of this call, or attach to it; one that is held has torch imported and waits for its input.

    Raises:
        SandboxError: the sandbox cannot start.
    """
    store(order, paths.call(call_id))
    paths.outputs.joinpath(call_id).mkdir(parents=True, exist_ok=True)
    data = witness.lay_out(order.data, paths.call(call_id)) if order.data is not None else None
    job = JobSpec(
        directory=paths.call(call_id) / "job",
        argv=("python", order.script),
        timeout=order.timeout,
        observed=witness.observed(data),
        held=held,
    )
    spec = sandbox_of(order, data, run=run, paths=paths, call_id=call_id)
    return backend.start(replace(spec, environment={**spec.environment, "ML_INTERN_HELD": "1"}) if held else spec, job)


def may_be_held(order: Order) -> bool:
    """Tell whether nothing in the sources could mean to be before the import of torch: what they set is read then."""
    return not any(word in content for content in order.files.values() for word in (b"environ", b"putenv"))


def give_up(started: Job, call: Path) -> None:
    """End a training that was held and shall not be, and remove what was laid out for it."""
    started.stop("not trained")
    witness.put_away(call)


def store(order: Order, call: Path) -> None:
    """Write the sources once; a half-written folder of a crash is not taken for them."""
    if (call / "source").is_dir():
        return
    partial = call / f"source.{os.getpid()}"
    parameters = json.dumps(dict(order.hyperparameters), indent=2).encode()
    write_files(partial, {**order.files, HYPERPARAMETERS: parameters})
    partial.rename(call / "source")


def sandbox_of(
    order: Order, data: Path | None, *, run: str, paths: RunPaths, call_id: str, verified: Path | None = None
) -> SandboxSpec:
    """Give the place of a training: its source, its data, a folder to write to, guard and watch.

    `verified`: the folder with the list of checked networks, where it is not that of `paths`.
    """
    given = (Mount(source=data, target=witness.INSIDE),) if data is not None else ()
    own = (
        Mount(source=paths.call(call_id) / "source", target="/source"),
        Mount(source=paths.outputs / call_id, target="/output", writable=True),
    )
    return SandboxSpec(
        run=run,
        mounts=(*own, *given, *guard_mounts(paths, verified)),
        working_directory="/source",
        environment={
            "PYTHONPATH": f"{_GUARD}:/source",
            "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))),
            "ML_INTERN_STOP_ON_SPIKE": "0" if order.hyperparameters.get("stop_on_spike") is False else "1",
            "ML_INTERN_ON_DIVERGENCE": order.recover,
            "ML_INTERN_STALL_SECONDS": _seconds(order.hyperparameters.get("stall_seconds")),
            "GLOO_SOCKET_IFNAME": "lo",  # there is no other network inside, and gloo asks for the host's name
            "ML_INTERN_MEMORY_LIMIT": str(Limits().memory),
            "ML_INTERN_WEIGHTS": f"/output/{WEIGHTS}",
            KEY: key_of(paths.call(call_id)),
        },
        gpu=order.gpu,
        has_packages=True,
    )


def _seconds(value: object) -> str:
    return str(float(value)) if _is_number(value) and value > 0 else ""


def _forgery(seal: Seal) -> str:
    """Say that lines were written which are not the watch's."""
    if not seal.broken:
        return ""
    return f"{seal.broken} lines on the watch's channel are not its own: leave descriptors alone that are not yours."


def _state_of(weights: WeightsFile, summary: WatchSummary, order: Order) -> str:
    """Say which state of the training the weights are.

    Raises:
        ToolError: none that was seen, and nobody said what they are.
    """
    said = order.hyperparameters.get("saved_weights")
    saved = summary.saved
    if saved is None:
        return one_line(said, 200) if isinstance(said, str) else ""
    if saved.digest == weights.digest and saved.state != "other":
        return {"last": "last", "step": f"step {saved.step}", "average": "average"}[saved.state]
    if isinstance(said, str):
        return one_line(said, 200)
    raise ToolError(
        f"{WEIGHTS} is no state of the network that was trained: no last, earlier or averaged one. Save the trained "
        "network, with nothing written into it after the last optimizer step; if it is changed on purpose (merged, "
        'pruned, quantised), say so in the hyperparameter "saved_weights".'
    )


def _problem(result: JobResult, summary: WatchSummary, call_id: str) -> str:
    """Say why the training is not accepted; empty if its process ended well."""
    if summary.diverged:
        kept = f" The last healthy state is /outputs/{call_id}/last_finite.safetensors." if summary.kept else ""
        tried = f" It went back {len(summary.recovered)} times before." if summary.recovered else ""
        return (
            f"The training diverged {summary.diverged}\nOften a tenth of the learning rate with gradient clipping "
            f'helps, as recover="auto" does; a jump that is meant needs the hyperparameter "stop_on_spike": false.'
            f"{tried}{kept}"
        )
    if summary.hangs:
        return f"It hangs: {summary.stalled}."
    stalled = f" Before that there was {summary.stalled}." if summary.stalled else ""
    match result.reason:
        case None if result.exit_code != 0:
            problem = f"The script ended with exit status {result.exit_code}.{stalled}"
        case None if summary.steps == 0:
            problem = (
                "The watch saw no optimizer.step() in the script's own process. Train with a torch optimizer, "
                "and not in a child process."
            )
        case None:
            problem = ""
        case "timeout":
            problem = f"The time limit ended it at step {summary.steps}; ask for a longer one or fewer steps.{stalled}"
        case "lost":
            problem = "The process was lost with its machine or container; call train again."
        case reason:
            problem = f"It was ended at step {summary.steps}: {reason}.{stalled}"
    return problem


def _reported(folder: Path) -> tuple[dict[str, float], str]:
    """Give what the script says of itself, and a remark where that cannot be read."""
    if not (folder / METRICS).exists():
        return {}, ""
    try:
        entries: object = json.loads(confined.read_bytes(folder, METRICS, limit=_MAX_METRICS))
    except (ToolError, ValueError, RecursionError) as error:
        return {}, f"\n{METRICS} is ignored: {error}."
    if not isinstance(entries, dict) or len(cast("dict[str, object]", entries)) > _MAX_NAMES:
        return {}, f"\n{METRICS} is ignored: it must be a flat object of at most {_MAX_NAMES} numbers."
    named = cast("dict[str, object]", entries)
    numbers = {name: float(v) for name, v in named.items() if _is_number(v) and name.isprintable() and len(name) <= 64}
    left = (
        f"\nIgnored in {METRICS}, no finite number: {len(named) - len(numbers)}." if len(numbers) < len(named) else ""
    )
    return numbers, left


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _fact(
    order: Order,
    call_id: str,
    weights: WeightsFile,
    reported: Mapping[str, float],
    summary: WatchSummary,
    result: JobResult,
    state: str,
) -> Trained:
    given = order.hyperparameters.items()
    return Trained(
        call_id=call_id,
        source_digest=order.source_digest,
        script_digest=source_digest(order.files),
        weights_digest=weights.digest,
        dataset_digest=order.dataset_digest,
        hyperparameters={name: v if isinstance(v, str) else json.dumps(v) for name, v in given},
        reported=reported,
        steps=summary.steps,
        optimizer=summary.optimizer,
        last_loss=summary.last_loss,
        seconds=result.seconds,
        device=summary.device,
        samples=summary.samples,
        recoveries=tuple(map(str, summary.recovered)),
        weights_state=state,
        unread=summary.unread,
        doubts=doubts(order.files),
        calls=summary.calls,
        distinct=summary.distinct,
    )


def _remarks(fact: Trained, summary: WatchSummary, order: Order) -> str:
    """Say what the watch noticed, a line each."""
    passes = f": {fact.samples / order.rows:.2g} passes over {order.rows:,} rows" if order.rows else ""
    lines = [f"The network saw {fact.samples:,} samples{passes}."] if fact.samples else []
    lines += [f"Recovered at {told}." for told in fact.recoveries]
    lines += [f"Noticed at step {warned.step}: {warned.name}: {warned.text}." for warned in summary.warned]
    lines += [f"Never read by the script: {', '.join(fact.unread)}."] if fact.unread else []
    lines += [f"The saved weights are: {fact.weights_state}."] if fact.weights_state not in {"", "last"} else []
    return "".join(f"\n{line}" for line in lines)


def _success(fact: Trained, weights: WeightsFile, summary: WatchSummary, result: JobResult, note: str) -> str:
    fell = f", loss {summary.first_loss:.4g} → {summary.last_loss:.4g}" if _has_losses(summary) else ""
    said = ", ".join(f"{name} {value:.4g}" for name, value in fact.reported.items())
    return (
        f"Trained: {fact.steps} steps of {fact.optimizer} on {fact.device} in {fact.seconds:.1f} s{fell}. "
        f"Weights /outputs/{fact.call_id}/{WEIGHTS}: {weights.elements:,} values, finite, {weights.digest[:12]}.\n"
        f"Self-reported: {said or 'nothing'}. Next: evaluate.{note}{_doubted(fact)}\n{_tail(result, fact.call_id)}"
    )


def _doubted(fact: Trained) -> str:
    return "".join(f"\nDoubtful, and on the card: {doubt}" for doubt in fact.doubts)


def _has_losses(summary: WatchSummary) -> bool:
    return summary.first_loss is not None and summary.last_loss is not None


def _refusal(problem: str, result: JobResult, call_id: str) -> str:
    return f"Not accepted after {result.seconds:.1f} s. {problem}\n{_tail(result, call_id)}"


def _tail(result: JobResult, call_id: str) -> str:
    said = explained(result.output, _SHOWN).strip()
    shown = f"Output:\n{said}" if said else "The script printed nothing."
    return f"{shown}\n(all of it: read_file calls/{call_id}/output.log)"
