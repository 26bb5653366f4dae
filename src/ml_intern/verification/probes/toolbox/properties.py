"""Definitions as properties that a test can assert; each raises AssertionError with the measured numbers.

Routing: exactly_top_k, picks_the_largest, gates_sum_to_one, respects_capacity, balances, experts_permute.
Sequences and batches: is_causal, ignores_padding, equivariant, independent_of_batch. Any layer: same_function,
every_parameter_learns.
"""

from __future__ import annotations

import copy

import torch

CLOSE = 1e-4
"""Largest difference, relative to the largest value, that counts as equal in float32."""
FILL = -1e4
"""From here down a value fills a masked place: it is no scale for the others, and two such are equal."""


def exactly_top_k(gates, k):
    """Every token has exactly k gates above zero. gates: (..., experts). Source: arXiv 1701.06538, section 2.1."""
    counts = (gates.detach().reshape(-1, gates.shape[-1]) != 0).sum(-1)
    wrong = (counts != k).nonzero().flatten()
    assert not len(wrong), f"token {int(wrong[0])} has {int(counts[wrong[0]])} gates that are not 0, and not {k}"


def picks_the_largest(gates, logits):
    """No expert left out has a larger logit than one chosen. gates, logits: (..., experts)."""
    chosen = gates.detach().reshape(-1, gates.shape[-1]) != 0
    logits = logits.detach().reshape(chosen.shape)
    least = logits.masked_fill(~chosen, float("inf")).amin(-1)
    most = logits.masked_fill(chosen, float("-inf")).amax(-1)
    wrong = (most > least).nonzero().flatten()
    assert not len(wrong), (
        f"token {int(wrong[0])}: an expert with logit {most[wrong[0]]:.4g} is left out, one with "
        f"{least[wrong[0]]:.4g} is chosen"
    )


def gates_sum_to_one(gates):
    """The gates of every token sum to 1 and none is negative. gates: (..., experts)."""
    sums = gates.detach().sum(-1)
    assert torch.allclose(sums, torch.ones_like(sums), atol=1e-5), (
        f"the gates of a token sum to {sums.min():.4g} to {sums.max():.4g}, and not to 1"
    )
    assert gates.detach().min() >= 0, f"a gate is {gates.min():.4g}"


def respects_capacity(assigned, capacity):
    """No expert gets more tokens than `capacity`. assigned: (tokens, experts), not 0 where a token is sent."""
    loads = (assigned.detach().reshape(-1, assigned.shape[-1]) != 0).sum(0)
    assert loads.max() <= capacity, f"expert {int(loads.argmax())} gets {int(loads.max())} tokens, over {capacity}"


def balances(loss, tokens=64, experts=8, skew=5.0):
    """`loss(logits)` grows when one expert is preferred, and its gradient pushes against that.

    logits: (tokens, experts). Source: arXiv 2101.03961, section 2.2.
    """
    generator = torch.Generator().manual_seed(0)
    even = torch.randn(tokens, experts, generator=generator) * 0.01
    # Every expert is first as often as any other.
    even[torch.arange(tokens), torch.arange(tokens) % experts] += 1.0
    skewed = even.clone()
    skewed[:, 0] += skew
    skewed.requires_grad_()
    high = loss(skewed)
    assert high.requires_grad, "the balance loss has no gradient: a detach cuts it off, or it counts only indices"
    (gradient,) = torch.autograd.grad(high, skewed, allow_unused=True)
    assert gradient is not None, "the balance loss does not depend on the logits"
    assert gradient.abs().max() > 0, "the gradient of the balance loss is zero where one expert gets everything"
    one, alike = float(high.detach()), float(loss(even).detach())
    assert one > alike + 1e-6, f"the balance loss is {one:.4g} for one expert and {alike:.4g} for all alike"
    pull = float(gradient[:, 0].sum())
    assert pull > 0, f"the balance loss pulls towards the crowded expert (gradient {pull:.3g}, must be above 0)"


