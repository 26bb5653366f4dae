"""The network at its full size without its memory: how large it is, and what runs on tensors that have only shapes.

Whether it is too large is measured on the `meta` device, in milliseconds. What is too large runs under FakeTensorMode,
in which tensors name an ordinary device, so that code without `device=` works; the small form that `shrink` gives is
what all other checks then see.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import SimpleNamespace

import torch
from probes import apart
from probes.candidate import Candidate
from probes.checks.base import StopError, not_applicable
from torch import nn

STATES = 4
"""Weights, gradients, and the two moments of Adam."""
_OF_SIZE = ("params", "mflops", "depth", "residual_adds", "skip_concats")
"""Claims that hold at full size only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Weights by number and bytes, shared ones once; `trained` bytes are of those with a gradient."""

    parameters: int
    weights: int
    trained: int

    @property
    def states(self) -> int:
        """Bytes of weights, gradients and Adam's moments."""
        return self.weights + (STATES - 1) * self.trained


def size_of(network: nn.Module) -> Size:
    """Measure a network by its shapes."""
    parameters = list(network.parameters())
    sizes = [(p.numel() * p.element_size(), p.requires_grad) for p in [*parameters, *network.buffers()]]
    return Size(
        parameters=sum(p.numel() for p in parameters),
        weights=sum(size for size, _ in sizes),
        trained=sum(size for size, is_trained in sizes if is_trained),
    )


def full_size(candidate: Candidate) -> Size | None:
    """Measure the network at its full size once; None where it cannot be built without values."""
    if "full_size" not in candidate.notes:
        candidate.notes["full_size"] = None
        candidate.notes["full_size"] = _measured(candidate, {})
    return candidate.notes["full_size"]


def _measured(candidate: Candidate, changed: dict[str, object]) -> Size | None:
    def measure() -> dict:
        with torch.device("meta"):
            return asdict(size_of(candidate.build_with(changed)))

    told = apart.run(measure)
    return Size(**told) if told else None


def is_too_large(candidate: Candidate) -> bool:
    """Tell whether training it would take more memory than the checks may."""
    size = full_size(candidate) if candidate.memory else None
    return size is not None and size.states > candidate.memory


def make_small(candidate: Candidate) -> str:
    """Turn to the small form, of which nothing is claimed about sizes; say why that is impossible, or nothing."""
    if not is_too_large(candidate):
        return ""
    candidate.shrink = candidate.small
    small = _measured(candidate, candidate.small)
    if small is None:
        return f"build_model cannot be called with the arguments of META['shrink']: {candidate.small}"
    if small.states > candidate.memory:
        return "it is too large to allocate: give META['shrink'], arguments for a small one with the same inputs"
    candidate.claims = SimpleNamespace(**{**vars(candidate.claims), **dict.fromkeys(_OF_SIZE)})
    return ""


def needs_large(candidate: Candidate) -> Size:
    """Give the full size.

    Raises:
        StopError: it is small enough for the real checks.
    """
    if not is_too_large(candidate):
        raise StopError(not_applicable("small enough to be checked with values"))
    return full_size(candidate)


@contextmanager
def shapes_only(candidate: Candidate) -> Iterator[nn.Module]:
    """Give the network at full size under FakeTensorMode.

    Raises:
        StopError: it does what needs values.
    """
    from torch._subclasses import fake_tensor as fake  # noqa: PLC0415 - a second, and only for large networks
    from torch.fx.experimental import symbolic_shapes as symbolic  # noqa: PLC0415

    mode = fake.FakeTensorMode(allow_non_fake_inputs=True, shape_env=symbolic.ShapeEnv(), static_shapes=True)
    needs_values = (
        fake.DataDependentOutputException,
        fake.DynamicOutputShapeException,
        fake.UnsupportedOperatorException,
        fake.UnsupportedFakeTensorException,
        symbolic.GuardOnDataDependentSymNode,
    )
    try:
        with mode:
            yield candidate.build_with({})
    except needs_values as error:
        raise StopError(
            not_applicable(f"it asks for values, which are not there at full size: {_line(error)}")
        ) from error
    except RuntimeError as error:
        if "tensor subclasses" not in str(error):
            raise
        raise StopError(not_applicable("it goes through numpy, which needs values")) from error


def gib(size: float) -> str:
    """Write bytes as GiB."""
    return f"{size / 2**30:.3g} GiB"


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:120]
