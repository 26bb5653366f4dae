"""What a network claims to be: inputs, output, task and what the paper says, typed, so that checks can hold it to it.

Two ways lead here: a program declares `META` (docs/checks.md), or the `check_network` tool gives shapes. Both are
checked by the same checks; what a contract leaves open is what no check can hold it to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

Task: TypeAlias = Literal[
    "classification", "binary", "regression", "segmentation", "tagging", "lm", "mlm", "seq2seq", "reconstruction",
    "denoising", "contrastive", "transducer", "density", "detection",
]  # fmt: skip
DType: TypeAlias = Literal["float32", "int64", "bool", "uniform01"]
Role: TypeAlias = Literal["padding_mask", "adjacency"]
Oracle: TypeAlias = Literal["onehot", "onehot_last", "next_token", "binary_logit", "regression", "reconstruction"]
Norm: TypeAlias = Literal["pre", "post"]
Shape: TypeAlias = tuple[int | str, ...]
"""Sizes, and symbols: `B` the batch, other capital letters a length, with a number added or not (`T+1`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """A tensor by shape with the batch in front; integers lie in [low, high); `ignore` is a label that counts not."""

    shape: Shape
    dtype: DType = "float32"
    name: str = ""
    low: int | float = 0
    high: int | float | None = None
    role: Role | None = None
    ignore: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CausalAxis:
    """Along `in_dim` of input number `input`, what comes later may not change what stands earlier on `out_dim`."""

    input: int = 0
    in_dim: int = 1
    out_dim: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRange:
    """Output number `output` stays in [low, high]."""

    output: int
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What the paper says and a check can measure; None where it says nothing.

    `mflops` counts a multiplication and an addition as two, for a batch of one; `readout` is the token the head
    reads; `norm` stands before (pre) or after (post) the residual additions; `depth` counts equal blocks; `unit_norm`
    names the outputs whose last axis has norm 1. `unknown` are claims that no check measures.
    """

    params: int | None = None
    mflops: float | None = None
    depth: int | None = None
    norm: Norm | None = None
    residual_adds: int | None = None
    attn_scale: bool | None = None
    readout: int | None = None
    tied: bool | None = None
    skip_concats: int | None = None
    positions: str | None = None
    unit_norm: tuple[int, ...] = ()
    symmetric_loss: bool | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """How it is to be trained: batches of `batch` samples of length `length`, in at most `memory` bytes."""

    memory: int | None = None
    batch: int = 1
    length: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkContract:
    """Everything a check may ask about a network.

    Attributes:
        inputs: the arguments of `forward`, in order.
        outputs: shapes of what it gives; more than one where it gives a tuple.
        task: what it is for; None leaves out the checks that depend on it.
        classes: number of classes or tokens.
        target: what the loss compares with, last in a batch of data.
        batch: what the loss needs where that is more than inputs and target.
        oracle: how ideal outputs are made from a batch.
        causal: axes along which nothing flows back.
        positional: `tokens` or `patches:P` where order must matter.
        patch_tokens: number of patches.
        pad_id: token that fills up short sequences.
        symmetric: whether exchanging the two inputs leaves the output.
        node_permutation_invariant: whether the order of nodes leaves the output.
        output_range: bounds of outputs.
        zero_init: whether the output is zero at first.
        metric: what `evaluate` gives, such as accuracy, macro_f1 or auroc.
        claims: what the paper says.
        shrink: keyword arguments that make a small network of it with the same inputs and outputs.
        training: how it is to be trained, for the estimate of memory.
        unknown: keys of `META` that no check reads.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[Shape, ...]
    name: str = ""
    task: Task | None = None
    classes: int | None = None
    target: TensorSpec | None = None
    batch: tuple[TensorSpec, ...] = ()
    oracle: Oracle | None = None
    causal: tuple[CausalAxis, ...] = ()
    positional: str | None = None
    patch_tokens: int | None = None
    pad_id: int | None = None
    symmetric: bool = False
    node_permutation_invariant: bool = False
    output_range: tuple[OutputRange, ...] = ()
    zero_init: bool = False
    metric: str = ""
    claims: Claims = field(default_factory=Claims)
    shrink: Mapping[str, object] = field(default_factory=dict[str, object])
    training: TrainingPlan | None = None
    unknown: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Write it as one JSON object with every field, the same text for the same contract."""
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False)
