"""What a person may overrule with a reason, and how that goes on record: as a departure, on the card."""

from __future__ import annotations

from collections.abc import Iterator

from ml_intern.core.facts import Departed, Evaluated
from ml_intern.core.protocols import ToolContext

CHECK = "check "
"""How the point of such a departure begins."""

OF_DATA = frozenset({"label_in_column", "label_in_text", "parts_overlap"})
"""Checks of `prepare_dataset` that refuse."""

OVERRULED = OF_DATA | {
    "contamination",
    "control",
    "overclaim",
    "known_weights",
    "untrained_weights",
    "ignored_weights",
    "constant_predictions",
}
"""And findings about a model. Weights that are not finite, or all the same, are no model that anybody can allow."""


def overruled(context: ToolContext, evaluated: Evaluated) -> Iterator[Departed]:
    """Give a departure for each finding against this model that the person allows."""
    for finding in evaluated.findings:
        if finding.refuses and finding.name in context.allowed:
            yield Departed(
                point=f"{CHECK}{finding.name}",
                decision=f"allowed by the person: {finding.detail}",
                reason=context.allowed[finding.name],
            )
