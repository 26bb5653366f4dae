"""Training runs in training mode, evaluation in evaluation mode, without a graph and without changing the network.

Source: PyTorch documentation, "Locally disabling gradient computation", "Evaluation mode".
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.recording import STEPS, notes_of


@check(family="loop", cost="dear", needs=("forward", "loss", "run"))
def modes(candidate: Candidate) -> Outcome | None:
    """Look at the mode of the network at each call, and at what stays behind."""
    notes = notes_of(candidate)
    train, evaluate = (candidate.place(getattr(candidate.module, name)) for name in ("train", "evaluate"))
    if notes.trained_in_eval:
        return failed(
            f"{notes.trained_in_eval} training steps run in evaluation mode",
            where=train,
            advice="model.train() at the start, and again after each evaluation in the loop",
        )
    if notes.evaluated_in_train:
        return failed("evaluation runs in training mode", where=evaluate, advice="model.eval() at its start")
    if notes.evaluation_changes:
        return failed(
            f"evaluation changes {', '.join(notes.evaluation_changes[:3])}", where=evaluate, advice="model.eval()"
        )
    if notes.evaluated_with_grad:
        return failed(
            "evaluation builds the graph for a backward pass that never comes",
            where=evaluate,
            advice="@torch.no_grad() above evaluate",
        )
    alive = notes.kept_alive
    if alive > max(3, len(notes.alive) // 2) and len(notes.alive) >= STEPS // 2:
        return failed(
            f"{alive} losses of earlier steps are kept with their graphs: memory grows with each step",
            where=train,
            advice="keep loss.item(), not loss",
        )
    return None
