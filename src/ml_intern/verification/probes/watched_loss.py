"""Look at every batch that a program's loop gives its loss, beside the rows of the data."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from probes.candidate import Candidate
from probes.habits import is_reordered, numbers, symmetric_columns

if TYPE_CHECKING:
    from probes.recording import Notes


def watched_loss(candidate: Candidate, notes: Notes) -> object:
    """Give the program's loss, which notes what it is given in training."""
    function = candidate.module.compute_loss
    known = _rows(candidate)
    # a label that no row has is made by the loop: dropped, smoothed or mixed
    labels = set().union(*known.values())
    names = list(inspect.signature(function).parameters)[2:]
    train = candidate.rows("train")
    mirrored = {place: {numbers(matrix) for matrix in train[place]} for place in symmetric_columns(train)}

    def compute_loss(output: object, batch: object, *others: object, **named: object) -> object:
        if not notes.is_evaluating:
            _note_weights(notes, {**dict(zip(names, others, strict=False)), **named})
            if isinstance(batch, tuple | list) and batch:
                notes.one_sided += any(is_reordered(batch[n], of) for n, of in mirrored.items() if n < len(batch))
                _note_labels(notes, list(batch), known, labels)
                if candidate.contract.task == "classification" and len(batch) > 1:
                    notes.augmented += _augmented(list(batch), known, labels)
                    notes.classes.append((len(batch[-1].unique()), len(batch[-1])))
        loss = function(output, batch, *others, **named)
        if isinstance(loss, torch.Tensor) and loss.numel() == 1 and not notes.is_evaluating:
            notes.loss_given = float(loss.detach())
        return loss

    return compute_loss


def _rows(candidate: Candidate) -> dict[bytes, set[bytes]]:
    """Give the labels of each row of the data by what comes before the label."""
    known: dict[bytes, set[bytes]] = {}
    for dataset in candidate.splits.values():
        for place in range(len(dataset)):
            row = dataset[place]
            if len(row) > 1:
                known.setdefault(_keys(row[:-1]), set()).add(_key(row[-1]))
    return known


def _note_weights(notes: Notes, given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if isinstance(value, int | float):
            notes.weights.setdefault(name, []).append(float(value))


def _note_labels(notes: Notes, batch: list, known: dict[bytes, set[bytes]], labels: set[bytes]) -> None:
    if len(batch) < 2:
        return
    for *row, label in zip(*(column for column in batch if isinstance(column, torch.Tensor)), strict=False):
        found = known.get(_keys(row))
        notes.mismatched += found is not None and _is_of_another(label, found, labels)


def _augmented(batch: list, known: dict[bytes, set[bytes]], labels: set[bytes]) -> list[list[torch.Tensor]]:
    """Give the batch, in a list, where most rows are no rows of the data and all labels are labels there."""
    columns = [column.detach().clone() for column in batch if isinstance(column, torch.Tensor)]
    rows = list(zip(*columns, strict=False))
    are_new = sum(_keys(row[:-1]) not in known for row in rows) > len(rows) / 3
    return [columns] if are_new and all(_key(row[-1]) in labels for row in rows) else []


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
