"""The noise on a variational code has the deviation that the divergence in the loss is about.

Source: Kingma and Welling, arXiv 1312.6114 §2.4: z = mean + deviation * noise; exp(log variance / 2), not exp of it.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors, listed
from probes.checks.base import Outcome, check, failed, inconclusive, not_applicable, passed
from probes.latent import Code, find_code
from torch import nn

_ROWS, _DRAWS = 6, 400
_WIDE = tuple(4.0**power for power in range(1, 6))
"""Factors of inputs, one of which moves the spread away from 1, where deviation and variance are alike."""
_AWAY = 1.0
"""In logarithms."""
_APART = 0.25
"""In logarithms; 400 draws know a deviation to 4 %."""


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def latent_noise(candidate: Candidate) -> Outcome | None:
    """Draw the code of a few rows many times, and compare its spread with what the loss holds it to."""
    code = find_code(candidate)
    if code is None:
        return not_applicable("the loss holds no code to a normal distribution")
    if any(spec.shape == candidate.contract.outputs[code.mean] for spec in candidate.contract.inputs):
        return not_applicable("the noise may be an input")
    network = _without_other_noise(candidate.build())
    inputs = _telling(candidate, network, code)
    seen: list[torch.Tensor] = []

    def watch(module: nn.Module, given: tuple) -> None:
        seen.extend(value.detach() for value in given if isinstance(value, torch.Tensor))

    for module in network.modules():
        module.register_forward_pre_hook(watch)
    with torch.no_grad():
        outputs = listed(network(*inputs))
    mean, spread = outputs[code.mean], outputs[code.spread]
    where = candidate.forward_place
    if all(_deviation(output).max() < 1e-6 for output in outputs if len(output) == len(mean)):
        return failed(
            "the loss holds a code to a normal distribution, and no noise is added to it in training",
            where=where,
            advice="code = mean + deviation * torch.randn_like(mean)",
        )
    found = [one for one in seen if one.shape == mean.shape and _deviation(one).min() > 1e-6]
    if not found:
        return inconclusive("the code was not found among what layers are given")
    expected = code.deviation(spread)[::_DRAWS]
    apart = (_deviation(found[0]).log() - expected.log()).abs().median().item()
    if apart < _APART:
        return passed(f"the code's {code.form} is that of its noise")
    return failed(
        f"the loss takes output {code.spread} for the {code.form} of the code, and the noise drawn has another "
        f"deviation: {_deviation(found[0]).flatten()[0]:.3g} where it says {expected.flatten()[0]:.3g}",
        where=where,
        advice="the deviation is exp(0.5 * log variance)",
    )


def _telling(candidate: Candidate, network: nn.Module, code: Code) -> Tensors:
    """Give a few rows, each many times, for which the spread of the code is far from 1."""
    inputs: Tensors = []
    for factor in _WIDE:
        rows = [factor * g if g.is_floating_point() else g for g in candidate.inputs(_ROWS, seed=4)]
        inputs = [given.repeat_interleave(_DRAWS, 0) for given in rows]
        with torch.no_grad():
            spread = listed(network(*rows))[code.spread]
        if code.deviation(spread).log().abs().median() > _AWAY:
            break
    return inputs


def _without_other_noise(network: nn.Module) -> nn.Module:
    network.train()
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd | nn.modules.batchnorm._BatchNorm):
            module.eval()
    return network


def _deviation(values: torch.Tensor) -> torch.Tensor:
    """Give the deviation over the draws of each row; values: (rows * draws, …)."""
    return values.reshape(-1, _DRAWS, *values.shape[1:]).std(1)
