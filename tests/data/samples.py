"""Small data sets on disk, made with the standard library alone."""

from __future__ import annotations

import csv
import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path


def write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    return file


def waves(rows: int, *, start: int = 0) -> list[tuple[float, float, float]]:
    """Give rows of two inputs and a target that depends on both, no two alike."""
    numbers = range(start, start + rows)
    return [(n / 10, math.sin(n), round(3 * n / 10 + math.sin(n), 4)) for n in numbers]


def png(width: int, height: int, levels: Sequence[int]) -> bytes:
    """Encode a grey image; `levels` row by row, 0 to 255."""
    lines = b"".join(b"\0" + bytes(levels[y * width : (y + 1) * width]) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def write_image_folder(folder: Path, *, rows: int = 30, start: int = 0) -> Path:
    """Write images of two classes, `bright` and `dark`, a folder each; file names give the class away."""
    for n in range(start, start + rows):
        name, level = ("bright", 200) if n % 2 else ("dark", 20)
        (folder / name).mkdir(parents=True, exist_ok=True)
        levels = [level + (n // 2 + x) % 50 for x in range(16)]
        levels[0] = n
        (folder / name / f"{name}-{n:03}.png").write_bytes(png(4, 4, levels))
    return folder
