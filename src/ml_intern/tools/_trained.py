"""Carry out `train`: a new script is smoked first, and its whole training stands by meanwhile with torch imported."""

from __future__ import annotations

from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.core.sandbox import Job, has_walls
from ml_intern.tools._smoke import is_to_smoke, smoke
from ml_intern.tools._standing import Ahead
from ml_intern.verification import training
from ml_intern.verification.training import Order


def trained(context: ToolContext, order: Order, ahead: Ahead) -> Observation:
    """Train as ordered, or attach to it; `ahead` gets ready for the evaluation meanwhile.

    Raises:
        SandboxError: a sandbox failed, whatever the script did.
    """
    if not is_to_smoke(context, order):
        return _whole(context, order, Observation(text=""), None, ahead)
    stands_by = has_walls(context.sandboxes()) and training.may_be_held(order)
    started = _held(context, order) if stands_by else None
    try:
        smoked = smoke(context, order)
        if smoked.ok:
            whole, started = started, None
            return _whole(context, order, smoked, whole, ahead)
        return Observation(text=smoked.text, ok=False, facts=smoked.facts)
    finally:
        if started is not None:
            training.give_up(started, context.paths.call(context.call_id))


def _held(context: ToolContext, order: Order) -> Job:
    return training.start(
        context.sandboxes(), order, run=context.run, paths=context.paths, call_id=context.call_id, held=True
    )


def _whole(context: ToolContext, order: Order, smoked: Observation, started: Job | None, ahead: Ahead) -> Observation:
    job = started or training.start(
        context.sandboxes(), order, run=context.run, paths=context.paths, call_id=context.call_id
    )
    job.hand(b"")
    ahead.prepare(context)
    report = training.train(
        context.sandboxes(),
        order,
        run=context.run,
        paths=context.paths,
        call_id=context.call_id,
        live=context.live,
        cancelled=context.cancelled,
        started=job,
    )
    if report.fact is None:
        ahead.close()
    found = (report.fact, *smoked.facts) if report.fact else smoked.facts
    return Observation(text=report.text, ok=report.fact is not None, facts=found)
