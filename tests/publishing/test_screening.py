"""Nothing leaves that is of another kind than a model's files, or looks like a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_intern.config import Secret
from ml_intern.core.errors import ToolError
from ml_intern.publishing.screening import screen
from publishing.samples import build_sample

KEYS = (
    "hf_" + "aB3" * 12,
    "sk-" + "proj-" + "x1Y" * 10,
    "ghp_" + "a1" * 18,
    "AKIA" + "ABCDEFGH12345678",
    "-----BEGIN RSA " + "PRIVATE KEY-----",
)


def test_the_files_of_a_bundle_pass(tmp_path: Path) -> None:
    bundle = build_sample(tmp_path / "bundle")

    assert screen(bundle.folder) == sorted(bundle.files)


@pytest.mark.parametrize("name", ["weights.bin", "model.pt", "training_args.pkl", ".env", "data.csv", "LICENSE"])
def test_other_kinds_of_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")

    with pytest.raises(ToolError, match=f"{name} is not published"):
        screen(tmp_path)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key[:4])
def test_a_key_in_a_file_is_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    (tmp_path / "modeling.py").write_text(f"TOKEN = '{key}'\n")

    with pytest.raises(ToolError, match=r"modeling\.py seems to contain a secret key") as refused:
        screen(tmp_path)
    assert key not in str(refused.value)


def test_the_token_in_use_is_recognised_whatever_it_looks_like(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"note": "correct horse battery"}')

    with pytest.raises(ToolError, match="secret key"):
        screen(tmp_path, secrets=[Secret("correct horse battery")])


def test_a_key_in_the_header_of_weights_is_found(tmp_path: Path) -> None:
    tensor = '{"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}'
    header = f'{{"__metadata__": {{"note": "{KEYS[0]}"}}, "a": {tensor}}}'.encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"0")

    with pytest.raises(ToolError, match="secret key"):
        screen(tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "more.md").symlink_to("/etc/hostname")

    with pytest.raises(ToolError, match="is a link"):
        screen(tmp_path)
