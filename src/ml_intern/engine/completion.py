"""Judge whether the contract is met: a model that says it is done must have proven what it owes."""

from __future__ import annotations

from collections.abc import Sequence

from ml_intern.core.contract import broken
from ml_intern.core.events import ModelReplied, Record
from ml_intern.core.facts import ContractAgreed, Deliverable, Evaluated, NetworkVerified, Published, Queried
from ml_intern.core.figures import bounds_of, claims, sentences_on, states
from ml_intern.core.folds import chosen_training, facts, published_training


class ContractMet:
    """Accepts when every deliverable is proven, no broken constraint unsaid, and every score of the answer measured."""

    def missing(self, records: Sequence[Record]) -> Sequence[str]:
        """Say what the contract still lacks, a sentence each."""
        agreed = facts(records, ContractAgreed)
        if not agreed:
            return ["No contract was agreed: call `contract` first, with the deliverables that the task asks for."]
        undone = [f"Not delivered: {_WHAT[d]}." for d in agreed[-1].deliverables if not _delivered(d, records)]
        kept = broken(records, published_training(records))
        bad = [f"The sentence fixed {one.name} {one.value}, but {one.detail}." for one in kept]
        way = ["Train again, or record a `departure` with the reason."] if bad else []
        return [*undone, *bad, *way, *_misstated(records)]


_WHAT: dict[Deliverable, str] = {
    "answer": "an answer",
    "verified_network": "a network that passed check_network",
    "trained_model": "a training that ended well (train)",
    "evaluation": "the runtime's evaluation of the published, else of the newest training (evaluate)",
    "published_model": "the evaluated model, published (publish)",
}


def _misstated(records: Sequence[Record]) -> list[str]:
    """Name the first number that the last answer gives for a metric and that no score of the runtime has."""
    answers = [r.event.reply.text for r in records if isinstance(r.event, ModelReplied)]
    scored = facts(records, Evaluated)
    known = [s for fact in scored for s in fact.scores] + [s for q in facts(records, Queried) for s in q.scores]
    if not scored or not answers:
        return []
    measured = [n for s in known for n in (s.value, s.baseline)]
    for sentence in sentences_on(answers[-1], [s.metric for s in scored[-1].scores]):
        if "self-reported" in sentence.lower():
            continue
        numbers = (*measured, *bounds_of(sentence, [(s.low, s.high) for s in known]))
        for claim in claims(sentence):
            if not states(claim, numbers):
                shown = "; ".join(f"{s.metric} {s.value:.4f}" for s in scored[-1].scores)
                return [f"Your answer states {claim.words!r}, which the runtime did not measure; it measured {shown}."]
    return []


def _delivered(deliverable: Deliverable, records: Sequence[Record]) -> bool:
    trained = chosen_training(records, published_training(records))
    scored = {f.weights_digest: f for f in facts(records, Evaluated)}
    match deliverable:
        case "answer":
            return True
        case "verified_network":
            return bool(facts(records, NetworkVerified))
        case "trained_model":
            return trained is not None
        case "evaluation":
            return trained is not None and trained.weights_digest in scored
        case "published_model":
            bundles = {f.bundle_digest for f in scored.values()}
            return any(f.bundle_digest in bundles for f in facts(records, Published))
