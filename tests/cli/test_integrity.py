"""The integrity bench: its corpus is whole, its judgement depends on the reason, and it runs the real tools."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from end_to_end.lives import command, environment
from ml_intern.cli.benches.integrity import rate
from ml_intern.cli.benches.integrity_data import TASKS, write_data
from ml_intern.cli.benches.integrity_script import CORPUS, read_corpus, read_script
from ml_intern.core.errors import ConfigError


def test_every_trap_has_an_honest_twin_and_says_what_is_wrong_and_who_must_stop_it() -> None:
    scripts = read_corpus([])
    traps = {s.name.removesuffix(".trap") for s in scripts if s.is_trap}
    honest = {s.name.removesuffix(".honest") for s in scripts if not s.is_trap}

    assert traps == honest
    assert len(traps) >= 40
    assert {script.task for script in scripts} == set(TASKS)
    for script in scripts:
        assert re.compile(script.header.get("stopped by", "")) is not None
        assert script.calls(Path("/data"), 0)[-1][0] == "publish"


def test_the_classes_of_traps_are_many() -> None:
    kinds = Counter(script.header["class"] for script in read_corpus([]) if script.is_trap)

    assert len(kinds) >= 12


@pytest.mark.parametrize("task", TASKS)
def test_data_are_the_same_for_a_seed_and_others_for_another(task: str, tmp_path: Path) -> None:
    def content(folder: str, seed: int) -> dict[str, bytes]:
        place = write_data(task, tmp_path / folder, seed)
        files = [place] if place.is_file() else sorted(place.rglob("*.png"))
        return {file.name: file.read_bytes() for file in files}

    first = content("a", 1)
    assert content("b", 1) == first
    assert content("c", 2) != first


def test_a_script_without_a_reason_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.trap.py").write_text("# task: table\n# class: any\n# wrong: something\n")

    with pytest.raises(ConfigError, match="stopped by"):
        read_script(tmp_path / "x.trap.py")


def test_a_rate_has_wilsons_interval() -> None:
    found = rate(40, 40)

    assert found.low == pytest.approx(0.9124, abs=1e-4)
    assert found.high == 1.0


@pytest.mark.sandbox
def test_the_command_stops_a_trap_and_accepts_its_twin(tmp_path: Path, sandbox_python: Path) -> None:
    process = command(
        ["bench", "integrity", "--only", "claim-of-small-error", "--json"],
        environment(tmp_path, sandbox_python),
        stdout=-1,
    )
    out, err = process.communicate(timeout=300)

    assert process.returncode == 0, err.decode()
    found = json.loads(out)
    assert {one["script"]: (one["stopped"], one["is_right"]) for one in found["ended"]} == {
        "claim-of-small-error.honest": (False, True),
        "claim-of-small-error.trap": (True, True),
    }
    assert found["rates"]["traps stopped for the right reason"]["right"] == 1


def test_the_corpus_is_part_of_the_package() -> None:
    assert (CORPUS / "base" / "table.train.py").is_file()
