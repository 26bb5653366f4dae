"""Check by backward passes that every trainable parameter can learn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import torch
from probes import installed
from probes.locate import assigned_at
from probes.wiring import SHOWN, CandidateError, Subject, add_noise
from torch import nn

_MORE_BATCHES = (4, 4, *[32] * 12)
_SECONDS = 15.0
"""Of processor time after which no further batch looks for gradients."""


def trains_every_parameter(subject: Subject, network: nn.Module, noisy: nn.Module) -> None:
    """Check in training mode that every trainable parameter gets a finite gradient that is not always zero."""
    dead = _without_gradient(network, subject.draw(3, seed=3), training=True)
    _refuse_not_finite(network)
    dead = _still_without(subject, noisy, dead)
    if dead and len(dead) == sum(p.requires_grad for p in network.parameters()):
        raise CandidateError(
            "no gradient reaches any parameter: the output is cut off from them (no_grad, detach, .data, argmax, numpy)"
        )
    if installed.is_installed(network):  # such as a pooler that this task does not use
        dead = {name for name in dead if not installed.owns(network, name)}
    if dead:
        shown = sorted(dead)[:SHOWN]
        where = "; ".join(f"{name}{assigned_at(network, name, subject.root)}" for name in shown)
        more = f" and {len(dead) - SHOWN} more" if len(dead) > SHOWN else ""
        raise CandidateError(
            f"no gradient reaches {where}{more}: forward does not use it, or detach, .data, no_grad, argmax or a "
            "closed ReLU cuts it off. Use it, delete it, or freeze it with requires_grad_(False)"
        )


def _still_without(subject: Subject, noisy: nn.Module, dead: set[str]) -> set[str]:
    """Look again at other weights, modes and wider inputs.

    Gates of zeros hide parameters, stochastic depth drops them in training, sparse routing starves some of them at
    one set of weights: a dead parameter is one that all of these leave out.
    """
    started = time.process_time()
    for turn, batch in enumerate(_MORE_BATCHES):
        if not dead or time.process_time() - started > _SECONDS:
            break
        again = noisy if turn == 0 else subject.fresh(seed=100 + turn)
        if turn > 0:
            add_noise(subject, again, seed=turn)
        inputs = [given * 3 if given.is_floating_point() else given for given in subject.draw(batch, seed=batch)]
        dead = dead & _without_gradient(again, inputs, training=turn % 2 == 1)
    return dead


def _without_gradient(network: nn.Module, inputs: Sequence[torch.Tensor], *, training: bool) -> set[str]:
    """Do one backward pass; name the trainable parameters without a gradient, and the matrices whose gradient is 0."""
    trainable = {name: p for name, p in network.named_parameters() if p.requires_grad}
    if not trainable:
        raise CandidateError("no parameter is trainable: nothing can be learned; define layers, or unfreeze some")
    network.train(training)
    network.zero_grad(set_to_none=True)
    torch.manual_seed(len(inputs[0]))
    # Random weights: a plain sum over softmax outputs is constant.
    loss = sum((output * torch.randn_like(output)).sum() for output in _tensors(network(*inputs)))
    if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
        return set(trainable)
    _refuse_unregistered(loss, network)
    loss.backward()
    gradients = {name: p.grad for name, p in trainable.items()}
    # The gradient of a bias may cancel to exactly 0, that of a matrix does not.
    return {n for n, grad in gradients.items() if grad is None or (grad.ndim > 1 and not bool(grad.any()))}


def _refuse_not_finite(network: nn.Module) -> None:
    broken = [
        name for name, p in network.named_parameters() if p.grad is not None and not bool(p.grad.isfinite().all())
    ]
    if broken:
        raise CandidateError(
            f"the gradient of {', '.join(broken[:SHOWN])} is NaN or infinite: look for sqrt, norm, log or a division "
            "at 0 (add a small eps inside), also in a branch that torch.where does not choose"
        )


def _refuse_unregistered(loss: torch.Tensor, network: nn.Module) -> None:
    """Find trainable tensors that the graph ends in and that the optimizer will never see."""
    known = {id(parameter) for parameter in network.parameters()}
    pending, seen = [loss.grad_fn], set()
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None and id(leaf) not in known:
            raise CandidateError(
                f"a trainable tensor of shape {tuple(leaf.shape)} is used but is not in parameters(): no optimizer "
                "will train it, no file will hold it. Put layers in nn.ModuleList or nn.ModuleDict, not in a list"
            )
        pending += [following for following, _ in node.next_functions]


def _tensors(value: object) -> Iterator[torch.Tensor]:
    """Give every float tensor of what training mode returns."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
