from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml_intern.core.sandbox import Mount
from ml_intern.verification.asking import SOURCE, answer, confined, nonce_of, write_files


def test_a_request_that_is_asked_again_has_the_same_secret_and_another_one_has_another(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_files(tmp_path / name, {})

    assert nonce_of(tmp_path / "one") == nonce_of(tmp_path / "one") != nonce_of(tmp_path / "other")


@pytest.mark.parametrize("line", ["", "no JSON", "[]", "{}", '{"nonce": "guessed"}', '{"nonce": null}', "[" * 100_000])
def test_a_line_without_the_secret_is_no_answer(line: str) -> None:
    assert answer(line, "s3cret") is None
    assert answer(json.dumps({"nonce": "s3cret", "passed": True}), "s3cret") == {"nonce": "s3cret", "passed": True}


def test_every_probe_sees_the_source_and_can_import_what_the_run_installed(tmp_path: Path) -> None:
    extra = Mount(source=tmp_path, target="/data")

    spec = confined("run", tmp_path, extra)

    assert spec.has_packages
    assert {mount.target for mount in spec.mounts} >= {SOURCE, "/data"}
    assert not any(mount.writable for mount in spec.mounts)
