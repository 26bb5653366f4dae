"""Say on a card how far the training moved the weights, from a fresh network and from the base."""

from __future__ import annotations

from ml_intern.core.facts import Base, Evaluated
from ml_intern.publishing.markdown import inline, table

_SAID = "Compared by the runtime; a relative change is the norm of the difference over that of what it started from:"


def moved(evaluated: Evaluated) -> list[str]:
    """Give the passage, nothing where neither was compared."""
    fresh, base = evaluated.examined.get("relative_change"), evaluated.base
    rows = [] if fresh is None else [("relative change against a fresh network", f"{fresh:.4f}")]
    rows += [] if base is None else _base(base)
    return [f"{_SAID}\n\n{table(('Weights', ''), rows)}"] if rows else []


def _base(base: Base) -> list[tuple[str, str]]:
    return [
        ("base model", inline(base.name)),
        *([("revision of the base", inline(base.revision))] if base.revision else []),
        ("SHA-256 of the base's weights", base.digest),
        ("values that the base has too", f"{base.shared:,} of {base.elements:,}"),
        ("relative change against the base", f"{base.change:.4f}"),
    ]
