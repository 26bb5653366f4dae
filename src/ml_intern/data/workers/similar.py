"""Find rows that are almost the same: reworded texts by MinHash, re-encoded images by their normalised thumbnails.

A near duplicate must be near in itself and stand out: where a row is as near to many others (a form letter, frames
of one scene, drawings that all look alike), it is a crowd, which is told and not removed.
"""

from __future__ import annotations

import io
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from PIL import Image as Pillow

MOST = 60_000
"""Rows of a part that are compared; more are left out."""

CROWD = 5
"""Neighbours as near as that make a crowd and no duplicate."""

_FEWEST_WORDS = 5
_BANDS, _ROWS = 24, 4
"""24 bands of 4 minima find pairs of Jaccard similarity 0.6 with probability 0.96, of 0.7 with 0.999."""
_LEAST_BIGRAMS, _LEAST_WORDS = 0.6, 0.85
_CANDIDATES = 60

_SIDE = 16
_LEAST_CONTRAST = 4.0
"""Standard deviation of grey levels (0 to 255) below which an image says too little."""
_FEWEST_PIXELS = 64
_LEAST_CORRELATION = 0.985
_STANDS_OUT = 0.4
"""A duplicate is nearer than this share of the distance to the neighbour behind the crowd."""
_BLOCK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """For positions of `earlier`: which one of `later` each is almost like; and positions of `later` in a crowd."""

    pairs: dict[int, int] = field(default_factory=dict)
    crowded: tuple[int, ...] = ()


def similar_texts(later: Sequence[str], earlier: Sequence[str]) -> Similar:
    """Find texts of `earlier` that reword one of `later`: few words differ, whatever case and punctuation."""
    words = [_words(text) for text in earlier[:MOST]]
    index: dict[tuple[int, bytes], list[int]] = {}
    for place, own in enumerate(words):
        for key in _bands(own):
            index.setdefault(key, []).append(place)
    pairs: dict[int, int] = {}
    crowded: list[int] = []
    for asked, text in enumerate(later[:MOST]):
        own = _words(text)
        near = [place for place in _candidates(index, own) if _is_reworded(own, words[place])]
        same = [place for place in near if words[place] == own]
        if len(near) - len(same) > CROWD:
            crowded.append(asked)
            near = same
        pairs.update(dict.fromkeys(near, asked))
    return Similar(pairs=pairs, crowded=tuple(crowded))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _candidates(index: dict[tuple[int, bytes], list[int]], words: list[str]) -> list[int]:
    counted = Counter(place for key in _bands(words) for place in index.get(key, ())[:_CANDIDATES])
    return [place for place, _ in counted.most_common(_CANDIDATES)]


def _bands(words: list[str]) -> list[tuple[int, bytes]]:
    """Give the keys under which similar texts meet (MinHash; Broder 1997). Short texts have none."""
    if len(words) < _FEWEST_WORDS:
        return []
    bigrams = {zlib.crc32(f"{a} {b}".encode("utf-8", "surrogatepass")) for a, b in pairwise(words)}
    hashes = np.fromiter(bigrams, dtype=np.uint64)  # (bigrams,)
    minima = ((hashes[None] * _FACTORS[:, None] + _OFFSETS[:, None]) >> np.uint64(32)).min(axis=1)  # (bands * rows,)
    rows = minima.astype(np.uint32).reshape(_BANDS, _ROWS)
    return [(band, rows[band].tobytes()) for band in range(_BANDS)]


_GENERATOR = np.random.default_rng(0)
_FACTORS = _GENERATOR.integers(1, 2**63, _BANDS * _ROWS, dtype=np.uint64) | np.uint64(1)
_OFFSETS = _GENERATOR.integers(0, 2**63, _BANDS * _ROWS, dtype=np.uint64)


def _is_reworded(first: list[str], second: list[str]) -> bool:
    shared = sum((Counter(first) & Counter(second)).values())
    if 2 * shared < _LEAST_WORDS * (len(first) + len(second)):
        return False
    a, b = set(pairwise(first)), set(pairwise(second))
    return len(a & b) >= _LEAST_BIGRAMS * len(a | b)


def similar_images(later: Sequence[bytes], earlier: Sequence[bytes]) -> Similar:
    """Find images of `earlier` that are one of `later` re-encoded, resized, or of other brightness or contrast."""
    asked, known = thumbnails(later[:MOST]), thumbnails(earlier[:MOST])
    if len(known) <= CROWD + 1:
        return Similar()
    pairs: dict[int, int] = {}
    crowded: list[int] = []
    for start in range(0, len(asked), _BLOCK):
        correlation = asked[start : start + _BLOCK] @ known.T  # (block, known)
        behind = np.partition(correlation, -CROWD - 1, axis=1)[:, -CROWD - 1]  # (block,)
        for row in np.flatnonzero(correlation.max(axis=1) >= _LEAST_CORRELATION).tolist():
            if behind[row] >= _LEAST_CORRELATION:
                crowded.append(start + row)
            limit = max(_LEAST_CORRELATION, 1 - _STANDS_OUT**2 * (1 - behind[row]))
            found = np.flatnonzero(correlation[row] >= limit).tolist()
            pairs.update(dict.fromkeys(found if len(found) <= CROWD else [], start + row))
    return Similar(pairs=pairs, crowded=tuple(crowded))


def thumbnails(images: Sequence[bytes]) -> np.ndarray:
    """Give grey thumbnails of mean 0 and length 1, so that products are correlations; (images, 256), flat ones 0."""
    made = np.zeros((len(images), _SIDE * _SIDE), dtype=np.float32)
    for place, encoded in enumerate(images):
        levels = _levels(encoded)
        if levels.std() >= _LEAST_CONTRAST:
            centred = levels - levels.mean()
            made[place] = centred / np.linalg.norm(centred)
    return made


def _levels(encoded: bytes) -> np.ndarray:
    """Give grey levels, (256,); all 0 where the image is tiny or cut off."""
    try:
        image = Pillow.open(io.BytesIO(encoded))
        if image.width * image.height < _FEWEST_PIXELS:
            return np.zeros(_SIDE * _SIDE, dtype=np.float32)
        image.draft("L", (_SIDE * 4, _SIDE * 4))  # a JPEG is decoded no larger than needed
        small = image.convert("L").resize((_SIDE, _SIDE), Pillow.Resampling.BOX)
    except (OSError, ValueError, SyntaxError):
        return np.zeros(_SIDE * _SIDE, dtype=np.float32)
    return np.asarray(small, dtype=np.float32).ravel()
