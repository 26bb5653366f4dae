"""Run a program's own loop on recorded data and note what it does: steps, modes, splits, rows, losses.

Everything that is replaced to listen is put back, also when the program raises.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from probes import losses
from probes.candidate import Candidate
from probes.habits import decay_in_slope, lengths, schedules_watched, total
from probes.locate import line_in
from probes.watched_loss import watched_loss
from torch import nn
from torch.optim import optimizer as optimizers
from torch.overrides import TorchFunctionMode
from torch.utils.data import Dataset

STEPS = 24
_DIFFERENT = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
"""Layers that do something else in evaluation."""
_KEPT, _NUMBERS = 8, 20_000
"""Batches, and numbers of each, that are kept of what a network is given."""


class Recorded(Dataset):
    """A part of the data that notes which rows are read.

    A loop that scores another part by itself, which it does without gradients, does not train on it.
    """

    def __init__(self, dataset: Dataset, part: str, log: list[tuple[str, int]], notes: Notes) -> None:
        self._dataset, self._part, self._log, self._notes = dataset, part, log, notes

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, place: int) -> object:
        self._read([place])
        return self._dataset[place]

    def __getattr__(self, name: str) -> object:
        if name == "tensors":
            self._read(range(len(self._dataset)))
        return getattr(self._dataset, name)

    def _read(self, places: Iterable[int]) -> None:
        if self._part == "train" or self._notes.is_evaluating or torch.is_grad_enabled():
            self._log.extend((self._part, place) for place in places)


@dataclass(slots=True)
class Notes:
    """What was seen. Lists have an entry a step, or an evaluation.

    Attributes:
        fed: numbers that the network was given, by whether it was evaluated and by the place of the input.
        moved: parameters that are not what they were.
        coupled: for each step of Adam with a decay that its second moment divides, the decay and its part of the slope.
        weights: what the loss was given beside output and batch, by name.
        one_sided: batches in which one axis of a matrix that is symmetric in the data was reordered.
        visited: the sum of all weights before the first step and after each; `left` that at the end.
        schedules: the kind of each schedule that has a length, that length, and how often it was stepped.
        whole: for each backward pass, what it starts at as a share of the loss that was computed last.
        warned: what libraries warned of, with the line of the program.
        answered: layers of other networks in training mode, called without a gradient, that differ in evaluation.
        spread: lines of the program on which an evaluation takes (rows,) from (rows, 1) or the reverse: all pairs.
        unset: running statistics that training moved and that the evaluated network has as they were at first.
        augmented: batches of which most rows are not those of the data, with labels as they are there.
    """

    losses: list[float] = field(default_factory=list)
    alive: list[weakref.ref] = field(default_factory=list)
    kept_alive: int = 0
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
    warned: list[tuple[str, int]] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    spread: list[int] = field(default_factory=list)
    unset: list[str] = field(default_factory=list)
    evaluations: list[tuple[frozenset[str], bool]] = field(default_factory=list)
    read_by_training: list[tuple[str, int]] = field(default_factory=list)
    mismatched: int = 0
    classes: list[tuple[int, int]] = field(default_factory=list)
    fed: dict[tuple[bool, int], list[torch.Tensor]] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)
    coupled: list[tuple[float, float]] = field(default_factory=list)
    weights: dict[str, list[float]] = field(default_factory=dict)
    one_sided: int = 0
    schedules: list[tuple[str, int, int]] = field(default_factory=list)
    betas: tuple[float, float] = (0.0, 0.0)
    loss_given: float = 0.0
    whole: list[float] = field(default_factory=list)
    clipped: int = 0
    visited: set[float] = field(default_factory=set)
    left: float = 0.0
    augmented: list[list[torch.Tensor]] = field(default_factory=list)
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
    parts = {name: Recorded(dataset, name, log, notes) for name, dataset in candidate.splits.items()}
    network = candidate.build()
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    module = candidate.module
    with contextlib.ExitStack() as stack:
        stack.enter_context(_optimizer_watched(network, notes))
        stack.enter_context(_backward_watched(network, notes, log))
        stack.enter_context(_modes_watched(network, notes))
        stack.enter_context(_statistics_watched(network, notes))
        stack.enter_context(_teachers_watched(network, notes))
        stepped = stack.enter_context(schedules_watched())
        stack.enter_context(_replaced(module, "evaluate", _evaluate(candidate, notes, log)))
        stack.enter_context(_replaced(module, "train", _train(module.train, notes)))
        stack.enter_context(_replaced(module, "compute_loss", watched_loss(candidate, notes)))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("always")
        warnings.showwarning = _told_where(f"{candidate.root}/{candidate.file}", notes)
        torch.manual_seed(0)
        module.run(network, parts, steps=STEPS)
    notes.schedules = lengths(stepped)
    notes.left = total(network)
    after = dict(network.named_parameters())
    notes.moved = [name for name, value in before.items() if name in after and not torch.equal(value, after[name])]
    return notes


def _told_where(file: str, notes: Notes) -> Callable[..., None]:
    """Note a warning with the innermost line of the program that led to it."""

    def told(message: Warning | str, *about: object) -> None:
        if (line := line_in(file, sys._getframe(1))) is not None:
            notes.warned.append((str(message), line))

    return told


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
        notes.coupled.append(decay_in_slope(optimizer))
        notes.betas = optimizer.param_groups[0].get("betas", notes.betas)[:2]
        kept[:] = [p.detach().clone() for p in network.parameters() if p.requires_grad]

    def after(optimizer: torch.optim.Optimizer, args: object, kwargs: object) -> None:
        now = [p.detach() for p in network.parameters() if p.requires_grad]
        pairs = [(a - b).norm().item() / (b.norm().item() + 1e-12) for a, b in zip(now, kept, strict=False)]
        notes.updates.append(sorted(pairs)[len(pairs) // 2])
        notes.visited.add(total(network))
        notes.stepped = True

    hooks = [
        optimizers.register_optimizer_step_pre_hook(before),
        optimizers.register_optimizer_step_post_hook(after),
    ]
    clip = torch.nn.utils.clip_grad_norm_

    def clipped(*args: object, **kwargs: object) -> object:
        notes.clipped_late += notes.stepped
        notes.clipped += 1
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
        if notes.loss_given:
            notes.whole.append(float(tensor.detach()) / notes.loss_given)
        notes.alive.append(weakref.ref(tensor))
        notes.kept_alive = max(notes.kept_alive, sum(reference() is not None for reference in notes.alive))
        notes.stepped = False
        # what is read after the last backward pass has trained nothing
        notes.read_by_training = list(log)
        return backward(tensor, *args, **kwargs)

    with _replaced(torch.Tensor, "backward", watched):
        yield


@contextlib.contextmanager
def _modes_watched(network: nn.Module, notes: Notes) -> Iterator[None]:
    def before(module: nn.Module, given: tuple) -> None:
        for place, value in enumerate(given):
            kept = notes.fed.setdefault((notes.is_evaluating, place), [])
            if isinstance(value, torch.Tensor) and value.is_floating_point() and len(kept) < _KEPT:
                kept.append(value.detach().flatten()[:_NUMBERS].clone())
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


def answers_in_training(module: nn.Module) -> bool:
    """Tell of a layer, as it is called, that it does not learn and yet does what it does in training only."""
    return isinstance(module, _DIFFERENT) and module.training and not torch.is_grad_enabled()


@contextlib.contextmanager
def _teachers_watched(network: nn.Module, notes: Notes) -> Iterator[None]:
    """See other networks answer; what gathers statistics anew, as `update_bn` does, has no momentum meanwhile."""
    own = {id(module) for module in network.modules()}

    def before(module: nn.Module, given: tuple) -> None:
        is_other = id(module) not in own and getattr(module, "momentum", 0.1) is not None
        if is_other and not notes.is_evaluating and answers_in_training(module):
            notes.answered.append(type(module).__name__)

    hook = nn.modules.module.register_module_forward_pre_hook(before)
    try:
        yield
    finally:
        hook.remove()


@contextlib.contextmanager
def _statistics_watched(network: nn.Module, notes: Notes) -> Iterator[None]:
    """See whether running means that the steps moved are the first ones again when the network is evaluated."""
    first = {name: value.clone() for name, value in network.named_buffers() if name.endswith("running_mean")}
    moved: set[str] = set()

    def same(network: nn.Module) -> set[str]:
        return {n for n, value in network.named_buffers() if n in first and torch.equal(value, first[n])}

    def after(optimizer: torch.optim.Optimizer, args: object, kwargs: object) -> None:
        moved.update(first.keys() - same(network))

    def before(module: nn.Module, given: tuple) -> None:
        if notes.is_evaluating and not notes.unset:
            notes.unset = sorted(moved & same(module))

    hooks = [optimizers.register_optimizer_step_post_hook(after), network.register_forward_pre_hook(before)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _Spreads(TorchFunctionMode):
    """Note differences of a row of numbers and a column of as many others."""

    def __init__(self, file: str, found: list[int]) -> None:
        super().__init__()
        self._file, self._found = file, found

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Look at the shapes that go in; a broadcast that is written out has axes of its own on both sides."""
        if getattr(func, "__name__", "") in {"sub", "__sub__", "__rsub__", "subtract"} and len(args) == 2:
            shapes = sorted(tuple(a.shape) for a in args if isinstance(a, torch.Tensor) and a.is_floating_point())
            is_spread = len(shapes) == 2 and len(shapes[0]) == 1 and shapes[1] == (*shapes[0], 1) and shapes[0][0] > 1
            if is_spread and (line := line_in(self._file, sys._getframe(1))) is not None:
                self._found.append(line)
        return func(*args, **(kwargs or {}))


def _evaluate(candidate: Candidate, notes: Notes, log: list) -> object:
    function = candidate.module.evaluate

    def evaluate(model: nn.Module, dataset: object, *args: object, **kwargs: object) -> object:
        start = len(log)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        notes.is_evaluating = True
        try:
            with _Spreads(f"{candidate.root}/{candidate.file}", notes.spread):
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
