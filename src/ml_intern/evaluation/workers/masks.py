"""Masks as text, as the data worker writes them."""

from __future__ import annotations

import re

import numpy as np

MOST_PIXELS = 1 << 20
MASK = re.compile(r"\d+x\d+:\d+\*")


def written(mask: np.ndarray) -> str:
    """Write a mask: height, width, and runs of equal pixels row by row. mask: (height, width)."""
    flat = mask.ravel().astype(int)
    starts = np.flatnonzero(np.diff(flat, prepend=-1))
    lengths = np.diff([*starts, flat.size])
    runs = ",".join(f"{flat[start]}*{length}" for start, length in zip(starts, lengths, strict=True))
    return f"{mask.shape[0]}x{mask.shape[1]}:{runs}"


def read(text: str) -> np.ndarray:
    """Read what `written` wrote: (height, width)."""
    size, _, runs = text.partition(":")
    pairs = np.array([[int(part) for part in run.split("*")] for run in runs.split(",")])  # (runs, 2)
    return np.repeat(pairs[:, 0], pairs[:, 1]).reshape([int(side) for side in size.split("x")])
