"""Run a program's own loop on recorded data and note what it does: steps, modes, splits, rows, losses.

Everything that is replaced to listen is put back, also when the program raises.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from probes import losses
from probes.candidate import Candidate
from torch import nn
from torch.optim import optimizer as optimizers
from torch.utils.data import Dataset

STEPS = 24


class Recorded(Dataset):
    """A part of the data that notes which rows are read."""

    def __init__(self, dataset: Dataset, part: str, log: list[tuple[str, int]]) -> None:
        self._dataset, self._part, self._log = dataset, part, log

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, place: int) -> object:
        self._log.append((self._part, place))
        return self._dataset[place]

    def __getattr__(self, name: str) -> object:
        if name == "tensors":
            self._log.extend((self._part, place) for place in range(len(self._dataset)))
        return getattr(self._dataset, name)


@dataclass(slots=True)
class Notes:
    """What was seen. Lists have an entry a step, or an evaluation."""

    losses: list[float] = field(default_factory=list)
    alive: list[weakref.ref] = field(default_factory=list)
    stale: int = 0
    thrown_away: int = 0
    impossible: float = 0.0
    steps: int = 0
    optimizer: str = ""
    left_out: list[str] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    clipped_late: int = 0
    trained_in_eval: int = 0
    evaluated_in_train: int = 0
    evaluated_with_grad: int = 0
    evaluation_changes: list[str] = field(default_factory=list)
    evaluations: list[tuple[frozenset[str], bool]] = field(default_factory=list)
    read_by_training: list[tuple[str, int]] = field(default_factory=list)
    mismatched: int = 0
    classes: list[tuple[int, int]] = field(default_factory=list)
    is_evaluating: bool = False
    is_training: bool = False
    stepped: bool = False


def notes_of(candidate: Candidate) -> Notes:
    """Run the loop once and keep what was seen; it raises what the program raises."""
    if "loop" not in candidate.notes:
        candidate.notes["loop"] = _run(candidate)
    return candidate.notes["loop"]


def _run(candidate: Candidate) -> Notes:
    notes, log = Notes(), []
    parts = {name: Recorded(dataset, name, log) for name, dataset in candidate.splits.items()}
    network = candidate.build()
    module = candidate.module
    with contextlib.ExitStack() as stack:
        stack.enter_context(_optimizer_watched(network, notes))
        stack.enter_context(_backward_watched(network, notes, log))
        stack.enter_context(_modes_watched(network, notes))
        stack.enter_context(_replaced(module, "evaluate", _evaluate(module.evaluate, notes, log)))
        stack.enter_context(_replaced(module, "train", _train(module.train, notes)))
        stack.enter_context(_replaced(module, "compute_loss", _loss(candidate, notes)))
        torch.manual_seed(0)
        module.run(network, parts, steps=STEPS)
    return notes


@contextlib.contextmanager
def _replaced(owner: object, name: str, value: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextlib.contextmanager
def _optimizer_watched(network: nn.Module, notes: Notes) -> Iterator[None]:
    kept: list[torch.Tensor] = []

    def before(optimizer: torch.optim.Optimizer, args: object, kwargs: object) -> None:
        known = {id(p) for group in optimizer.param_groups for p in group["params"]}
        notes.left_out = [n for n, p in network.named_parameters() if p.requires_grad and id(p) not in known]
        notes.steps, notes.optimizer = notes.steps + 1, type(optimizer).__name__
        notes.rates.append(float(optimizer.param_groups[0]["lr"]))
        kept[:] = [p.detach().clone() for p in network.parameters() if p.requires_grad]

    def after(optimizer: torch.optim.Optimizer, args: object, kwargs: object) -> None:
        now = [p.detach() for p in network.parameters() if p.requires_grad]
        pairs = [(a - b).norm().item() / (b.norm().item() + 1e-12) for a, b in zip(now, kept, strict=False)]
        notes.updates.append(sorted(pairs)[len(pairs) // 2])
        notes.stepped = True

    hooks = [
        optimizers.register_optimizer_step_pre_hook(before),
        optimizers.register_optimizer_step_post_hook(after),
    ]
    clip = torch.nn.utils.clip_grad_norm_

    def clipped(*args: object, **kwargs: object) -> object:
        notes.clipped_late += notes.stepped
        return clip(*args, **kwargs)

    try:
        with _replaced(torch.nn.utils, "clip_grad_norm_", clipped):
            yield
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def _backward_watched(network: nn.Module, notes: Notes, log: list[tuple[str, int]]) -> Iterator[None]:
    backward = torch.Tensor.backward
    versions: list[int] = []

    def watched(tensor: torch.Tensor, *args: object, **kwargs: object) -> object:
        slopes = [p.grad for p in network.parameters() if p.grad is not None]
        holds = any(bool(slope.any()) for slope in slopes)
        notes.stale += notes.stepped and holds
        now = [p._version for p in network.parameters()]
        notes.thrown_away += versions == now and not notes.stepped and not holds
        versions[:] = now
        if float(tensor.detach()) < -1e-4 and losses.is_never_negative(tensor):
            notes.impossible = min(notes.impossible, float(tensor.detach()))
        notes.losses.append(float(tensor.detach()))
        notes.alive.append(weakref.ref(tensor))
        notes.stepped = False
        # what is read after the last backward pass has trained nothing
        notes.read_by_training = list(log)
        return backward(tensor, *args, **kwargs)

    with _replaced(torch.Tensor, "backward", watched):
        yield


@contextlib.contextmanager
def _modes_watched(network: nn.Module, notes: Notes) -> Iterator[None]:
    def before(module: nn.Module, given: object) -> None:
        if notes.is_evaluating:
            notes.evaluated_in_train += module.training
            notes.evaluated_with_grad += torch.is_grad_enabled()
        elif not module.training and torch.is_grad_enabled():
            notes.trained_in_eval += 1

    hook = network.register_forward_pre_hook(before)
    try:
        yield
    finally:
        hook.remove()


def _evaluate(function: object, notes: Notes, log: list) -> object:
    def evaluate(model: nn.Module, dataset: object, *args: object, **kwargs: object) -> object:
        start = len(log)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        notes.is_evaluating = True
        try:
            return function(model, dataset, *args, **kwargs)
        finally:
            notes.is_evaluating = False
            changed = [n for n, v in model.state_dict().items() if not torch.equal(before[n], v)]
            notes.evaluation_changes = notes.evaluation_changes or changed
            notes.evaluations.append((frozenset(part for part, _ in log[start:]), notes.is_training))
            del log[start:]

    return evaluate


def _train(function: object, notes: Notes) -> object:
    def train(*args: object, **kwargs: object) -> object:
        notes.is_training = True
        try:
            return function(*args, **kwargs)
        finally:
            notes.is_training = False

    return train


def _loss(candidate: Candidate, notes: Notes) -> object:
    function = candidate.module.compute_loss
    known = {}
    for dataset in candidate.splits.values():
        for place in range(len(dataset)):
            row = dataset[place]
            if len(row) > 1:
                known.setdefault(_keys(row[:-1]), set()).add(_key(row[-1]))
    # a label that no row has is made by the loop: dropped, smoothed or mixed
    labels = set().union(*known.values())

    def compute_loss(output: object, batch: object, *others: object, **named: object) -> object:
        if not notes.is_evaluating and isinstance(batch, tuple | list) and len(batch) > 1:
            for *row, label in zip(*(column for column in batch if isinstance(column, torch.Tensor)), strict=False):
                found = known.get(_keys(row))
                notes.mismatched += found is not None and _is_of_another(label, found, labels)
            if candidate.contract.task == "classification":
                notes.classes.append((len(batch[-1].unique()), len(batch[-1])))
        return function(output, batch, *others, **named)

    return compute_loss


def _is_of_another(label: torch.Tensor, own: set[bytes], known: set[bytes]) -> bool:
    """Tell whether a row's label is that of another row, or its own rearranged: a mask turned without its picture."""
    values = _key(label.flatten().sort().values)
    rearranged = any(
        values == _key(torch.frombuffer(bytearray(one), dtype=label.dtype).sort().values) for one in own if one
    )
    return _key(label) not in own and (_key(label) in known or rearranged)


def _keys(row: Iterable[object]) -> bytes:
    """Give what tells a row from others: all of it, for short discrete inputs are alike in one tensor or another."""
    return b"".join(_key(torch.as_tensor(value)) for value in row)


def _key(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().numpy().tobytes()
