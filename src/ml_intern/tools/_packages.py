"""Install packages for a run, and say what it has now."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ml_intern.config import Settings
from ml_intern.core.facts import Package, PackagesInstalled
from ml_intern.core.folds import facts
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.sandboxes import layers


def install_packages(context: ToolContext, packages: Sequence[str]) -> Observation:
    """Resolve, download and unpack what is asked, besides what the run installed before."""
    known = facts(context.records, PackagesInstalled)
    order = layers.Order(
        asked=tuple(packages),
        run=context.run,
        call_id=context.call_id,
        paths=context.paths,
        known=known[-1] if known else None,
        index_url=Settings.load(os.environ).package_index,
    )
    fact = layers.install(context.sandboxes(), order, cancelled=context.cancelled)
    had: tuple[Package, ...] = known[-1].packages if known else ()
    new = ", ".join(f"{p.name} {p.version}" for p in fact.packages if p not in had)
    text = f"Installed {new or 'nothing new'}. A new session has it; variables are gone."
    return Observation(text=text, facts=(fact,))
