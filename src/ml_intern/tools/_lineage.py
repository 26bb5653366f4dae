"""Where weights come from: whose bytes they share, and which known checkpoint they were tuned from, and how far."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ml_intern.config import Settings
from ml_intern.core.errors import SandboxError
from ml_intern.core.facts import Base, Finding, Trained
from ml_intern.core.protocols import ToolContext
from ml_intern.evaluation.moved import Pairing, relative_changes
from ml_intern.publishing import bundle as bundles
from ml_intern.publishing.lineage import alike, compare, hub_cache, known

SAME = 1e-6
"""Relative change below which weights are those of the base, rounded otherwise."""
NO_FRESH = 0.5
"""What counts as near where no fresh network could be compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What was found out about the origin of weights."""

    findings: tuple[Finding, ...] = ()
    base: Base | None = None

    def text(self, fresh: float | None) -> str:
        """Say it for the language model; `fresh` is the relative change against a fresh network."""
        if self.base is None:
            return ""
        against = "" if fresh is None else f"; from a fresh network they differ by {fresh:.4g}"
        return (
            f"\nTuned from {self.base.name}: over {self.base.shared:,} of {self.base.elements:,} values the weights "
            f"differ from it by {self.base.change:.4g} of its norm{against}. The card says so."
        )


def lineage(context: ToolContext, trained: Trained, fresh: float | None) -> Lineage:
    """Compare the bundle's weights with those that this machine knows.

    Args:
        context: of the call that evaluates.
        trained: the training that the weights come from.
        fresh: the relative change against a fresh network, which a base must be nearer than.
    """
    settings = Settings.load(os.environ, home=context.home)
    checkpoints = known(settings.local_hub, hub_cache(os.environ))
    weights = context.paths.bundle / bundles.WEIGHTS
    shared = compare(weights, trained, checkpoints)
    by = (trained.script_digest, trained.dataset_digest)  # what it makes again is no base of its own
    likely = alike(weights, [one for one in checkpoints if one.made_by != by])
    if not likely:
        return Lineage(findings=shared)
    try:
        changes = relative_changes(
            context.sandboxes(),
            run=context.run,
            directory=context.paths.call(context.call_id) / "moved",
            weights=weights,
            others=[Pairing(file=one.checkpoint.file, pairs=one.pairs) for one in likely],
            cancelled=context.cancelled,
        )
    except SandboxError as error:
        untold = Finding(name="base_unchecked", detail=f"No base was looked for: {error}", refuses=False)
        return Lineage(findings=(*shared, untold))
    change, nearest = min(zip(changes, likely, strict=True), key=lambda pair: pair[0])
    if change >= (NO_FRESH if fresh is None else fresh):
        return Lineage(findings=shared)
    one = nearest.checkpoint
    base = Base(
        name=one.name,
        revision=one.revision,
        digest=bundles.file_digest(one.file),
        change=change,
        shared=nearest.shared,
        elements=nearest.elements,
    )
    if shared or change > SAME or nearest.shared < nearest.elements:
        return Lineage(findings=shared, base=base)
    return Lineage(findings=(_unchanged(one.title, change),), base=base)


def _unchanged(name: str, change: float) -> Finding:
    detail = (
        f"the weights differ from those of {name} by {change:.2g} of their norm alone: this is another's model. "
        "Publish weights that this run has trained."
    )
    return Finding(name="known_weights", detail=detail, refuses=True)
