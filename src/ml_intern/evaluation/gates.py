"""The gate before publishing: the weights that were trained last have been scored on hidden labels."""

from __future__ import annotations

from ml_intern.core.facts import Evaluated, Trained
from ml_intern.core.folds import facts
from ml_intern.core.messages import ToolCall
from ml_intern.core.protocols import ToolContext, Verdict


class EvaluatedGate:
    """Passes when the newest training has an evaluation of exactly its weights."""

    @property
    def name(self) -> str:
        """The name tools use in `requires`."""
        return "evaluated"

    def check(self, call: ToolCall, context: ToolContext) -> Verdict:
        """Compare weights digests; nothing is read but the journal."""
        trained = facts(context.records, Trained)
        if not trained:
            return Verdict(passed=False, reason="nothing was trained yet; train a network, then evaluate it")
        newest = trained[-1]
        if any(scored.weights_digest == newest.weights_digest for scored in facts(context.records, Evaluated)):
            return Verdict(passed=True, reason=f"the weights of training {newest.call_id} were evaluated")
        return Verdict(
            passed=False,
            reason=f"the weights of the newest training ({newest.call_id}) were not evaluated by the runtime; "
            "call evaluate first. What the training script reports of itself does not count.",
        )
