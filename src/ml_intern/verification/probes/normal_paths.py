"""The noising of normal data, learnt from what a training loop gives its loss, and the best denoiser of it.

Of normal data, what the loss asks for is on average a linear function of the noisy input at each time, whatever the
network is to predict: noise, velocity or the data. So the best network is known without training one.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import StopError, not_applicable
from probes.raw_rows import as_given, columns_of
from torch import nn

_BATCHES = 60
_WIDTH = 0.012
"""Of the window in time over which the path is averaged, as a share of its length."""
_ROWS = 6_000
_FEW = 8.0
"""Rows, counted by their weights, below which nothing is said of a time."""
_OWN = 0.15
"""Share of the variance of a number that the others of its row have not."""
_TIME = re.compile(r"^t$|time|step|sigma|level", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Noisy inputs `x` and answers `y`, both (rows, values), at times `t`, (rows,)."""

    t: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor

    def weights(self, time: float) -> torch.Tensor:
        """Give how much each row counts at a time, (rows, 1)."""
        width = max(_WIDTH * float(self.t.max() - self.t.min()), 1e-9)
        near = torch.exp(-0.5 * ((self.t - time) / width) ** 2)
        return (near / near.sum().clamp(min=1e-12))[:, None] / self.x.shape[1]

    def covers(self, time: float) -> bool:
        """Tell whether training saw enough rows at a time."""
        weight = self.weights(time).sum(1) * self.x.shape[1]
        return bool(weight.sum() > 0.5) and float(1 / weight.square().sum().clamp(min=1e-12)) > _FEW

    def spread(self, time: float) -> tuple[float, float]:
        """Give the deviation of what the values of a row share, and of the rest, at a time."""
        weight = self.weights(time)
        return _deviations(self.x, weight)

    def answer(self, time: float, x: torch.Tensor) -> torch.Tensor:
        """Give the best answer to noisy inputs at a time: a line for what a row shares, another for the rest."""
        weight = self.weights(time)
        answer = torch.zeros_like(x)
        for part in (_shared, _rest):
            seen, asked, given = part(self.x), part(self.y), part(x.flatten(1))
            mean_x, mean_y = (weight * seen).sum(), (weight * asked).sum()
            spread = (weight * (seen - mean_x) ** 2).sum().clamp(min=1e-12)
            slope = (weight * (seen - mean_x) * (asked - mean_y)).sum() / spread
            answer += (mean_y + slope * (given - mean_x)).expand(len(x), x[0].numel()).reshape(x.shape)
        return answer


def _shared(x: torch.Tensor) -> torch.Tensor:
    return x.mean(1, keepdim=True).expand_as(x)


