"""A weights file is judged by its header; nothing of it is loaded."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from ml_intern.core.errors import ToolError
from ml_intern.core.safetensors import WeightsFile, check_weights

GOOD = {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}


def encode(header: object, data: bytes = b"\0" * 16) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def test_a_sound_file_is_measured_and_digested(tmp_path: Path) -> None:
    two = {**GOOD, "b": {"dtype": "BF16", "shape": [], "data_offsets": [16, 18]}, "__metadata__": {"format": "pt"}}
    content = encode(two, b"\1" * 18)
    (tmp_path / "w").write_bytes(content)

    digest = hashlib.sha256(content).hexdigest()

    assert check_weights(tmp_path, "w") == WeightsFile(digest=digest, size=len(content), tensors=2, elements=5)


@pytest.mark.parametrize(
    "content",
    {
        "empty": b"",
        "no header": (10**12).to_bytes(8, "little") + b"{}",
        "not JSON": encode(b"{]"),
        "a list": encode([1]),
        "nested too deep": encode(b"[" * 200_000),
        "no tensors": encode({}, b""),
        "the same name twice": encode(json.dumps(GOOD)[:-1].encode() + b", " + json.dumps(GOOD)[1:].encode()),
        "an unknown type": encode({"a": {"dtype": "F31", "shape": [4], "data_offsets": [0, 16]}}),
        "a negative size": encode({"a": {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}}),
        "a size that is a truth value": encode({"a": {"dtype": "F32", "shape": ["4"], "data_offsets": [0, 16]}}),
        "too few bytes for the shape": encode(
            {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 12]}}, b"0" * 12
        ),
        "a hole": encode({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}),
        "overlap": encode({**GOOD, "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}),
        "cut off": encode(GOOD, b"0" * 15),
        "too long": encode(GOOD, b"0" * 17),
    }.values(),
)
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w").write_bytes(content)

    with pytest.raises(ToolError):
        check_weights(tmp_path, "w")


def test_links_pipes_and_second_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(encode(GOOD))
    (tmp_path / "link").symlink_to("good")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "twice").hardlink_to(tmp_path / "good")

    for name in ("link", "pipe", "twice", "none", "../good"):
        with pytest.raises(ToolError):
            check_weights(tmp_path, name)


def test_a_header_made_to_take_for_ever_is_refused_at_once(tmp_path: Path) -> None:
    entry = {"dtype": "U8", "shape": [(1 << 48) - 1] * 1_000_000, "data_offsets": [0, 16]}
    (tmp_path / "w").write_bytes(encode({"a": entry}))

    with pytest.raises(ToolError, match="not sound"):
        check_weights(tmp_path, "w")


@pytest.mark.parametrize("header", [{**GOOD, "__metadata__": {"a": 1}}, {**GOOD, "__metadata__": []}])
def test_metadata_are_words_by_name(tmp_path: Path, header: object) -> None:
    (tmp_path / "w").write_bytes(encode(header))

    with pytest.raises(ToolError, match="metadata"):
        check_weights(tmp_path, "w")


def test_a_header_in_another_encoding_than_the_librarys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(encode(json.dumps(GOOD).encode("utf-16")))

    with pytest.raises(ToolError, match="no safetensors file"):
        check_weights(tmp_path, "w")
