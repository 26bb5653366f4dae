"""Give each caption of a figure the pictures that belong to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ml_intern.literature.document import Box
from ml_intern.literature.layout.marks import CAPTION
from ml_intern.literature.layout.order import Lines, Picture, Placed


def with_figures(placed: Sequence[Placed], pictures: Sequence[Box]) -> Iterator[Placed]:
    """Put a figure before each caption of one; its place is unknown where it was drawn with lines only."""
    captions = [block for block in placed if isinstance(block, Lines) and CAPTION.match(block.pieces[0].plain)]
    for block in placed:
        if isinstance(block, Lines) and block in captions and block.pieces[0].plain.lower().startswith("fig"):
            others = [caption.box for caption in captions if caption is not block]
            yield Picture(box=_around([box for box in pictures if _belongs(box, block.box, others)]))
        yield block


def _belongs(picture: Box, caption: Box, others: Sequence[Box]) -> bool:
    """Whether `picture` stands over the caption, or right below it, with no other caption nearer."""
    if min(picture.x1, caption.x1) <= max(picture.x0, caption.x0):
        return False
    distance = _distance(picture, caption)
    return distance < 400 and not any(
        _distance(picture, other) < distance and min(picture.x1, other.x1) > max(picture.x0, other.x0)
        for other in others
    )


def _distance(picture: Box, caption: Box) -> float:
    """Give the height between both; captions stand below their figures, so that the other way counts double."""
    below = caption.y0 - picture.y1
    return below if below > -5 else 2 * max(picture.y0 - caption.y1, 0.0) + 5


def _around(boxes: Sequence[Box]) -> Box | None:
    if not boxes:
        return None
    return Box(
        x0=min(b.x0 for b in boxes),
        y0=min(b.y0 for b in boxes),
        x1=max(b.x1 for b in boxes),
        y1=max(b.y1 for b in boxes),
    )