def _rest(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean(1, keepdim=True)


def _deviations(x: torch.Tensor, weight: torch.Tensor) -> tuple[float, float]:
    """Give the deviations of both parts; x: (rows, values), weight: (rows, 1), which sums to 1 over all values."""
    shared, rest = _shared(x), _rest(x)
    mean = (weight * shared).sum()
    return float((weight * (shared - mean) ** 2).sum().sqrt()), float((weight * rest**2).sum().sqrt())


class BestDenoiser(nn.Module):
    """Answers as the best network would; `asked` has the time and the deviations of both parts for each call."""

    def __init__(self, path: Path, noisy: int, time: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.asked: list[tuple[float, float, float]] = []
        self._path, self._noisy, self._time = path, noisy, time

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Answer row by row where the times differ."""
        x, times = inputs[self._noisy], inputs[self._time].float()
        answer = torch.zeros_like(x)
        for time in times.unique().tolist():
            rows = times == time
            answer[rows] = self._path.answer(time, x[rows])
            if bool(rows.all()) and x.numel() >= 100:
                flat = x.flatten(1)
                self.asked.append((time, *_deviations(flat, torch.full((len(x), 1), 1 / flat.numel()))))
        return answer + 0 * self.weight


def places(candidate: Candidate) -> tuple[int, int]:
    """Give the places of noisy input and time.

    Raises:
        StopError: they cannot be told.
    """
    specs, output = candidate.contract.inputs, candidate.contract.outputs
    noisy = [place for place, spec in enumerate(specs) if len(output) == 1 and spec.shape == output[0]]
    times = [place for place, spec in enumerate(specs) if spec.shape == ["B"] and _TIME.search(spec.name or "")]
    if candidate.contract.task != "denoising" or len(noisy) != 1 or len(times) != 1:
        raise StopError(not_applicable("no single noisy input with a time"))
    return noisy[0], times[0]


def scorers(candidate: Candidate) -> Iterator[Callable]:
    """Give `evaluate`, and what else takes a network and a part of the data and nothing more without a default."""
    yield candidate.module.evaluate
    for name, function in vars(candidate.module).items():
        if not inspect.isfunction(function) or name in {"evaluate", "train", "run"} or not candidate.place(function):
            continue
        parameters = list(inspect.signature(function).parameters.values())
        named = [p.name for p in parameters if p.default is p.empty]
        if len(named) == 2 and named[0] in {"model", "net", "network"} and "data" in named[1]:
            yield function


def normal_splits(candidate: Candidate) -> dict:
    """Make the splits of normal numbers with the mean and deviation of the raw ones."""
    generator = torch.Generator().manual_seed(11)
    raw = [
        value.mean() + value.std() * _alike(value.shape, generator) if value.is_floating_point() else value.clone()
        for value in columns_of(candidate.raw)
    ]
    torch.manual_seed(0)
    return candidate.module.make_splits(as_given(candidate.raw, raw))


def _alike(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Draw normal numbers of deviation 1, most of which the numbers of a row share.

    Where all had deviation 1 and shared nothing, many a path would keep it, whatever its coefficients.
    """
    shared = torch.randn(shape[0], *[1] * (len(shape) - 1), generator=generator)
    return (1 - _OWN) ** 0.5 * shared + _OWN**0.5 * torch.randn(shape, generator=generator)


def learn_path(candidate: Candidate, splits: dict, noisy: int, time: int) -> Path:
    """Train on the splits, and keep what the loss was asked.

    Raises:
        StopError: the loss is none of squares, so its best answer is not read from two slopes.
    """
    module, loss, kept = candidate.module, candidate.module.compute_loss, []

    def watch(output: object, batch: Tensors, *others: object, **named: object) -> torch.Tensor:
        kept.append([tensor.detach().clone() for tensor in batch])
        return loss(output, batch, *others, **named)

    module.compute_loss = watch
    try:
        torch.manual_seed(0)
        module.train(candidate.build(), splits, steps=_BATCHES)
    finally:
        module.compute_loss = loss
    columns: list[Tensors] = []
    for batch in kept[:_BATCHES]:
        inputs = candidate.model_inputs(batch)
        answer = _asked(candidate, batch, inputs[noisy])
        columns.append([inputs[time].float(), inputs[noisy].flatten(1), answer.flatten(1)])
    t, x, y = (torch.cat(column)[:_ROWS] for column in zip(*columns, strict=True))
    return Path(t=t, x=x, y=y)


def _asked(candidate: Candidate, batch: Tensors, like: torch.Tensor) -> torch.Tensor:
    """Give the output at which a loss of squares is smallest."""

    def slope(output: torch.Tensor) -> torch.Tensor:
        given = output.clone().requires_grad_()
        return torch.autograd.grad(candidate.loss(given, batch), given)[0]

    at_zero, at_one = slope(torch.zeros_like(like)), slope(torch.ones_like(like))
    best = at_zero / (at_zero - at_one)
    if not bool(best.isfinite().all()) or slope(best).abs().max() > 1e-3 * at_zero.abs().max():
        raise StopError(not_applicable("the loss is no mean of squares"))
    return best
