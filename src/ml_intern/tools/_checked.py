"""Carry out `check_network`: the forward pass, then every check that needs no training, as one verdict with facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import DatasetPrepared
from ml_intern.core.folds import facts, waivers
from ml_intern.core.gated import Waived
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.tools._unit_tests import with_known_tests
from ml_intern.tools._verified import note_verified
from ml_intern.verification.cheap import check_before_training, claimed
from ml_intern.verification.forward import ForwardRequest, Sample
from ml_intern.verification.registry import entries
from ml_intern.verification.smoke import SMOKE
from ml_intern.verification.source import source_files


def checked_network(context: ToolContext, request: ForwardRequest, claims: Mapping[str, object]) -> Observation:
    """Check `request.file` as it is now; a network that passes is one that may train.

    Raises:
        ToolError: the source or a claim makes no sense.
    """
    contract = claimed(request, claims)
    files = source_files(context.paths.workspace, request.file)
    report, cheap = check_before_training(
        context.sandboxes(),
        run=context.run,
        directory=context.paths.call(context.call_id),
        files=files,
        request=request,
        contract=contract,
        sample=_sample(context),
        waived=waivers(context.records),
        cancelled=context.cancelled,
    )
    if report.fact is None or cheap is None:
        return Observation(text=report.text, ok=False)
    found = (cheap.fact,) if cheap.fact else ()
    if not cheap.passed:
        return Observation(text=f"The forward pass is right.\n{cheap.text}", ok=False, facts=found)
    passed = Observation(text=f"{report.text}\n{cheap.text}", facts=(report.fact, *found))
    tested = with_known_tests(context, files, passed)
    if not tested.ok:
        return replace(tested, facts=found)
    note_verified(context, files, report.fact)
    return tested


def waived(check: str, reason: str) -> Observation:
    """Record that `check` may fail; whoever calls this has a person's yes.

    Raises:
        ToolError: there is no such check, or no reason.
    """
    names = [entry.name for entry in entries()]
    if check not in {*names, SMOKE}:
        raise ToolError(f"no check is called {check!r}; waive one by the name that its failure gives")
    if not reason.strip():
        raise ToolError("say why the check may fail")
    text = f"{check} may fail in this run. Call check_network or train again."
    return Observation(text=text, facts=(Waived(check=check, reason=reason),))


def _sample(context: ToolContext) -> Sample | None:
    """Give real rows to try `predict` on, where data was prepared."""
    prepared = facts(context.records, DatasetPrepared)
    if not prepared:
        return None
    columns = tuple(column.name for column in prepared[-1].inputs)
    return Sample(data=context.paths.visible_data, inputs=columns, classes=prepared[-1].classes, task=prepared[-1].task)
