"""Stand-ins for a network: they know the rows of the validation part and give answers that were prepared for them.

The answers are neither right nor wrong throughout: classes are told with unequal confidence, the last rows are worse
than the first, errors are of several shapes. So two metrics of them differ, and so does a mean of batches.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from types import SimpleNamespace

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import StopError, not_applicable
from probes.oracle import CLASS_ORACLES
from probes.references import Scored
from torch import nn

COUNT = 3
"""How many are made for a program."""
_LARGEST = 5_000_000
"""Numbers that may be prepared."""
_STRENGTHS = ((0.4, 2.6), (0.2, 1.6), (2.4, 0.6))
"""How much the first and the last class stand out of noise of deviation 1, for each stand-in."""
_BIASES = (0.4, -0.5, 0.25)
"""Of the logit, where there are two classes."""
_NOISES = (1.6, 2.2, 3.0)
"""By how much the second of a pair differs from the first."""
_WRITTEN = ("lm", "mlm", "seq2seq")
"""Tasks whose classes are tokens, padding among them."""


class StandIn(nn.Module):
    """Looks rows up by their inputs; `asked` are the rows of each call."""

    def __init__(self, keys: Sequence[bytes], outputs: Tensors) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.asked: list[list[int]] = []
        self._outputs = outputs
        self._count = len(keys)
        places = defaultdict(list)
        for place, key in enumerate(keys):
            places[key].append(place)
        self._places = {key: cycle(found) for key, found in places.items()}

    @property
    def has_told_all(self) -> bool:
        """Whether every row was asked."""
        return len({row for rows in self.asked for row in rows}) == self._count

    def forward(self, *inputs: object, **named: object) -> object:
        """Give the prepared rows; those that are equal take turns."""
        keys = keys_of([value for value in (*inputs, *named.values()) if isinstance(value, torch.Tensor)])
        if any(key not in self._places for key in keys):
            raise StopError(not_applicable("evaluate asks the network for other inputs than those of the rows"))
        rows = [next(self._places[key]) for key in keys]
        self.asked.append(rows)
        given = tuple((made[rows] if made.ndim else made.clone()) + 0 * self.weight.sum() for made in self._outputs)
        return given[0] if len(given) == 1 else given


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A stand-in and what it gives: `views` of scores of classes, or `out` beside `target`, or a `pair` of vectors.

    Several views are as many answers to which positions count, and whether padding is a class; the first is the most
    usual.
    """

    network: StandIn
    views: tuple[Scored, ...] = ()
    out: torch.Tensor | None = None
    target: torch.Tensor | None = None
    pair: tuple[torch.Tensor, torch.Tensor] | None = None

    def of_rows(self, places: Sequence[int]) -> Prepared:
        """Take some of the rows."""
        return replace(
            self,
            views=tuple(view.rows(places) for view in self.views),
            out=None if self.out is None else self.out[places],
            target=None if self.target is None else self.target[places],
            pair=None if self.pair is None else (self.pair[0][places], self.pair[1][places]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Classes:
    """Labels of the rows, the label that counts not, and whether classes lie along axis 1 of the output."""

    labels: torch.Tensor
    ignored: int | None
    first: bool = False
    binary: bool = False


def prepare(candidate: Candidate) -> list[Prepared]:
    """Make the stand-ins.

    Raises:
        StopError: the contract does not say how outputs and targets belong together.
    """
    rows = candidate.rows("val")
    classes = _classes(candidate, rows)
    are_numbers = candidate.contract.oracle == "regression" and candidate.is_single
    if classes is None and not are_numbers and not _are_pairs(candidate):
        raise StopError(not_applicable("the contract does not say how outputs and targets belong together"))
    keys = keys_of([given for given in candidate.model_inputs(rows) if isinstance(given, torch.Tensor)])
    if classes is not None:
        return [_of_classes(candidate, rows, keys, classes, number) for number in range(COUNT)]
    if are_numbers:
        return [_of_numbers(candidate, keys, rows[-1], number) for number in range(COUNT)]
    return [_of_pairs(candidate, keys, number) for number in range(COUNT)]


def keys_of(inputs: Sequence[torch.Tensor]) -> list[bytes]:
    """Give what tells each row from others: all of its inputs.

    Raises:
        StopError: an input has not one row a sample.
    """
    if not inputs or any(given.ndim == 0 or len(given) != len(inputs[0]) for given in inputs):
        raise StopError(not_applicable("not every input of the network has one row a sample"))
    arrays = [given.detach().contiguous().numpy() for given in inputs]
    return [b"".join(array[row].tobytes() for array in arrays) for row in range(len(inputs[0]))]


def _classes(candidate: Candidate, rows: Tensors) -> _Classes | None:
    """Find the labels of classes, by the oracle that the contract names or by shapes that leave no doubt."""
    contract = candidate.contract
    ignored = contract.target.ignore if contract.target else None
    if contract.oracle == "binary_logit" and candidate.is_single:
        return _Classes(labels=rows[-1], ignored=None, binary=True)
    if not contract.classes:
        return None
    if contract.oracle in CLASS_ORACLES and candidate.is_single:
        if contract.oracle == "next_token":
            return _Classes(labels=rows[0][:, 1:], ignored=ignored)
        return _Classes(labels=rows[-1], ignored=ignored, first=contract.oracle == "onehot")
    if contract.oracle is None and contract.task in (*_WRITTEN, "tagging"):
        return _tokens(contract, rows)
    return None


def _tokens(contract: SimpleNamespace, rows: Tensors) -> _Classes | None:
    output, specs = contract.outputs[0], contract.batch
    if len(output) != 3 or output[-1] != contract.classes or not specs or specs[-1].dtype != "int64":
        return None
    if len(specs) > 1 and specs[-1].shape == output[:-1]:
        return _Classes(labels=rows[-1], ignored=specs[-1].ignore)
    if len(specs) == 1 and specs[0].shape == [output[0], f"{output[1]}+1"] and contract.inputs[0].shape == output[:-1]:
        return _Classes(labels=rows[0][:, 1:], ignored=None)
    return None


def _of_classes(candidate: Candidate, rows: Tensors, keys: list[bytes], given: _Classes, number: int) -> Prepared:
    count = 2 if given.binary else candidate.contract.classes
    truth = given.labels.reshape(len(given.labels), -1).long()
    if truth.numel() * count > _LARGEST:
        raise StopError(not_applicable("the validation part is too large to prepare all outputs"))
    counted = (truth >= 0) & (truth < count)
    if given.ignored is not None:
        counted &= truth != given.ignored
    scores = _same_for_equal(_scores(truth.masked_fill(~counted, 0), count, number), keys)
    if given.binary:
        scores = torch.stack([torch.zeros_like(scores[..., 0]), scores[..., 1] - scores[..., 0]], -1)
        output = scores[..., 1].reshape(_binary_shape(candidate, given.labels))
    else:
        output = scores.reshape(*given.labels.shape, count)
        output = output.movedim(-1, 1).contiguous() if given.first else output
    scored = Scored(scores=scores.double(), truth=truth, counted=counted)
    network = StandIn(keys, [output, *_others(candidate, 1, len(keys), fill=0.0)])
    return Prepared(network=network, views=tuple(_views(candidate, rows, scored, given.ignored)))


def _scores(truth: torch.Tensor, classes: int, number: int) -> torch.Tensor:
    """Raise the right class out of noise: (rows, positions, classes); the last fifth of stand-in 1 is lowered."""
    generator = torch.Generator().manual_seed(100 + number)
    scores = torch.randn(*truth.shape, classes, generator=generator)
    unit = max(1.0, math.sqrt(2 * math.log(classes)) / 1.5)
    strength = unit * torch.linspace(*_STRENGTHS[number], classes)[truth]
    raised = truth
    if number == 1:
        strength[len(truth) - len(truth) // 5 :] *= -1
    if number == 2:
        mistaken = torch.rand(truth.shape, generator=generator) < 0.3
        raised = torch.where(mistaken, (truth + 1) % classes, truth)
    scores = scores.scatter_add(-1, raised[..., None], strength[..., None])
    if classes == 2:
        scores[..., 1] += _BIASES[number]
    return scores


def _same_for_equal(made: torch.Tensor, keys: list[bytes]) -> torch.Tensor:
    """Give rows with equal inputs the same output, as a network must."""
    first: dict[bytes, int] = {}
    return made[[first.setdefault(key, row) for row, key in enumerate(keys)]]


def _views(candidate: Candidate, rows: Tensors, scored: Scored, ignored: int | None) -> list[Scored]:
    contract, views = candidate.contract, [scored]
    pad = contract.pad_id if contract.task in _WRITTEN else None
    if ignored is None:
        if pad is not None:
            views.append(replace(scored, counted=scored.counted & (scored.truth != pad)))
        views += [replace(scored, counted=scored.counted & mask) for mask in _masks(candidate, rows, scored)]
    if pad is not None and pad < scored.classes and scored.classes > 2:
        without = scored.scores.clone()
        without[..., pad] = -torch.inf
        views += [replace(view, scores=without, counted=view.counted & (view.truth != pad)) for view in tuple(views)]
    return [view for view in views if bool(view.counted.any())]


def _masks(candidate: Candidate, rows: Tensors, scored: Scored) -> Tensors:
    """Give the padding masks among the inputs that have one value a position."""
    given = zip(candidate.contract.inputs, candidate.model_inputs(rows), strict=False)
    masks = [mask.reshape(len(mask), -1).bool() for spec, mask in given if spec.role == "padding_mask"]
    return [mask for mask in masks if mask.shape == scored.truth.shape]


def _binary_shape(candidate: Candidate, labels: torch.Tensor) -> tuple[int, ...]:
    declared = tuple(candidate.output_shapes(len(labels))[0])
    return declared if math.prod(declared) == labels.numel() else tuple(labels.shape)


def _others(candidate: Candidate, start: int, count: int, fill: float) -> Tensors:
    """Fill the outputs from number `start` on with one number."""
    return [torch.full(shape, fill) for shape in candidate.output_shapes(count)[start:]]


def _of_numbers(candidate: Candidate, keys: list[bytes], target: torch.Tensor, number: int) -> Prepared:
    if target.numel() > _LARGEST or not target.is_floating_point():
        raise StopError(not_applicable("the targets are too many, or no numbers"))
    unit = float(target.std()) or 1.0
    out = _same_for_equal(target + unit * _errors(target, number), keys)
    network = StandIn(keys, [out])
    return Prepared(network=network, out=out.double(), target=target.double())


def _errors(target: torch.Tensor, number: int) -> torch.Tensor:
    """Make errors in units of the target: normal and growing, few and large at the end, or nearly constant."""
    generator = torch.Generator().manual_seed(200 + number)
    noise = torch.randn(target.shape, generator=generator)
    rows = torch.linspace(0, 1, len(target)).reshape(-1, *[1] * (target.ndim - 1))
    if number == 0:
        return (0.2 + 0.8 * rows) * noise
    if number == 1:
        return torch.where(rows > 0.8, 3.0, 0.05) * noise
    return 0.8 + 0.1 * noise


def _are_pairs(candidate: Candidate) -> bool:
    outputs = candidate.contract.outputs
    if candidate.contract.task != "contrastive" or len(outputs) < 2:
        return False
    return outputs[0] == outputs[1] and len(outputs[0]) == 2 and isinstance(outputs[0][1], int)


def _of_pairs(candidate: Candidate, keys: list[bytes], number: int) -> Prepared:
    if len(set(keys)) < len(keys):
        raise StopError(not_applicable("rows of the validation part repeat"))
    generator = torch.Generator().manual_seed(300 + number)
    shape = (len(keys), candidate.contract.outputs[0][1])
    one = nn.functional.normalize(torch.randn(shape, generator=generator), dim=-1)
    other = one + _NOISES[number] * nn.functional.normalize(torch.randn(shape, generator=generator), dim=-1)
    other = nn.functional.normalize(other, dim=-1)
    network = StandIn(keys, [one, other, *_others(candidate, 2, len(keys), fill=1.0)])
    return Prepared(network=network, pair=(one.double(), other.double()))
