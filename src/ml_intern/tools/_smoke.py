"""Let a script that never ran be tried on a few batches before it trains as a whole."""

from __future__ import annotations

from dataclasses import replace

from ml_intern.core.folds import facts, waivers
from ml_intern.core.gated import SmokeRun
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.verification.smoke import SMOKE, run_smoke
from ml_intern.verification.source import source_digest
from ml_intern.verification.training import Order


def is_to_smoke(context: ToolContext, order: Order) -> bool:
    """Tell whether this exact script, network and imports must be smoked: once in a run, unless a person waived it."""
    digest = source_digest(order.files)
    done = any(fact.script_digest == digest and not fact.problem for fact in facts(context.records, SmokeRun))
    return not done and SMOKE not in waivers(context.records)


def smoke(context: ToolContext, order: Order) -> Observation:
    """Smoke it; text where the whole training is refused."""
    fact, refusal = run_smoke(
        context.sandboxes(),
        order,
        run=context.run,
        paths=context.paths,
        call_id=context.call_id,
        cancelled=context.cancelled,
    )
    return replace(Observation(text=refusal, ok=not refusal), facts=(fact,))
