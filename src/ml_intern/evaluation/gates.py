"""The gate before publishing: these weights were scored on hidden labels, and nothing speaks against them."""

from __future__ import annotations

from collections.abc import Sequence

from ml_intern.core.facts import Evaluated, Trained
from ml_intern.core.folds import chosen_training, facts
from ml_intern.core.messages import ToolCall
from ml_intern.core.protocols import ToolContext, Verdict


class EvaluatedGate:
    """Passes when the training that the call names, else the newest, has an evaluation of exactly its weights."""

    @property
    def name(self) -> str:
        """The name tools use in `requires`."""
        return "evaluated"

    def check(self, call: ToolCall, context: ToolContext) -> Verdict:
        """Compare weights digests; nothing is read but the journal."""
        if not (made := facts(context.records, Trained)):
            return Verdict(passed=False, reason="nothing was trained yet; train a network, then evaluate it")
        named = str(call.arguments.get("training") or "")
        if (trained := chosen_training(context.records, named)) is None:
            known = ", ".join(one.call_id for one in made)
            return Verdict(passed=False, reason=f"no training {named!r} ended well; trainings: {known}")
        evaluations = facts(context.records, Evaluated)
        scored = [one for one in evaluations if one.weights_digest == trained.weights_digest]
        if not scored:
            return Verdict(passed=False, reason=_unscored(trained, evaluations, named=bool(named)))
        against = [finding for finding in scored[-1].findings if finding.refuses]
        if refused := [finding.detail for finding in against if finding.name not in context.allowed]:
            return Verdict(passed=False, reason=f"this model cannot be published: {' '.join(refused)}")
        allowed = "; ".join(f"{one.name} is allowed by the person: {context.allowed[one.name]}" for one in against)
        said = f"the weights of training {trained.call_id} were evaluated"
        return Verdict(passed=True, reason=f"{said}; {allowed}" if allowed else said)


def _unscored(trained: Trained, evaluations: Sequence[Evaluated], *, named: bool) -> str:
    """Say what is missing, and which trainings could be published as they are."""
    which = "training" if named else "the newest training"
    others = ", ".join(dict.fromkeys(f'training="{one.train_call_id}"' for one in evaluations))
    way = f", or publish another that was ({others})" if others else ""
    return (
        f"the weights of {which} ({trained.call_id}) were not evaluated by the runtime on the final part; "
        f"call evaluate first{way}. What the training script reports of itself does not count."
    )
