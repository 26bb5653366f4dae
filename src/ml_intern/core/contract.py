"""What the contract fixed, what departs from it, and what of it is still broken: asked by tools, loop and surfaces."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ml_intern.core.events import Record
from ml_intern.core.facts import Constraint, ContractAgreed, ContractChecked, Departed, Kept
from ml_intern.core.folds import chosen_training, facts

_SAME = {
    "layer": "depth",
    "layers": "depth",
    "block": "depth",
    "blocks": "depth",
    "dim": "width",
    "dataset": "data",
    "optimiser": "optimizer",
}
_EMPTY = frozenset({"of", "the", "a", "number", "size", "set", "for", "and", "to", "network", "training"})


def concerns(point: str, constraint: Constraint | Kept) -> bool:
    """Whether a departure's `point` is about what a constraint fixes: they share a word that says what it is."""
    return named_alike(point, constraint.name)


def named_alike(point: str, name: str) -> bool:
    """Whether two names mean one point: they are equal, or share a word that says what it is."""
    return point.strip().lower() == name.strip().lower() or bool(_words(name) & _words(point))


def fixed_by(records: Sequence[Record], point: str) -> Constraint | None:
    """Give the constraint of the contract that a departure on `point` would break."""
    agreed = facts(records, ContractAgreed)
    return next((c for c in agreed[-1].constraints if concerns(point, c)), None) if agreed else None


def broken(records: Sequence[Record], training: str = "") -> list[Kept]:
    """Give what a training (its call; default the newest) breaks, as far as it was checked, without a departure."""
    trained = chosen_training(records, training)
    checked = [c for c in facts(records, ContractChecked) if trained and c.train_call_id == trained.call_id]
    said = facts(records, Departed)
    found = [one for one in checked[-1].checks if one.verdict == "broken"] if checked else []
    return [one for one in found if not any(concerns(d.point, one) for d in said)]


def _words(text: str) -> set[str]:
    words: list[str] = re.findall(r"[a-z]+", text.lower())
    singular = [word.rstrip("s") if len(word) > 3 else word for word in words]
    return {_SAME.get(word, word) for word in singular} - _EMPTY
