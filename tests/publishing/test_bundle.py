"""The bundle holds exactly what was verified and trained, or is not built."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from ml_intern.core.errors import ToolError
from ml_intern.publishing.bundle import build, read
from publishing.samples import DATASET, NETWORK, RUN, SOURCE, TRAINED, VERIFIED, build_sample, safetensors


def test_the_network_is_published_byte_for_byte_with_what_it_imports(tmp_path: Path) -> None:
    bundle = build_sample(tmp_path / "bundle")

    assert sorted(bundle.files) == ["config.json", "model.safetensors", "modeling.py", "scaling.py"]
    assert (bundle.folder / "modeling.py").read_bytes() == NETWORK
    assert (bundle.folder / "scaling.py").read_bytes() == SOURCE["scaling.py"]
    assert (bundle.folder / "model.safetensors").read_bytes() == safetensors()


def test_the_configuration_says_how_to_construct_the_network_and_what_it_predicts(tmp_path: Path) -> None:
    bundle = build_sample(tmp_path / "bundle")

    assert json.loads((bundle.folder / "config.json").read_text()) == {
        "architecture": "Net",
        "arguments": {"classes": 3},
        "classes": ["daisy", "poppy", "rose"],
        "inputs": [{"name": n, "kind": "number", "detail": ""} for n in ("width", "length")],
        "target": "kind",
        "task": "classification",
        "library": "pytorch",
        "run": RUN,
    }


def test_the_digest_is_that_of_the_listing_which_sha256sum_prints(tmp_path: Path) -> None:
    bundle = build_sample(tmp_path / "bundle")

    names = ["config.json", "model.safetensors", "modeling.py", "scaling.py"]
    digests = [hashlib.sha256((bundle.folder / name).read_bytes()).hexdigest() for name in names]
    listing = "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True))
    assert bundle.digest == hashlib.sha256(listing.encode()).hexdigest()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "modeling.py", "scaling.py"])
def test_a_change_of_any_file_changes_the_digest(tmp_path: Path, name: str) -> None:
    before = build_sample(tmp_path / "bundle")
    file = before.folder / name
    file.write_bytes(file.read_bytes() + b"\n")

    assert read(before.folder).digest != before.digest


def test_building_the_same_again_leaves_the_folder_to_whoever_still_reads_it(tmp_path: Path) -> None:
    first = build_sample(tmp_path / "bundle")
    before = (tmp_path / "bundle").stat().st_ino

    assert build_sample(tmp_path / "bundle") == first
    assert (tmp_path / "bundle").stat().st_ino == before
    (tmp_path / "bundle" / "config.json").write_text("{}")
    assert build_sample(tmp_path / "bundle") == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "trained.safetensors"]


def test_weights_that_are_not_those_of_the_training_are_refused_and_the_old_bundle_stays(tmp_path: Path) -> None:
    before = build_sample(tmp_path / "bundle")

    with pytest.raises(ToolError, match="changed since it ended"):
        build_sample(tmp_path / "bundle", weights=safetensors(fill=0.25))
    assert read(tmp_path / "bundle") == before


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"linear.weight": [1.0]}),
        b"",
        b"\x05",
        safetensors()[:-1],
        safetensors() + b"\0",
        (1 << 40).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}" + b"rest",
        (2).to_bytes(8, "little") + b"[]",
    ],
    ids=["pickle", "empty", "short", "cut", "longer", "huge header", "no tensors", "list"],
)
def test_what_is_no_whole_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    trained = replace(TRAINED, weights_digest=hashlib.sha256(content).hexdigest())

    with pytest.raises(ToolError, match="no safetensors file"):
        build_sample(tmp_path / "bundle", weights=content, trained=trained)


def test_weights_behind_a_link_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(safetensors())
    link = tmp_path / "link.safetensors"
    link.symlink_to(tmp_path / "real")

    with pytest.raises(ToolError, match="links are not followed"):
        build(
            tmp_path / "bundle",
            trained=TRAINED,
            network=VERIFIED,
            dataset=DATASET,
            source=SOURCE,
            weights=link,
            run=RUN,
        )


def test_a_training_of_another_network_cannot_be_bundled(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="did not train this network"):
        build_sample(tmp_path / "bundle", trained=replace(TRAINED, source_digest="0" * 64))


def test_an_import_that_takes_the_published_name_is_refused(tmp_path: Path) -> None:
    weights = tmp_path / "w"
    weights.write_bytes(safetensors())
    source = {"network.py": NETWORK, "modeling.py": b""}

    with pytest.raises(ToolError, match="called modeling"):
        build(
            tmp_path / "bundle",
            trained=TRAINED,
            network=VERIFIED,
            dataset=DATASET,
            source=source,
            weights=weights,
            run=RUN,
        )


def test_a_foreign_file_or_a_link_in_the_bundle_is_noticed(tmp_path: Path) -> None:
    bundle = build_sample(tmp_path / "bundle")
    (bundle.folder / "training_args.bin").write_bytes(b"")
    with pytest.raises(ToolError, match="training_args"):
        read(bundle.folder)

    (bundle.folder / "training_args.bin").unlink()
    (bundle.folder / "more.py").symlink_to("/etc/passwd")
    with pytest.raises(ToolError, match=r"more\.py is a link"):
        read(bundle.folder)


def test_without_a_bundle_the_model_is_told_to_evaluate(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="evaluate the trained model first"):
        read(tmp_path / "bundle")
