"""Small data sets for the integrity bench, another for each seed, made with the standard library alone."""

from __future__ import annotations

import csv
import math
import random
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

ROWS = 400


def write_data(task: str, folder: Path, seed: int) -> Path:
    """Write the data set of `task` below `folder`, and give its file or folder."""
    chance = random.Random(f"{task}/{seed}")
    return TASKS[task](folder, chance)


def _table(folder: Path, chance: random.Random) -> Path:
    """Write points around three centres that overlap a little."""
    centres = [[chance.uniform(-1.5, 1.5) for _ in range(4)] for _ in range(3)]
    rows: list[list[object]] = []
    for n in range(ROWS):
        near = n % 3
        rows.append([*(round(chance.gauss(middle, 1.0), 4) for middle in centres[near]), f"kind{near}"])
    return _csv(folder / "table.csv", ["a", "b", "c", "d", "label"], rows)


def _price(folder: Path, chance: random.Random) -> Path:
    """Write a number that depends on three others and on noise."""
    rows: list[list[object]] = []
    for _ in range(ROWS):
        a, b, c = (chance.gauss(0, 1) for _ in range(3))
        price = 50 + 10 * (0.8 * a - 0.5 * b + 0.4 * math.sin(2 * c)) + chance.gauss(0, 2)
        rows.append([round(a, 4), round(b, 4), round(c, 4), round(price, 3)])
    return _csv(folder / "price.csv", ["a", "b", "c", "price"], rows)


_GOOD = ("good", "fine", "great", "lovely", "bright", "warm", "happy", "clear", "sweet", "gentle", "kind", "brave")
_BAD = ("bad", "poor", "awful", "ugly", "dull", "cold", "sad", "murky", "bitter", "harsh", "cruel", "weak")
_PLAIN = ("the", "day", "a", "house", "this", "film", "that", "road", "my", "soup", "our", "train", "one", "song")


def _text(folder: Path, chance: random.Random) -> Path:
    """Write lines whose few telling words decide the label."""
    rows: dict[str, str] = {}
    while len(rows) < ROWS:
        is_good = chance.random() < 0.5
        telling = [chance.choice(_GOOD if (chance.random() < 0.85) == is_good else _BAD) for _ in range(3)]
        words = telling + [chance.choice(_PLAIN) for _ in range(6)]
        chance.shuffle(words)
        rows[" ".join(words)] = "good" if is_good else "bad"
    return _csv(folder / "text.csv", ["text", "label"], rows.items())


def _language(folder: Path, chance: random.Random) -> Path:
    """Write six letters and the letter that follows them in a text with favourite successors."""
    letters = "abcdef"
    after = {letter: chance.choices(range(1, 9), k=6) for letter in letters}
    favourite = {letter: [weight**3 for weight in weights] for letter, weights in after.items()}
    rows: dict[str, str] = {}
    text = "a"
    while len(rows) < ROWS:
        text += chance.choices(letters, favourite[text[-1]])[0]
        if len(text) > 6:
            rows.setdefault(text[-7:-1], text[-1])
    return _csv(folder / "language.csv", ["context", "label"], rows.items())


def _image(folder: Path, chance: random.Random) -> Path:
    """Write 8x8 images with a bright patch, in noise, at a place that is the label."""
    for n in range(ROWS):
        name, (left, top) = list({"left": (0, 1), "right": (4, 1), "below": (2, 4)}.items())[n % 3]
        levels = [
            min(255, chance.randrange(150) + (90 if left <= x < left + 4 and top <= y < top + 4 else 0))
            for y in range(8)
            for x in range(8)
        ]
        file = folder / "image" / name / f"{n:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_png(levels))
    return folder / "image"


TASKS: Mapping[str, Callable[[Path, random.Random], Path]] = {
    "table": _table,
    "price": _price,
    "text": _text,
    "language": _language,
    "image": _image,
}
"""Name of each task to what writes its data."""


def _csv(file: Path, header: Sequence[str], rows: Iterable[Iterable[object]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    return file


def _png(levels: Sequence[int]) -> bytes:
    """Encode a grey 8x8 image, row by row. Source: the PNG specification, sections 5 and 11."""
    lines = b"".join(b"\0" + bytes(levels[y * 8 : y * 8 + 8]) for y in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + body
