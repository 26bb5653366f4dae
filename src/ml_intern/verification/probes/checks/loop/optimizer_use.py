"""The loop clears gradients, steps, with every parameter, a sane learning rate and clipping before the step.

Source: PyTorch tutorial "Optimizing model parameters": zero_grad, backward, step, once a batch.
"""

from __future__ import annotations

import math
import statistics

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.recording import Notes, notes_of

_ADAM_MOST, _SGD_MOST = 0.1, 10.0
_SLOWEST = 0.97
"""The first beta of Adam from which on it counts as the second; a one-cycle schedule takes it to 0.95."""


@check(family="loop", cost="dear", needs=("forward", "loss", "run"), crash=True)
def optimizer_use(candidate: Candidate) -> Outcome | None:
    """Run the loop for two dozen steps and look at each."""
    notes = notes_of(candidate)
    problem = _problem(notes) or _rates(notes)
    if problem is None:
        return None
    what, advice = problem
    return failed(what, where=candidate.place(candidate.module.train), advice=advice)


def _problem(notes: Notes) -> tuple[str, str] | None:
    if not notes.losses:
        return "the training loop never calls backward", "loss.backward() for each batch"
    if not notes.steps:
        return "the training loop never steps", "optimizer.step() after loss.backward()"
    if not all(map(math.isfinite, notes.losses)):
        return "the loss becomes NaN or infinite within the first steps", "a smaller learning rate, or clipping"
    if notes.impossible:
        return f"a cross entropy or CTC loss is {notes.impossible:.3g}, and none can be negative", (
            "give it log-probabilities, labels of its range, and the index of the blank that no label has"
        )
    return _left_out(notes) or _order(notes)


def _left_out(notes: Notes) -> tuple[str, str] | None:
    if not notes.left_out:
        return None
    told = ", ".join(notes.left_out[:3])
    return (
        f"{len(notes.left_out)} trainable parameters are not in the optimizer, such as {told}",
        "build the optimizer from network.parameters(), after the network is complete",
    )


def _order(notes: Notes) -> tuple[str, str] | None:
    if notes.stale > 1:
        return "gradients of the step before are still there at backward", "optimizer.zero_grad() once a step"
    if notes.thrown_away > len(notes.losses) / 4:
        return (
            f"the gradients of {notes.thrown_away} of {len(notes.losses)} backward passes are cleared before a step",
            ("optimizer.zero_grad() once a step, outside of the loop that accumulates"),
        )
    if notes.clipped_late:
        return "gradients are clipped after the step", "clip between backward and step"
    if max(notes.updates) < 1e-7:
        return f"weights hardly change: by {max(notes.updates):.1e} a step", (
            "no zero_grad between backward and step; a larger learning rate"
        )
    return None


def _rates(notes: Notes) -> tuple[str, str] | None:
    most = _ADAM_MOST if "adam" in notes.optimizer.lower() else _SGD_MOST
    if max(notes.rates) > most or statistics.median(notes.updates) > 0.3:
        return (
            f"the learning rate {max(notes.rates):g} of {notes.optimizer} moves weights by "
            f"{statistics.median(notes.updates):.0%} a step",
            "0.001 is a usual start for Adam, 0.1 for SGD",
        )
    if notes.betas[0] >= _SLOWEST and notes.betas[0] > notes.betas[1]:
        return (
            f"{notes.optimizer} averages slopes over more steps (beta {notes.betas[0]:g}) than their squares "
            f"({notes.betas[1]:g})",
            "betas=(0.9, 0.999): the first is that of the slope",
        )
    if max(notes.rates) < 1e-7:
        return f"the learning rate is {max(notes.rates):g}", "0.001 is a usual start for Adam, 0.1 for SGD"
    # Schedules that end near zero by design, as a one-cycle does, are there in the last steps only.
    later = min(notes.rates[len(notes.rates) // 3 : -len(notes.rates) // 8], default=notes.rates[-1])
    if notes.rates[0] > 1e3 * max(later, 1e-300):
        return (
            f"the learning rate falls from {notes.rates[0]:g} to {later:g} within {len(notes.rates)} steps",
            "a schedule made for epochs steps once an epoch; or count its length in steps",
        )
    return None
