"""Read `META`, the contract that a program declares, into a typed contract; say clearly what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TypeVar, cast, get_args

from ml_intern.core.errors import ToolError
from ml_intern.verification.contract import (
    CausalAxis,
    Claims,
    DType,
    NetworkContract,
    Norm,
    Oracle,
    OutputRange,
    Role,
    Shape,
    Task,
    TensorSpec,
    TrainingPlan,
)

_Choice = TypeVar("_Choice")
_SYMBOL = re.compile(r"[A-Z](\s*[+-]\s*\d+)?")
_PATCHES = re.compile(r"tokens|patches:\d+")
_KNOWN = frozenset({
    "name", "task", "num_classes", "inputs", "target", "batch", "output_shape", "oracle", "causal", "causal_extra",
    "positional", "patch_tokens", "pad_id", "symmetric", "node_permutation_invariant", "output_range", "zero_init",
    "claims", "shrink", "training", "metric",
})  # fmt: skip


def contract_of(meta: Mapping[str, object]) -> NetworkContract:
    """Check `META` and give it as a contract.

    Raises:
        ToolError: a value has the wrong form; the message names the key and what belongs there.
    """
    inputs = _tensors(meta, "inputs")
    if not inputs:
        raise ToolError("META['inputs'] must list at least one tensor, such as {'shape': ['B', 3, 32, 32]}")
    target = meta.get("target")
    return NetworkContract(
        name=str(meta.get("name", "")),
        task=_choice(meta.get("task"), Task, "task"),
        classes=_classes(meta),
        inputs=inputs,
        target=None if target is None else _tensor(target, "target"),
        batch=_tensors(meta, "batch"),
        outputs=_outputs(meta.get("output_shape")),
        oracle=_choice(meta.get("oracle"), Oracle, "oracle"),
        causal=_causal(meta, inputs),
        positional=positions_matter(meta.get("positional")),
        patch_tokens=_integer(meta.get("patch_tokens"), "patch_tokens"),
        pad_id=_integer(meta.get("pad_id"), "pad_id"),
        symmetric=bool(meta.get("symmetric")),
        node_permutation_invariant=bool(meta.get("node_permutation_invariant")),
        output_range=_ranges(meta.get("output_range")),
        zero_init=bool(meta.get("zero_init")),
        metric=str(meta.get("metric") or ""),
        claims=claims_of(_mapping(meta.get("claims") or {}, "claims")),
        shrink={str(key): value for key, value in _mapping(meta.get("shrink") or {}, "shrink").items()},
        training=_training(meta.get("training")),
        unknown=tuple(sorted(str(key) for key in meta if key not in _KNOWN)),
    )


def _classes(meta: Mapping[str, object]) -> int | None:
    """Give the number of classes, or the bound of integer targets where they are not counted."""
    if meta.get("num_classes") is not None or not isinstance(meta.get("target"), Mapping):
        return _integer(meta.get("num_classes"), "num_classes")
    target = _tensor(meta["target"], "target")
    return int(target.high) if target.dtype == "int64" and target.high is not None else None


def _training(value: object) -> TrainingPlan | None:
    if value is None:
        return None
    given = _mapping(value, "training")
    return TrainingPlan(
        memory=_integer(given.get("memory"), "training.memory"),
        batch=_integer(given.get("batch"), "training.batch") or 1,
        length=_integer(given.get("length"), "training.length") or TrainingPlan().length,
    )


def contract_of_shapes(
    inputs: tuple[TensorSpec, ...],
    output_shape: tuple[int | str, ...],
    *,
    task: Task | None = None,
    causal: bool = False,
    pad_id: int | None = None,
    claims: Mapping[str, object] | None = None,
) -> NetworkContract:
    """Make the contract of a network of which little more than shapes is known; shapes are without the batch.

    Raises:
        ToolError: a claim makes no sense.
    """
    batched = tuple(
        TensorSpec(
            shape=("B", *given.shape),
            dtype=given.dtype,
            name=given.name or f"input {place + 1}",
            low=given.low,
            high=given.high,
            role=given.role,
        )
        for place, given in enumerate(inputs)
    )
    return NetworkContract(
        inputs=batched,
        outputs=(("B", *output_shape),),
        task=task,
        causal=(CausalAxis(),) if causal else (),
        pad_id=pad_id,
        claims=claims_of(claims or {}),
    )


def claims_of(given: Mapping[str, object]) -> Claims:
    """Check claims and give them typed; those that no check measures are named in `unknown`.

    Raises:
        ToolError: a value has the wrong form.
    """
    known = {spec.name for spec in fields(Claims)} - {"unknown"}
    unit = given.get("unit_norm")
    positions = given.get("positions")
    return Claims(
        params=_integer(given.get("params"), "claims.params"),
        mflops=_number(given.get("mflops"), "claims.mflops"),
        depth=_integer(given.get("depth"), "claims.depth"),
        norm=_choice(given.get("norm"), Norm, "claims.norm"),
        residual_adds=_integer(given.get("residual_adds"), "claims.residual_adds"),
        attn_scale=None if given.get("attn_scale") is None else bool(given["attn_scale"]),
        readout=_integer(given.get("readout"), "claims.readout (which token the head reads)"),
        tied=None if given.get("tied") is None else bool(given["tied"]),
        skip_concats=_integer(given.get("skip_concats"), "claims.skip_concats"),
        positions=None if positions is None else str(positions),
        unit_norm=_unit_norm(unit),
        symmetric_loss=None if given.get("symmetric_loss") is None else bool(given["symmetric_loss"]),
        unknown=tuple(sorted(str(key) for key in given if key not in known)),
    )


def _unit_norm(value: object) -> tuple[int, ...]:
    if value is None or value is False:
        return ()
    if value is True:
        return (0,)
    if isinstance(value, int):
        return (value,)
    return tuple(_whole(item, "claims.unit_norm") for item in _sequence(value, "claims.unit_norm"))


def _tensors(meta: Mapping[str, object], key: str) -> tuple[TensorSpec, ...]:
    given = _sequence(meta.get(key) or (), key)
    return tuple(_tensor(item, f"{key}[{place}]") for place, item in enumerate(given))


def _tensor(value: object, where: str) -> TensorSpec:
    given = _mapping(value, where)
    dtype: DType | None = _choice(given.get("dtype", "float32"), DType, f"{where}.dtype")
    bound = _integer if given.get("dtype") == "int64" else _number
    spec = TensorSpec(
        shape=_shape(given.get("shape"), f"{where}.shape"),
        dtype=dtype or "float32",
        name=str(given.get("name", where)),
        low=bound(given.get("low"), f"{where}.low") or 0,
        high=bound(given.get("high"), f"{where}.high"),
        role=_choice(given.get("role"), Role, f"{where}.role"),
        ignore=_integer(given.get("ignore"), f"{where}.ignore"),
    )
    if spec.dtype == "int64" and (spec.high is None or spec.high <= spec.low):
        raise ToolError(f"META {where}: integers need 'high' above 'low'; got low={spec.low}, high={spec.high}")
    return spec


def _shape(value: object, where: str) -> Shape:
    sizes = _sequence(value, where)
    for size in sizes:
        is_size = isinstance(size, int) and not isinstance(size, bool) and size > 0
        if not is_size and not (isinstance(size, str) and _SYMBOL.fullmatch(size)):
            raise ToolError(f"META {where}: {size!r} is neither a size above 0 nor a symbol such as 'B', 'T' or 'T+1'")
    return cast("Shape", tuple(sizes))


def _outputs(value: object) -> tuple[Shape, ...]:
    given = _sequence(value, "output_shape")
    if given and isinstance(given[0], list | tuple):
        return tuple(_shape(item, f"output_shape[{place}]") for place, item in enumerate(given))
    return (_shape(given, "output_shape"),)


def _causal(meta: Mapping[str, object], inputs: Sequence[TensorSpec]) -> tuple[CausalAxis, ...]:
    first = meta.get("causal")
    axes = [] if not first else [CausalAxis() if first is True else _axis(first)]
    axes += [_axis(item) for item in _sequence(meta.get("causal_extra") or (), "causal_extra")]
    for axis in axes:
        if not 0 <= axis.input < len(inputs) or not 0 <= axis.in_dim < len(inputs[axis.input].shape):
            raise ToolError(f"META causal: there is no axis {axis.in_dim} of an input {axis.input}")
    return tuple(axes)


def _axis(value: object) -> CausalAxis:
    given = _mapping(value, "causal")
    names = ("input", "in_dim", "out_dim")
    if missing := [name for name in names if name not in given]:
        raise ToolError(f"META causal lacks {', '.join(missing)}; give True, or {{'input', 'in_dim', 'out_dim'}}")
    source, inside, outside = (_whole(given[name], f"causal.{name}") for name in names)
    return CausalAxis(input=source, in_dim=inside, out_dim=outside)


def positions_matter(value: object) -> str | None:
    """Read where the order of parts of the input must matter.

    Raises:
        ToolError: it is neither `tokens` nor `patches:P`.
    """
    if value is None or value is False:
        return None
    if not isinstance(value, str) or not _PATCHES.fullmatch(value):
        raise ToolError(f"META positional: {value!r} is neither 'tokens' nor 'patches:P' with the size of a patch")
    return value


def _ranges(value: object) -> tuple[OutputRange, ...]:
    ranges: list[OutputRange] = []
    for key, bounds in _mapping(value or {}, "output_range").items():
        low, high = _sequence(bounds, "output_range") if bounds else (None, None)
        low, high = _number(low, "output_range"), _number(high, "output_range")
        if low is None or high is None or not str(key).isdigit():
            raise ToolError("META output_range maps the number of an output to [low, high]")
        ranges.append(OutputRange(output=int(key), low=low, high=high))
    return tuple(ranges)


def _choice(value: object, kind: object, where: str) -> _Choice | None:  # pyright: ignore[reportInvalidTypeVarUse] - the caller's annotation decides
    allowed = get_args(kind)
    if value is None:
        return None
    if value not in allowed:
        raise ToolError(f"META {where}: {value!r} is none of {', '.join(map(str, allowed))}")
    return cast("_Choice", value)


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ToolError(f"META {where} must be a dictionary; got {value!r:.80}")
    return {str(key): item for key, item in cast("Mapping[object, object]", value).items()}


def _sequence(value: object, where: str) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise ToolError(f"META {where} must be a list; got {value!r:.80}")
    return cast("Sequence[object]", value)


def _number(value: object, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ToolError(f"META {where} must be a number; got {value!r:.80}")
    return float(value)


def _whole(value: object, where: str) -> int:
    number = _number(value, where)
    if number is None or number != int(number):
        raise ToolError(f"META {where} must be a whole number; got {value!r:.80}")
    return int(number)


def _integer(value: object, where: str) -> int | None:
    return None if value is None else _whole(value, where)
