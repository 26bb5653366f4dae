"""Every trainable parameter gets a finite gradient from the loss, at some weights and on some batch.

Sparse routing, gates of zeros and dropped blocks hide parameters at one set of weights, so several are tried.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, descend, listed
from probes.checks.base import Outcome, check, failed
from probes.locate import assigned_at

_TRIES = 10
_SHOWN = 3


@check(family="gradients", cost="cheap", needs=("forward", "loss"))
def dead_parameters(candidate: Candidate) -> Outcome | None:
    """Collect gradients over several batches and instances until none is missing."""
    reached = gradients(candidate)
    broken = [name for name, slope in reached.items() if slope is not None and not bool(slope.isfinite().all())]
    if broken:
        return failed(
            f"the gradient of {', '.join(broken[:_SHOWN])} is NaN or infinite",
            where=candidate.forward_place,
            advice="look for sqrt, norm, log or a division at 0, also in a branch that torch.where does not choose",
        )
    dead = [name for name, slope in reached.items() if slope is None or (slope.ndim > 1 and not bool(slope.any()))]
    if dead := still_dead(candidate, dead):
        places = [f"{name}{assigned_at(candidate.network, name, candidate.root)}" for name in dead[:_SHOWN]]
        more = f" and {len(dead) - _SHOWN} more" if len(dead) > _SHOWN else ""
        return failed(
            f"no gradient reaches {', '.join(places)}{more}",
            where=candidate.forward_place,
            advice="forward does not use it, or detach, .data, no_grad, argmax or another layer in its place cuts it "
            "off; use it or delete it",
        )
    return None


def gradients(candidate: Candidate) -> dict[str, torch.Tensor | None]:
    """Give the largest absolute gradient of each trainable parameter over a few steps; kept for other checks."""
    if "gradients" not in candidate.notes:
        network = candidate.build().train()
        found: dict[str, torch.Tensor | None] = {n: None for n, p in network.named_parameters() if p.requires_grad}
        for step in range(3):
            descend(network, training_loss(candidate, network, seed=step, batch=16))
            _collect(network, found)
        candidate.notes["gradients"] = found
    return candidate.notes["gradients"]


def _collect(network: torch.nn.Module, found: dict[str, torch.Tensor | None]) -> None:
    for name, parameter in network.named_parameters():
        if parameter.grad is not None and name in found:
            size = parameter.grad.abs()
            found[name] = size if found[name] is None else torch.maximum(found[name], size)


def training_loss(candidate: Candidate, network: torch.nn.Module, *, seed: int, batch: int) -> torch.Tensor:
    """Ask the program's loss, or weigh the outputs at random where there is none."""
    if candidate.has("compute_loss"):
        given = candidate.batch(batch, 11, seed=seed)
        return candidate.loss(network(*candidate.model_inputs(given)), given)
    outputs = listed(network(*candidate.inputs(batch, 11, seed=seed)))
    return sum((output * torch.randn_like(output)).sum() for output in outputs if output.is_floating_point())


def still_dead(candidate: Candidate, dead: list[str]) -> list[str]:
    """Look again at other instances with noise on their weights; give what all of them leave out."""
    for turn in range(_TRIES):
        if not dead:
            break
        network = candidate.build(seed=100 + turn).train(turn % 3 != 2)
        generator = torch.Generator().manual_seed(turn)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
        training_loss(candidate, network, seed=turn, batch=8 if turn < 4 else 32).backward()
        known = dict(network.named_parameters())
        dead = [n for n in dead if known[n].grad is None or (known[n].ndim > 1 and not bool(known[n].grad.any()))]
    return dead
