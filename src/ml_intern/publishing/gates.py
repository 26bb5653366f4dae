"""What stood before a training, for the card: what the network was held to, how each check ended, what was waived."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from ml_intern.core.events import Record
from ml_intern.core.facts import Trained
from ml_intern.core.folds import facts, waivers
from ml_intern.core.gated import NetworkChecked, SmokeRun
from ml_intern.publishing.markdown import bullets, inline, table

_LEFT_OUT = ("inputs", "outputs", "name", "batch", "target", "unknown")
"""Entries of a contract that the card says elsewhere, or that say nothing of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """The last checks of the source that was trained, the smoke run of its script, and every waiver of the run.

    `smoke` and `checked` are None in runs of older versions, and where a smoke run was waived.
    """

    checked: NetworkChecked | None = None
    smoke: SmokeRun | None = None
    waived: Mapping[str, str] = field(default_factory=dict[str, str])


def gates_of(records: Sequence[Record], trained: Trained) -> Gates:
    """Find what belongs to one training."""
    checked = [f for f in facts(records, NetworkChecked) if f.source_digest == trained.source_digest and not f.failed]
    smoked = [f for f in facts(records, SmokeRun) if f.script_digest == trained.script_digest and not f.problem]
    return Gates(
        checked=checked[-1] if checked else None, smoke=smoked[-1] if smoked else None, waived=waivers(records)
    )


def verified(gates: Gates) -> tuple[str, ...]:
    """Write the paragraphs; none where nothing of it is on record."""
    rows = [*_checks(gates.checked)] if gates.checked else []
    if gates.smoke:
        end = "to its end" if gates.smoke.reached_end else "and was then ended"
        rows.append(("Smoke run of the script", f"{gates.smoke.steps} steps {end}"))
    told = (f"Before the training the runtime checked:\n\n{table(('Check', ''), rows)}",) if rows else ()
    waived = bullets(f"**{inline(name)}** may fail: {inline(why)}" for name, why in gates.waived.items())
    return (*told, f"Waived in this run:\n\n{waived}") if waived else told


def _checks(checked: NetworkChecked) -> Iterator[tuple[str, str]]:
    claims = "; ".join(f"{name} {value}" for name, value in _claims(checked.contract))
    named: Mapping[str, Sequence[str]] = {
        "Passed": checked.passed,
        "Failed and waived": tuple(checked.waived),
        "Not applicable": checked.not_applicable,
        "Without a verdict": checked.inconclusive,
        "Claims that no check measures": checked.unmeasured,
    }
    yield "Held to", inline(claims or "the declared shapes")
    yield from ((what, inline(", ".join(names))) for what, names in named.items() if names)


def _claims(contract: str) -> Iterator[tuple[str, str]]:
    """Give what the network claims beyond its shapes, as it stands in the contract."""
    whole = cast("dict[str, object]", json.loads(contract))
    measured = cast("dict[str, object]", whole.pop("claims", {}))
    for name, value in {**whole, **measured}.items():
        if name not in _LEFT_OUT and value not in (None, False, [], {}, ""):
            yield name, "yes" if value is True or name == "causal" else str(value)
