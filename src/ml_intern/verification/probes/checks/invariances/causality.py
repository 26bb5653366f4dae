"""What comes later along a causal axis changes nothing that stands earlier, and each position sees itself.

Source: Vaswani et al., arXiv 1706.03762 §3.2.3; van den Oord et al., arXiv 1609.03499 §2.1.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from probes.candidate import Candidate, Tensors, close
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.drawing import changed

_LENGTH = 9
_ADVICE = (
    "mask the upper triangle with -inf before the softmax (tril without diagonal=1, is_causal=True); pad convolutions "
    "on the left only; no norm, mean or backward recurrence along time"
)


@check(family="invariances", cost="cheap", needs=("forward",))
def causality(candidate: Candidate) -> Outcome | None:
    """Change everything from a position on, and the first position alone."""
    axes = candidate.contract.causal
    if not axes:
        return not_applicable("the contract says nothing of causality")
    found = [outcome for axis in axes if (outcome := _along(candidate, axis, strict=axis is axes[0])) is not None]
    return found[0] if found else None


def _along(candidate: Candidate, axis: SimpleNamespace, *, strict: bool) -> Outcome | None:
    before = candidate.inputs(2, _LENGTH, seed=1)
    output = candidate.run(candidate.warm, before)[0]
    if _is_pooled(candidate, before, output, axis):
        return _inside(candidate, before, axis)
    length = min(before[axis.input].shape[axis.in_dim], output.shape[axis.out_dim])
    if length < 3:
        return not_applicable("the causal axis has fewer than three positions")
    for start in (length - 1, length // 2, 1):
        moved = candidate.run(candidate.warm, _changed_from(candidate, before, axis, start))[0]
        earlier, now = (o.narrow(axis.out_dim, 0, start) for o in (output, moved))
        if not close(now, earlier, 1e-5):
            return failed(
                f"changing input {axis.input} from position {start} on changes the outputs before it",
                where=candidate.forward_place,
                advice=_ADVICE,
            )
        same = torch.equal(output.narrow(axis.out_dim, start, 1), moved.narrow(axis.out_dim, start, 1))
        if strict and output.shape[axis.out_dim] == before[axis.input].shape[axis.in_dim] and same:
            return failed(
                f"the output at position {start} does not depend on the input at position {start} and later",
                where=candidate.forward_place,
                advice="the mask or shift hides one position too many",
            )
    return _context(candidate, before, output, axis) if strict else None


def _is_pooled(candidate: Candidate, before: Tensors, output: torch.Tensor, axis: SimpleNamespace) -> bool:
    """Whether each sample gets one vector, such as its classes, so that the output has no positions."""
    is_vector = output.dim() == 2 and axis.out_dim == 1
    differs = output.shape[-1] != before[axis.input].shape[axis.in_dim]
    return is_vector and (differs or candidate.contract.task == "classification")


def _inside(candidate: Candidate, before: Tensors, axis: SimpleNamespace) -> Outcome | None:
    """Judge the layers that have the positions, in the order of their calls."""
    length = before[axis.input].shape[axis.in_dim]
    start = length // 2
    states = _states(candidate, before, axis)
    moved = dict(_states(candidate, _changed_from(candidate, before, axis, start), axis))
    if length < 3 or not states:
        return not_applicable("neither the output nor a layer has the causal axis")
    for name, state in states:
        earlier, now = (s.narrow(axis.in_dim, 0, start) for s in (state, moved[name]))
        if not close(now, earlier, 1e-5):
            return failed(
                f"changing input {axis.input} from position {start} on changes what {name} gives before it",
                where=_place(candidate, name),
                advice=_ADVICE,
            )
    return None


def _place(candidate: Candidate, name: str) -> str:
    """Say where the layer `name`, or the nearest around it that is the candidate's own, computes."""
    parts = name.split(".")
    around = [candidate.warm.get_submodule(".".join(parts[:count])) for count in range(len(parts), 0, -1)]
    places = (candidate.place(type(layer).forward) for layer in around)
    return next(filter(None, places), candidate.forward_place)


def _states(candidate: Candidate, inputs: Tensors, axis: SimpleNamespace) -> list[tuple[str, torch.Tensor]]:
    """Give what layers gave at their last calls, (batch, ..., positions, ..., width), by the layer's name."""
    dim = axis.in_dim
    length = inputs[axis.input].shape[dim]
    found = {}

    def note(name):
        def noted(layer, args, output):
            if isinstance(output, torch.Tensor) and output.dim() > dim + 1 and output.shape[dim] == length:
                found[name] = output.clone()

        return noted

    hooks = [m.register_forward_hook(note(name)) for name, m in candidate.warm.named_modules() if name]
    try:
        candidate.run(candidate.warm, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return list(found.items())


def _context(candidate: Candidate, before: Tensors, output: torch.Tensor, axis: SimpleNamespace) -> Outcome | None:
    """A language model's last output must see the first token."""
    if candidate.contract.task != "lm":
        return None
    after = _changed_from(candidate, before, axis, 0)
    keep = [given.clone() for given in before]
    keep[axis.input].narrow(axis.in_dim, 0, 1).copy_(after[axis.input].narrow(axis.in_dim, 0, 1))
    moved = candidate.run(candidate.warm, keep)[0]
    if torch.equal(output.narrow(axis.out_dim, -1, 1), moved.narrow(axis.out_dim, -1, 1)):
        return failed(
            "the last output does not depend on the first token: there is no context",
            where=candidate.forward_place,
            advice="check the direction of the mask, and that attention or state reaches the next block",
        )
    return None


def _changed_from(candidate: Candidate, before: Tensors, axis: SimpleNamespace, start: int) -> Tensors:
    after = [given.clone() for given in before]
    later = after[axis.input].narrow(axis.in_dim, start, after[axis.input].shape[axis.in_dim] - start)
    later.copy_(changed(candidate.contract.inputs[axis.input], later.clone(), torch.Generator().manual_seed(5)))
    return after