def experts_permute(layer, x, *, experts="experts", router="router"):
    """Renumbering the experts, and the router's rows with them, changes nothing.

    Args:
        layer: has a ModuleList `experts` and a Linear `router` with a row for each.
        x: its input.
        experts: name of the list.
        router: name of the router.
    """
    other = copy.deepcopy(layer).eval()
    order = list(range(len(getattr(layer, experts))))[::-1]
    old = getattr(other, experts)
    setattr(other, experts, type(old)([old[number] for number in order]))
    linear = getattr(other, router)
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.copy_(parameter[order].clone())
    same_function(copy.deepcopy(layer).eval(), other, x)


def is_causal(function, x, dim=1):
    """The output at a position does not depend on later ones, and does on its own. x and output: positions on `dim`."""
    length = x.shape[dim]
    cut = max(length // 2, 1)
    later = torch.arange(length) >= cut
    before = _first(function(x)).detach()
    after = _first(function(_changed(x, later, dim))).detach()
    moved = _moved(before, after)
    past = moved.narrow(dim, 0, cut).max()
    limit = CLOSE * (1 + _largest(before))
    assert past <= limit, f"changing position {cut} and later moves an earlier output by {past:.3g}"
    assert moved.narrow(dim, cut, length - cut).max() > limit, "the output does not depend on its own position"


def ignores_padding(function, x, mask, dim=1):
    """Outputs at real positions do not depend on what stands in padded ones.

    Args:
        function: called with x alone; close over the mask.
        x: the input.
        mask: (batch, positions), true where real.
        dim: axis of positions.
    """
    other = x.clone().movedim(dim, 1)
    other[~mask] = _changed(other, torch.ones(other.shape[1], dtype=torch.bool), 1)[~mask]
    before, after = _first(function(x)).detach(), _first(function(other.movedim(1, dim))).detach()
    if before.dim() > dim and before.shape[dim] == mask.shape[1]:
        before, after = before.movedim(dim, 1)[mask], after.movedim(dim, 1)[mask]
    _close(before, after, "changing what is padded")


def equivariant(function, x, dim=1):
    """Permuting the input on `dim` permutes the output alike."""
    order = torch.randperm(x.shape[dim], generator=torch.Generator().manual_seed(1))
    straight = _first(function(x)).detach().index_select(dim, order)
    _close(straight, _first(function(x.index_select(dim, order))).detach(), f"permuting axis {dim}")


def independent_of_batch(function, x):
    """A sample's output is the same alone as among others."""
    _close(_first(function(x)).detach()[:1], _first(function(x[:1])).detach(), "taking a sample out of its batch")


def same_function(function, reference, *inputs):
    """Both give the same output on `inputs`."""
    _close(_first(function(*inputs)).detach(), _first(reference(*inputs)).detach(), "the other function")


def every_parameter_learns(module, output):
    """Each parameter of `module` gets a gradient that is not zero from `output` (a loss, or any tensor)."""
    generator = torch.Generator().manual_seed(2)
    loss = output if output.dim() == 0 else (output * torch.randn(output.shape, generator=generator)).sum()
    named = list(module.named_parameters())
    gradients = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    dead = [n for (n, _), g in zip(named, gradients, strict=True) if g is None or not g.abs().max() > 0]
    assert not dead, f"no gradient reaches {', '.join(dead[:6])}"


def _first(output):
    """Give the output, or the first of several."""
    return output[0] if isinstance(output, tuple | list) else output


def _changed(x, where, dim):
    """Give `x` with other values at the positions `where` of axis `dim`."""
    shape = [1] * x.dim()
    shape[dim] = -1
    if x.is_floating_point():
        other = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    else:
        other = x.flip(0, dim) if x.shape[0] > 1 else (x + 1) % (int(x.max()) + 1)
    return torch.where(where.reshape(shape), other.to(x.dtype), x)


def _close(one, other, what):
    assert one.shape == other.shape, f"{what} changes the shape from {tuple(one.shape)} to {tuple(other.shape)}"
    difference, scale = _moved(one, other).max(), _largest(one)
    assert difference <= CLOSE * (1 + scale), f"{what} changes the output by {difference:.3g} (largest {scale:.3g})"


def _moved(one, other):
    """The difference of each value, 0 where both fill a masked place."""
    return (one - other).abs().masked_fill((one <= FILL) & (other <= FILL), 0)


def _largest(values):
    """The largest value that fills no masked place; 0 where there is none."""
    kept = values[values > FILL]
    return kept.abs().max() if kept.numel() else values.new_zeros(())
