"""Take the text files out of what arXiv calls an e-print, in memory: nothing is written to a path of its choice."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

from ml_intern.literature.document import Refusal

Files: TypeAlias = Mapping[str, str]
"""Text by path inside the archive, `/` between folders."""

UNPACKED_LIMIT = 200_000_000
"""Bytes of the archive without its compression; pictures are in it as well."""
TEXT_LIMIT = 20_000_000
"""Bytes of all files that are read as text."""
MEMBER_LIMIT = 5_000
READ = frozenset({".tex", ".ltx", ".latex", ".bbl", ".sty", ".cls", ".json", ".xxx", ".txt", ""})
"""Endings of files that may hold text of a paper, or its macros, or name the main file."""


def unpack(body: bytes) -> Files | Refusal:
    """Give the text files of an e-print: an archive or one file, compressed or not. Links and devices are left out."""
    try:
        plain = _decompressed(body)
    except (OSError, EOFError, zlib.error) as error:
        return Refusal(reason=f"the source is damaged: {error}")
    if plain is None:
        return Refusal(reason=f"the source is larger than {UNPACKED_LIMIT // 1_000_000} MB")
    if plain.startswith(b"%PDF-"):
        return Refusal(reason="the authors sent a PDF and no TeX")
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            return _read(archive)
    except tarfile.TarError:
        return _single(plain)


def _single(plain: bytes) -> Files | Refusal:
    """Take the body for the one file that it is where it is no archive."""
    if len(plain) > TEXT_LIMIT:
        return Refusal(reason=f"the source has more than {TEXT_LIMIT // 1_000_000} MB of text")
    return {"main.tex": _decoded(plain)} if b"\\" in plain else Refusal(reason="the source is no TeX")


def _decompressed(body: bytes) -> bytes | None:
    """Undo gzip, if any; None for more than `UNPACKED_LIMIT`."""
    if not body.startswith(b"\x1f\x8b"):
        return body if len(body) <= UNPACKED_LIMIT else None
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
        plain = file.read(UNPACKED_LIMIT + 1)
    return plain if len(plain) <= UNPACKED_LIMIT else None


def _read(archive: tarfile.TarFile) -> Files | Refusal:
    files: dict[str, str] = {}
    room = TEXT_LIMIT
    for count, (name, member) in enumerate(_members(archive)):
        room -= member.size
        if room < 0:
            return Refusal(reason=f"the source has more than {TEXT_LIMIT // 1_000_000} MB of text")
        if count >= MEMBER_LIMIT:
            return Refusal(reason=f"the source has more than {MEMBER_LIMIT} files")
        opened = archive.extractfile(member)
        if opened is not None:
            files[name] = _decoded(opened.read())
    return files


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Give ordinary files of text with a path that stays inside."""
    for member in archive:
        path = PurePosixPath(member.name)
        parts = [part for part in path.parts if part != "."]
        is_inside = parts and not path.is_absolute() and ".." not in parts
        if member.isreg() and is_inside and path.suffix.lower() in READ:
            yield "/".join(parts), member


def _decoded(body: bytes) -> str:
    """Read UTF-8, else Latin-1, which every byte is valid in."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")
