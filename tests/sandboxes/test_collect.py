"""Files are taken out of an untrusted folder without following anything."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ml_intern.core.errors import ToolError
from ml_intern.sandboxes.collect import Collected, TensorHeader, check_safetensors, collect


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "metrics.json").write_text("{}", "utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "secret").write_text("secret", "utf-8")
    return folder


def test_regular_files_are_copied_with_size_and_digest(output: Path, tmp_path: Path) -> None:
    target = tmp_path / "taken"

    taken = collect(output, ["model.safetensors", "inner/metrics.json"], target, max_bytes=100)

    assert taken == (
        Collected(
            name="model.safetensors",
            path=target / "model.safetensors",
            size=7,
            digest=hashlib.sha256(b"weights").hexdigest(),
        ),
        Collected(
            name="inner/metrics.json",
            path=target / "inner" / "metrics.json",
            size=2,
            digest=hashlib.sha256(b"{}").hexdigest(),
        ),
    )
    assert (target / "inner" / "metrics.json").read_text("utf-8") == "{}"


def test_a_second_collection_replaces_the_first(output: Path, tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        (output / "model.safetensors").write_bytes(content)
        collect(output, ["model.safetensors"], tmp_path / "taken", max_bytes=100)

    assert [path.read_bytes() for path in (tmp_path / "taken").iterdir()] == [b"second"]


def _link_to_file(output: Path) -> str:
    (output / "bad").symlink_to(output.parent / "secret")
    return "bad"


def _link_to_folder(output: Path) -> str:
    (output / "bad").symlink_to(output.parent)
    return "bad/secret"


def _hard_link(output: Path) -> str:
    (output / "bad").hardlink_to(output.parent / "secret")
    return "bad"


def _named_pipe(output: Path) -> str:
    os.mkfifo(output / "bad")
    return "bad"


def _folder(output: Path) -> str:
    (output / "bad").mkdir()
    return "bad"


def _climbing(output: Path) -> str:
    del output
    return "../secret"


def _absolute(output: Path) -> str:
    return str(output.parent / "secret")


def _missing(output: Path) -> str:
    del output
    return "bad"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_link_to_file, "bad cannot be taken, because bad is a link"),
        (_link_to_folder, "bad/secret cannot be taken, because bad is a link"),
        (_hard_link, "bad is a hard link"),
        (_named_pipe, "bad is no regular file"),
        (_folder, "bad is no regular file"),
        (_climbing, "no path inside the output folder"),
        (_absolute, "no path inside the output folder"),
        (_missing, "bad was not written"),
    ],
)
def test_everything_but_a_plain_file_is_refused(
    output: Path, tmp_path: Path, make: Callable[[Path], str], message: str
) -> None:
    name = make(output)

    with pytest.raises(ToolError, match=message):
        collect(output, [name], tmp_path / "taken", max_bytes=100)
    assert not (tmp_path / "taken").exists() or not list((tmp_path / "taken").iterdir())


def test_the_limit_holds_for_all_files_together(output: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"inner/metrics\.json passes the limit"):
        collect(output, ["model.safetensors", "inner/metrics.json"], tmp_path / "taken", max_bytes=8)


def test_no_descriptor_is_left_open(output: Path, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("model.safetensors", _link_to_folder(output), "missing/too"):
        try:
            collect(output, [name], tmp_path / "taken", max_bytes=100)
        except ToolError:
            continue

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def safetensors(path: Path, header: Mapping[str, object], content: bytes) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    return path


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_a_sound_weights_file_tells_its_tensors(tmp_path: Path) -> None:
    header = {"__metadata__": {"format": "pt"}, "b": entry([2, 2], 0, 16), "a": entry([], 16, 18, "BF16")}

    tensors = check_safetensors(safetensors(tmp_path / "m", header, bytes(18)))

    assert tensors == (
        TensorHeader(name="a", dtype="BF16", shape=()),
        TensorHeader(name="b", dtype="F32", shape=(2, 2)),
    )


@pytest.mark.parametrize(
    ("header", "size", "message"),
    [
        ({"a": entry([2], 0, 4)}, 4, "'a' does not describe a tensor"),
        ({"a": entry([-1], 0, -4)}, 0, "'a' does not describe a tensor"),
        ({"a": entry([1], 0, 4, "F99")}, 4, "'a' does not describe a tensor"),
        ({"a": 3}, 0, "'a' does not describe a tensor"),
        ({"a": entry([1], 4, 8)}, 8, "hole"),
        ({"a": entry([1], 0, 4), "b": entry([1], 0, 4)}, 4, "overlap"),
        ({"a": entry([1], 0, 4)}, 5, "describes 4 bytes of tensors, the file holds 5"),
        ({"a": entry([1], 0, 4)}, 3, "describes 4 bytes of tensors, the file holds 3"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    tmp_path: Path, header: Mapping[str, object], size: int, message: str
) -> None:
    path = safetensors(tmp_path / "m", header, bytes(size))

    with pytest.raises(ToolError, match=message):
        check_safetensors(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"short", struct.pack("<Q", 1 << 60) + b"{}", struct.pack("<Q", 4) + b"nope", b"\x80\x04pickle...."],
)
def test_other_files_are_no_weights(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m"
    path.write_bytes(content)

    with pytest.raises(ToolError, match="no safetensors file"):
        check_safetensors(path)
