"""Weights that are another's model, byte for byte, are refused; a kept base and an honest repetition are told."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from ml_intern.core.facts import Finding
from ml_intern.publishing.lineage import Checkpoint, alike, compare, hub_cache, known
from publishing.samples import TRAINED


def write(file: Path, **seeds: int) -> Path:
    """Write one 8x8 tensor a name, drawn from its seed, and a bias that all files share."""
    header: dict[str, object] = {}
    body = b""
    for name, seed in seeds.items():
        chance = random.Random(seed)
        values = struct.pack("<64f", *(chance.gauss(0, 1) for _ in range(64)))
        header[name] = {"dtype": "F32", "shape": [8, 8], "data_offsets": [len(body), len(body) + 256]}
        body += values
    header["bias"] = {"dtype": "F32", "shape": [2], "data_offsets": [len(body), len(body) + 8]}
    text = json.dumps(header).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(len(text).to_bytes(8, "little") + text + body + bytes(8))
    return file


def found(own: Mapping[str, int], other: Mapping[str, int], folder: Path, **made: tuple[str, str]) -> list[Finding]:
    checkpoint = Checkpoint(file=write(folder / "other.safetensors", **other), name="org/base", revision="abc", **made)
    return list(compare(write(folder / "own.safetensors", **own), TRAINED, [checkpoint]))


@pytest.mark.parametrize(
    ("own", "other", "refuses"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, [True]),
        ({"x": 1, "y": 2}, {"a": 1, "b": 2, "c": 3}, [True]),  # other names, and part of a larger one
        ({"a": 1, "b": 2}, {"a": 1, "b": 9}, [False]),  # a frozen body with a head of its own
        ({"a": 1, "b": 2}, {"a": 8, "b": 9}, []),  # the biases of both are zero
    ],
)
def test_all_tensors_of_another_are_its_model(
    own: Mapping[str, int], other: Mapping[str, int], refuses: list[bool], tmp_path: Path
) -> None:
    assert [one.refuses for one in found(own, other, tmp_path)] == refuses


def test_the_same_script_on_the_same_data_may_give_the_same_weights(tmp_path: Path) -> None:
    by = (TRAINED.script_digest, TRAINED.dataset_digest)

    (told,) = found({"a": 1}, {"a": 1}, tmp_path, made_by=by)

    assert (told.name, told.refuses) == ("known_weights", False)


def test_publications_and_the_cache_of_the_hub_are_known_with_revision_and_maker(tmp_path: Path) -> None:
    published = write(tmp_path / "models" / "local" / "flowers" / "model.safetensors", a=1)
    made = {"trained": {"script_digest": "s", "dataset_digest": "d"}}
    (published.parent / "provenance.json").write_text(json.dumps(made), "utf-8")
    blob = write(tmp_path / "cache" / "models--org--base" / "blobs" / "0a", a=2)
    link = tmp_path / "cache" / "models--org--base" / "snapshots" / "abc" / "model.safetensors"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)

    there = {one.title: one.made_by for one in known(tmp_path / "models", tmp_path / "cache")}

    assert there == {"the publication local/flowers": ("s", "d"), "org/base@abc": ("", "")}
    assert known(tmp_path / "nothing", tmp_path / "nothing") == []


def test_checkpoints_with_tensors_of_our_names_and_shapes_are_like_ours(tmp_path: Path) -> None:
    own = write(tmp_path / "own.safetensors", **{"body.layer.weight": 1, "head.weight": 2, "tail.weight": 3})
    names = {"same": ("body.layer.weight", "head.weight", "x"), "inner": ("layer.weight", "tail.weight"), "few": ("x",)}
    files = {name: write(tmp_path / name, **dict.fromkeys(given, 9)) for name, given in names.items()}

    found = alike(own, [Checkpoint(file=file, name=name) for name, file in files.items()])

    assert [(one.checkpoint.name, one.pairs, one.shared, one.elements) for one in found] == [
        ("same", (("body.layer.weight",) * 2, ("head.weight",) * 2, ("bias",) * 2), 130, 194),
        ("inner", (("body.layer.weight", "layer.weight"), ("tail.weight",) * 2, ("bias",) * 2), 130, 194),
    ]


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"no header at all")
    damaged = Checkpoint(file=tmp_path / "bad.safetensors", name="bad")

    assert compare(write(tmp_path / "own.safetensors", a=1), TRAINED, [damaged]) == ()


def test_the_cache_is_where_the_client_keeps_it() -> None:
    assert hub_cache({"HF_HUB_CACHE": "/x"}) == Path("/x")
    assert hub_cache({"HF_HOME": "/y"}) == Path("/y/hub")
    assert hub_cache({"HOME": "/z"}) == Path("/z/.cache/huggingface/hub")
