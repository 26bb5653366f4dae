"""Masks as text: height, width, and runs of equal pixels row by row (`2x3:0*4,7*2`)."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
from PIL import Image as Pillow

MOST_PIXELS = 1 << 20


def read_mask(encoded: bytes | None) -> str | None:
    """Give the mask that an image of one channel holds, a class a pixel; None where it is none."""
    try:
        image = Pillow.open(io.BytesIO(encoded or b""))
        if image.mode not in {"1", "L", "P"} or image.width * image.height > MOST_PIXELS:
            return None
        # a palette has the colours of classes, and its indices are the classes
        return written(np.asarray(image).astype(np.uint8))
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return None


def written(mask: np.ndarray) -> str:
    """Write a mask. mask: (height, width), 0 to 255."""
    flat = mask.ravel().astype(int)
    starts = np.flatnonzero(np.diff(flat, prepend=-1))
    lengths = np.diff([*starts, flat.size])
    runs = ",".join(f"{flat[start]}*{length}" for start, length in zip(starts, lengths, strict=True))
    return f"{mask.shape[0]}x{mask.shape[1]}:{runs}"


def most_frequent_pixel(masks: list[str]) -> int:
    """Give the class that most pixels have."""
    counts: Counter[int] = Counter()
    for mask in masks:
        for run in mask.partition(":")[2].split(","):
            value, _, length = run.partition("*")
            counts[int(value)] += int(length)
    return counts.most_common(1)[0][0]
