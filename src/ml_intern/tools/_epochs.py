"""Count the epochs of a training from what the watch saw of it, whatever the script or its hyperparameters say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ml_intern.core.facts import DatasetPrepared, Trained

BATCH = ("batch_size", "batch")
_GATHERED = ("accumulation", "accumulation_steps", "gradient_accumulation_steps")
_FEWEST, _MOST = 0.7, 1.1
"""Passes over the rows of search for an epoch: a script may hold some of them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epochs:
    """How often the rows of search were trained on, counted in up to three ways; None where one cannot tell.

    Attributes:
        claimed: optimizer steps times the batch size that the script was given, over the rows.
        seen: samples that passed the network in training, over the rows.
        repeated: samples over those of them that differ, where the watch told them apart.
        slack: rows of a batch over all rows: the last batch of an epoch may be filled up.
        are_rows: whether a sample is a row: else rows were packed, cropped or changed at random.
        is_plain: whether each optimizer step saw its batch once.
        detail: the figures in words.
    """

    claimed: float | None
    seen: float | None
    repeated: float | None
    slack: float
    are_rows: bool
    is_plain: bool
    detail: str

    def judge(self, wanted: float) -> tuple[bool | None, str]:
        """Say whether they are `wanted`; None where what was counted could be an honest training of that many.

        Too few is told by the samples: no script can train on rows that its network never saw. Too many needs a
        second witness, since two views of a batch pass the network twice.
        """
        if self.seen is None:
            return (None if self.claimed is None else self._is_near(self.claimed, wanted)), self.detail
        if self.seen < _FEWEST * wanted:
            few = self.are_rows or (self.repeated is not None and 1.5 <= self.repeated < _FEWEST * wanted)
            return (False if few else None), self.detail
        if self.seen > _MOST * wanted + 0.5:
            too_many = self.are_rows and self.is_plain
            too_many = too_many if self.claimed is None else not self._is_near(self.claimed, wanted)
            return (False if too_many else None), self.detail
        return True, self.detail

    def _is_near(self, counted: float, wanted: float) -> bool:
        return _FEWEST * wanted <= counted <= _MOST * wanted * (1 + self.slack)


def count_epochs(trained: Trained, dataset: DatasetPrepared) -> Epochs:
    """Count what the watch saw of `trained`."""
    rows = dataset.rows["search"]
    batch = setting(BATCH, trained.hyperparameters)
    gathered = setting(_GATHERED, trained.hyperparameters) or 1
    claimed = None if batch is None else trained.steps * batch * gathered / rows
    seen = trained.samples / rows if trained.samples else None
    repeated = trained.samples / trained.distinct if trained.distinct else None
    # a table or an image is one row whatever was done to it; text may be packed or cut
    is_whole = all(column.kind not in {"text", "list", "other"} for column in dataset.inputs)
    said = [f"{trained.samples:,} samples over {rows} rows are {seen:.2f} epochs"] if seen is not None else []
    if claimed is not None and batch is not None:
        said.append(f"{trained.steps} steps of {batch * gathered:g} over {rows} rows are {claimed:.2f} epochs")
    if not said:
        said = [f"{trained.steps} steps; the batch size is not among the hyperparameters"]
    return Epochs(
        claimed=claimed,
        seen=seen,
        repeated=repeated,
        slack=0.0 if batch is None else batch * gathered / rows,
        are_rows=is_whole or 0.3 * rows <= trained.distinct <= 1.1 * rows,
        is_plain=0 < trained.calls <= _MOST * trained.steps * gathered,
        detail="; ".join(said),
    )


def setting(names: tuple[str, ...], given: Mapping[str, str]) -> float | None:
    """Give the first of the settings that holds a number."""
    return next((found for name in names if (found := number(given.get(name, ""))) is not None), None)


def number(text: str) -> float | None:
    """Read the first number: 3, 1e-3, or the 4 of 4x4."""
    found = re.match(r"\D{0,3}?(\d+(?:\.\d+)?(?:e-?\d+)?)", text.strip().lower())
    return float(found[1]) if found else None
