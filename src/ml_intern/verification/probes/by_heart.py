"""Have a network learn one batch by heart, by the program's loss and a plain loop."""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, failed
from probes.losses import is_never_negative
from torch import nn

RATE = 4e-3


def learn(
    candidate: Candidate, network: nn.Module, batch: Tensors, *, steps: int, enough: float, at_least: int = 20
) -> tuple[list[float], Outcome | None]:
    """Take steps of Adam until the loss is `enough` of the first one; `network` is left in training mode.

    Returns:
        The loss of each step, and a finding where a likelihood becomes one that no label can have.
    """
    optimizer = torch.optim.AdamW(network.train().parameters(), lr=RATE, weight_decay=0.0)
    losses: list[float] = []
    for _ in range(steps):
        loss = candidate.loss(network(*candidate.model_inputs(batch)), batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if (finding := impossible(candidate, loss)) is not None:
            return losses, finding
        if len(losses) > at_least and losses[-1] < enough * losses[0]:
            break
    return losses, None


def impossible(candidate: Candidate, loss: torch.Tensor) -> Outcome | None:
    """Say that a likelihood of classes fell below zero, where it did."""
    if loss.item() >= -1e-4 or not is_never_negative(loss):
        return None
    return failed(
        f"the cross entropy or CTC loss of one batch goes to {loss.item():.3g}, and none can be negative",
        where=candidate.place(candidate.module.compute_loss),
        advice="give it log-probabilities, labels of its range, and the index of the blank that no label has",
    )
