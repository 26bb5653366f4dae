"""Judge whether the contract is met: a model that says it is done must have proven what it owes."""

from __future__ import annotations

from collections.abc import Sequence

from ml_intern.core.events import Record
from ml_intern.core.facts import ContractAgreed, Deliverable, Evaluated, NetworkVerified, Published, Trained
from ml_intern.core.folds import facts


class ContractMet:
    """Accepts when every deliverable of the agreed contract is proven by a fact."""

    def missing(self, records: Sequence[Record]) -> Sequence[str]:
        """Say what the contract still lacks, a sentence each."""
        agreed = facts(records, ContractAgreed)
        if not agreed:
            return ["No contract was agreed: call `contract` first, with the deliverables that the task asks for."]
        return [f"Not delivered: {_WHAT[d]}." for d in agreed[-1].deliverables if not _delivered(d, records)]


_WHAT: dict[Deliverable, str] = {
    "answer": "an answer",
    "verified_network": "a network that passed check_network",
    "trained_model": "a training that ended well (train)",
    "evaluation": "the runtime's evaluation of the newest training (evaluate)",
    "published_model": "the evaluated model, published (publish)",
}


def _delivered(deliverable: Deliverable, records: Sequence[Record]) -> bool:
    trained = facts(records, Trained)
    scored = {f.weights_digest: f for f in facts(records, Evaluated)}
    match deliverable:
        case "answer":
            return True
        case "verified_network":
            return bool(facts(records, NetworkVerified))
        case "trained_model":
            return bool(trained)
        case "evaluation":
            return bool(trained) and trained[-1].weights_digest in scored
        case "published_model":
            bundles = {f.bundle_digest for f in scored.values()}
            return any(f.bundle_digest in bundles for f in facts(records, Published))
