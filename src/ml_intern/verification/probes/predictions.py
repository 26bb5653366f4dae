"""Check `predict(network, rows)`, the one function the runtime calls of a published network."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from probes.wiring import CandidateError
from torch import nn

ROWS = 4
Row = dict[str, object]
Predict = Callable[[nn.Module, list[Row]], object]

_PLAIN = ("Value", "ClassLabel")
"""Features whose values `datasets` gives as they are."""
_CONTRACT = "predict(network, rows) must return a list with one plain prediction a row"


def takes_network_and_rows(predict: object, file: str) -> None:
    """Check that `predict` is a function that two positional arguments suffice for."""
    if predict is None:
        raise CandidateError(
            f"{file} does not define predict. Add at its top level: def predict(network, rows): …, where rows is "
            "a list of dicts from column to value, and which returns one class name or index a row, or a number"
        )
    if not inspect.isfunction(predict):
        raise CandidateError(
            f"predict in {file} is a {type(predict).__name__}; make it a function: def predict(network, rows)"
        )
    try:
        inspect.signature(predict).bind(None, None)
    except TypeError as error:
        line = predict.__code__.co_firstlineno
        raise CandidateError(f"{file}:{line} predict{inspect.signature(predict)} must take (network, rows)") from error


def read_rows(file: Path, inputs: Sequence[str]) -> list[Row]:
    """Read the first rows of a parquet file as the runtime does, decoded, with the input columns only."""
    import pyarrow.parquet as parquet  # noqa: PLC0415 - only needed with a sample
    from pyarrow import Table  # noqa: PLC0415

    with parquet.ParquetFile(file) as source:
        batch = next(source.iter_batches(batch_size=ROWS))
        table = Table.from_batches([batch], source.schema_arrow).select(list(inputs))
    if not _is_decoded(table.schema.metadata or {}, inputs):
        return table.to_pylist()
    from datasets import Dataset  # noqa: PLC0415 - half a second, and plain values are what Arrow gives
    from datasets.table import InMemoryTable  # noqa: PLC0415

    dataset = Dataset(InMemoryTable(table))
    return [dict(dataset[place]) for place in range(len(dataset))]


def _is_decoded(metadata: dict[bytes, bytes], inputs: Sequence[str]) -> bool:
    """Tell whether `datasets` makes something else of a column than its value, such as an image of bytes."""
    described = json.loads(metadata.get(b"huggingface", b"{}"))
    features = described.get("info", {}).get("features") or {}
    kinds = [features.get(name) for name in inputs]
    return not all(isinstance(kind, dict) and kind.get("_type") in _PLAIN for kind in kinds)


def predicts(predict: Predict, network: nn.Module, rows: list[Row], classes: Sequence[str], task: str) -> None:
    """Check number, kind and range of the predictions, and that a row alone gets the same."""
    given = _listed(predict(network, [dict(row) for row in rows]))
    columns = ", ".join(f"{name}: {type(value).__name__}" for name, value in rows[0].items())
    called = f"{_CONTRACT}; for {len(rows)} real rows ({columns})"
    if not isinstance(given, list):
        raise CandidateError(f"{called} it gave a {type(given).__name__}; return for example logits.argmax(1).tolist()")
    if len(given) != len(rows):
        raise CandidateError(f"{called} it gave {len(given)} predictions")
    for place, prediction in enumerate(given):
        if problem := _problem(prediction, classes, task):
            raise CandidateError(f"{called} prediction {place} is {_short(prediction)}: {problem}")
    alone = _listed(predict(network, [dict(rows[0])]))
    if not isinstance(alone, list) or len(alone) != 1 or not _same(alone[0], given[0]):
        raise CandidateError(f"{called} the first alone got {_short(alone)}, among the others {_short(given[:1])}")


def _listed(answer: object) -> object:
    """Give tensors, arrays and tuples as a list of Python's own values, as the evaluation will."""
    answer = answer.tolist() if isinstance(answer, np.ndarray | torch.Tensor) else answer
    if isinstance(answer, list | tuple):
        return [value.item() if _is_scalar(value) else value for value in answer]
    return answer


def _is_scalar(value: object) -> bool:
    return isinstance(value, np.generic | torch.Tensor) and math.prod(value.shape) == 1


def _problem(prediction: object, classes: Sequence[str], task: str) -> str:
    """Say what is wrong with one prediction, or nothing."""
    if task in _MADE:
        return "" if _MADE[task][0](prediction) else _MADE[task][1]
    if type(prediction) not in {int, float, str}:
        return "give one Python int, float or str a row; .tolist() or .item() makes them"
    if not classes:
        finite = isinstance(prediction, int | float) and math.isfinite(prediction)
        return "" if finite else "the target is a number: give a finite float"
    known = ", ".join(classes[:5]) + (", …" if len(classes) > 5 else "")
    if isinstance(prediction, str):
        return "" if prediction in classes else f"no such class; they are {known}"
    if isinstance(prediction, int):
        return "" if 0 <= prediction < len(classes) else f"class indices go from 0 to {len(classes) - 1}"
    return f"give a class index or one of the names {known}"


def _is_mask(prediction: object) -> bool:
    table = np.asarray(prediction)
    return table.ndim == 2 and table.dtype.kind in "iub"


_MADE: dict[str, tuple[Callable[[object], bool], str]] = {
    "generation": (lambda prediction: isinstance(prediction, str), "the target is a text: give a str"),
    "segmentation": (_is_mask, "the target is a mask: give whole numbers, (height, width)"),
}
"""What is made and not chosen or measured: whether a prediction is one, and what to say where it is not."""


def _same(first: object, second: object) -> bool:
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=1e-3, abs_tol=1e-3)
    if isinstance(first, list | np.ndarray | torch.Tensor):
        tables = np.asarray(first), np.asarray(second)
        return tables[0].shape == tables[1].shape and float((tables[0] != tables[1]).mean()) <= 0.01
    return first == second


def _short(value: object) -> str:
    return repr(value)[:60]
