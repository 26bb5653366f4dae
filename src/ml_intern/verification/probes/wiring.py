"""What a right network does on random inputs, a check each; a check raises `CandidateError` with a text for its author.

At its first values a right network may be constant (a head of zeros) or cut off (a gate of zeros), so a check that
finds nothing moving looks again at weights with a little noise before it says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from probes.fills import agree
from probes.locate import assigned_at, first_layer_not_finite, first_layer_that_mixes, parameter_names
from safetensors.torch import load_model, save_model
from torch import nn

BATCHES = (2, 3, 1)
_NOISE = 0.02
SHOWN = 4


class CandidateError(Exception):
    """A check found a fault; the message says what, where and what to try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One declared input: `shape` without the batch; integers lie in [low, high)."""

    shape: tuple[int, ...]
    dtype: str
    low: int
    high: int

    def draw(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        """Make a random tensor of shape (batch, *shape)."""
        shape = (batch, *self.shape)
        if self.dtype == "float32":
            return torch.randn(shape, generator=generator)
        drawn = torch.randint(self.low, self.high, shape, generator=generator)
        if (self.low, self.high) == (0, 2) and self.shape and self.shape[-1] > 1:
            # Zeros and ones are mostly a mask, and a mask that hides everything gives NaN in a right attention.
            drawn[..., 0] = 1
        return drawn

    def changed(self, given: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Give other values: every integer differs where the range has room."""
        if self.dtype == "float32":
            return torch.randn(given.shape, generator=generator)
        room = self.high - self.low
        step = torch.randint(1, max(room, 2), given.shape, generator=generator)
        return self.low + (given - self.low + step) % room


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is checked: how to build it, what it takes and gives, and where its source lies."""

    build: Callable[[], nn.Module]
    inputs: tuple[Input, ...]
    output_shape: tuple[int, ...]
    root: str

    def draw(self, batch: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
        """Make random inputs, a tensor (batch, *shape) each."""
        generator = torch.Generator().manual_seed(seed)
        return tuple(given.draw(batch, generator) for given in self.inputs)

    def fresh(self, seed: int) -> nn.Module:
        """Build an instance in evaluation mode."""
        torch.manual_seed(seed)
        return self.build().eval()


def run(network: nn.Module, inputs: Sequence[torch.Tensor], seed: int = 0) -> torch.Tensor:
    """Call the network without gradients."""
    torch.manual_seed(seed)
    with torch.no_grad():
        return network(*[given.clone() for given in inputs])


def add_noise(subject: Subject, network: nn.Module, seed: int = 0) -> None:
    """Move every weight a little, so that no zero hides a path; not at all where the output would not stay finite."""
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.is_floating_point():
                parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter.dtype), alpha=_NOISE)
    if not bool(run(network, subject.draw(3)).isfinite().all()):
        network.load_state_dict(kept)


def registers_its_layers(subject: Subject, network: nn.Module) -> None:
    """Check that no trainable layer is kept in a plain list, tuple or dict, where nothing finds its weights."""
    known = {id(parameter) for parameter in network.parameters()}
    for path, module in _modules(network):
        for name in _loose(module):
            value = vars(module)[name]
            items = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else []
            layers = [item for item in items if isinstance(item, nn.Module)]
            weights = [p for layer in layers for p in layer.parameters() if p.requires_grad and id(p) not in known]
            if weights:
                where = assigned_at(network, f"{path}{name}", subject.root)
                raise CandidateError(
                    f"{len(layers)} layers in {path}{name}{where} are a plain {type(value).__name__}: no optimizer "
                    "trains them, no file holds them, eval() does not reach them. Use nn.ModuleList or nn.ModuleDict"
                )


def gives_the_declared_output(subject: Subject, network: nn.Module) -> None:
    """Check type, shape, kind and finiteness of the output for several batch sizes, 1 among them."""
    for batch in BATCHES:
        inputs = subject.draw(batch)
        output = run(network, inputs)
        shapes = ", ".join(str(tuple(given.shape)) for given in inputs)
        called = f"{_place(network, subject)} with inputs {shapes}"
        if not isinstance(output, torch.Tensor):
            raise CandidateError(f"{called} gave a {type(output).__name__}, not a tensor; return the one output tensor")
        wanted = (batch, *subject.output_shape)
        if tuple(output.shape) != wanted:
            raise CandidateError(
                f"{called} gave {tuple(output.shape)}, declared is {wanted}. {_shape_advice(output, wanted)}"
            )
        if not output.is_floating_point():
            raise CandidateError(
                f"{called} gave {output.dtype}; return logits or values as floats, argmax belongs in predict"
            )
        if not bool(output.isfinite().all()):
            where = first_layer_not_finite(network, inputs)
            raise CandidateError(
                f"{called} gave NaN or infinity, first in {where}. Look there for a division by zero, log or sqrt of "
                "what can be 0 or below, a softmax over a row that is all -inf, or memory from torch.empty"
            )


def repeats_itself(subject: Subject, network: nn.Module) -> None:
    """Check that evaluation mode draws no random numbers and keeps nothing between calls."""
    inputs = subject.draw(2)
    first = run(network, inputs, seed=1)
    if not close(first, run(network, inputs, seed=2)) and close(first, run(network, inputs, seed=1)):
        raise CandidateError(
            f"two calls in evaluation mode on the same input differ, {_place(network, subject)}: random numbers are "
            "drawn. Write F.dropout(x, training=self.training), and sample only if self.training"
        )
    run(network, subject.draw(3, seed=5))
    if not close(first, run(network, inputs, seed=1)):
        raise CandidateError(
            f"a call in evaluation mode changes the result of the next, {_place(network, subject)}: something is kept "
            "on self (a hidden state, a cache, a running mean). Make it a local variable of forward"
        )


def saves_and_loads(subject: Subject, network: nn.Module, other: nn.Module) -> None:
    """Check that safetensors keeps all that the output depends on; leaves `other` with the weights of `network`."""
    if lazy := [name for name, p in other.named_parameters() if isinstance(p, nn.parameter.UninitializedParameter)]:
        raise CandidateError(
            f"{', '.join(lazy[:SHOWN])} has no shape before the first forward, so no file can be loaded into a new "
            "instance: give the size instead, for example nn.Linear(64, 10) for nn.LazyLinear(10)"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "model.safetensors")
        save_model(network, file)
        load_model(other, file)
    inputs = subject.draw(2)
    if not close(run(network, inputs), run(other, inputs)):
        loose = [f"{path}{name}" for path, module in _modules(network) for name in _loose(module)]
        raise CandidateError(
            "a second instance with the same weights gives other outputs: part of the state is not saved. "
            + (f"Not in the state dict: {', '.join(loose[:SHOWN])}. " if loose else "")
            + "Use register_buffer for tensors, nn.Parameter for weights, nn.ModuleList for layers; draw no random "
            "numbers in __init__ that are not saved"
        )


def uses_every_input(subject: Subject, network: nn.Module, noisy: nn.Module) -> None:
    """Check that the output moves when an input does, for each input."""
    names = parameter_names(type(network).forward)
    for place, declared in enumerate(subject.inputs):
        if declared.dtype == "int64" and declared.high - declared.low == 1:
            continue
        before = subject.draw(3)
        after = list(before)
        after[place] = declared.changed(before[place], torch.Generator().manual_seed(11))
        is_still = all(torch.equal(run(one, before), run(one, after)) for one in (network, noisy))
        if is_still and not _has_gradient(noisy, before, place):
            name = names[place] if place < len(names) else f"number {place + 1}"
            raise CandidateError(
                f"input {name!r} has no influence on the output, {_place(network, subject)}: forward ignores it, "
                "overwrites it, or reduces it to a constant (softmax over one element, norm over one feature)"
            )


def _has_gradient(network: nn.Module, inputs: Sequence[torch.Tensor], place: int) -> bool:
    """Say whether the output has a slope in one input; a slope is seen where the change itself is lost in rounding."""
    given = [value.clone() for value in inputs]
    if not given[place].is_floating_point():
        return False
    given[place].requires_grad_()
    output = network(*given)
    if not output.requires_grad:
        return False
    (slope,) = torch.autograd.grad((output * torch.randn_like(output)).sum(), given[place], allow_unused=True)
    return slope is not None and bool(slope.any())


def keeps_samples_apart(subject: Subject, network: nn.Module) -> None:
    """Check that changing one sample leaves the outputs of the others, and that a sample alone gets the same."""
    before = subject.draw(3)
    output = run(network, before)
    for sample in (0, 2):
        generator = torch.Generator().manual_seed(13 + sample)
        after = [given.clone() for given in before]
        for given, declared in zip(after, subject.inputs, strict=True):
            given[sample] = declared.changed(given[sample], generator)
        others = [place for place in range(3) if place != sample]
        if not close(output[others], run(network, after)[others], 1e-4):
            where = first_layer_that_mixes(network, before, after, others)
            raise CandidateError(
                f"changing sample {sample} of a batch changes the outputs of the others, first {where}. Some view, "
                "reshape, transpose, softmax, mean or norm works along axis 0, the batch; is batch_first=True missing?"
            )
    if not close(output[:1], run(network, [given[:1] for given in before]), 1e-3):
        raise CandidateError(
            f"a sample alone gets another output than in a batch of 3, {_place(network, subject)}: something depends "
            "on the batch size or on statistics of the batch"
        )


def remarks(subject: Subject, network: nn.Module) -> list[str]:
    """Say what is often a fault and may be meant."""
    found = [
        f"{len(frozen)} parameters are frozen: {', '.join(frozen[:SHOWN])}"
        for frozen in [[name for name, p in network.named_parameters() if not p.requires_grad]]
        if frozen
    ]
    output = run(network, subject.draw(8))
    if bool((output >= 0).all()) and output.numel() > 8:
        sums = output.sum(-1)
        likely = "are probabilities (softmax)" if close(sums, torch.ones_like(sums), 1e-4) else "are never negative"
        found.append(f"the outputs {likely}; cross_entropy wants raw logits, with both signs")
    return found


def close(first: torch.Tensor, second: torch.Tensor, tolerance: float = 1e-5) -> bool:
    """Tell whether `second` has, but for rounding, the values of `first`."""
    return agree(first, second, tolerance)


def _place(network: nn.Module, subject: Subject) -> str:
    code = type(network).forward.__code__
    if not code.co_filename.startswith(subject.root):
        return f"{type(network).__name__}.forward"
    return f"{code.co_filename[len(subject.root) :].lstrip('/')}:{code.co_firstlineno} {type(network).__name__}.forward"


def _shape_advice(output: torch.Tensor, wanted: tuple[int, ...]) -> str:
    given = tuple(output.shape)
    if tuple(size for size in given if size != 1) == tuple(size for size in wanted if size != 1):
        return "Only axes of size 1 differ: squeeze(dim) or unsqueeze(dim) with a fixed axis, never a bare squeeze()"
    if sorted(given) == sorted(wanted):
        return "The axes stand in another order: transpose or permute"
    if len(given) != len(wanted):
        fault = "is missing" if len(given) > len(wanted) else "is one too many"
        return f"It has {len(given)} axes, not {len(wanted)}: a pooling, flatten(1) or choice of a token {fault}"
    if given[0] != wanted[0]:
        return "Axis 0 must stay the batch: no batch size in view or reshape, use x.shape[0] or -1 there"
    return "Change the size of the last layer, or correct the declared output shape"


def _modules(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for path, module in network.named_modules():
        yield f"{path}." if path else "", module


def _loose(module: nn.Module) -> Iterator[str]:
    """Name the tensors, and the collections of tensors or layers, that `module` holds as plain attributes."""
    own = set(vars(nn.Module()))
    for name, value in vars(module).items():
        items = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else [value]
        if name not in own and any(isinstance(item, torch.Tensor | nn.Module) for item in items):
            yield name
