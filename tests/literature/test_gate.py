from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from literature.arxiv_server import ArXiv
from literature.virtual_time import VirtualTime
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.literature.gate import Gate

# Each process takes turns on a clock that all share as a file; only who holds the gate moves it.
TURNS = """
import os, sys
from pathlib import Path
from ml_intern.literature.gate import Gate

folder, name = Path(sys.argv[1]), sys.argv[2]
now = folder / "clock"
def clock(): return float(now.read_text())
def sleep(seconds): now.write_text(str(clock() + seconds))

print("ready", flush=True)
sys.stdin.readline()
gate = Gate(folder / "gate", clock=clock, sleep=sleep)
for turn in range(5):
    with gate.turn():
        os.close(os.open(folder / "inside", os.O_CREAT | os.O_EXCL))
        with (folder / "log").open("a") as log:
            log.write(f"{name} {clock()}\\n")
        sleep(0.5)
        (folder / "inside").unlink()
"""

DEATH = """
import os, sys
from pathlib import Path
from ml_intern.literature.gate import Gate

with Gate(Path(sys.argv[1]), clock=lambda: 1000.0, sleep=lambda seconds: None).turn():
    os._exit(0)
"""


def _run_together(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[str, int]]:
    """Wait until each has said that it is ready, let all go, and give what they said and their statuses."""
    pipes = [(process.stdin, process.stdout) for process in processes]
    said = [output.readline() for _, output in pipes if output]
    for start, _ in pipes:
        assert start
        start.write("go\n")
        start.flush()
    for process in processes:
        process.communicate(timeout=60)
    return [(greeting, process.returncode) for greeting, process in zip(said, processes, strict=True)]


ASK = """
import sys
from pathlib import Path
from ml_intern.literature.client import Client
from ml_intern.literature.gate import Gate

client = Client(Gate(Path(sys.argv[1]), interval=float(sys.argv[3])))
print("ready", flush=True)
sys.stdin.readline()
client.get(sys.argv[2], limit=1000)
client.close()
"""


def test_twenty_processes_together_ask_the_service_no_faster_than_one(tmp_path: Path, arxiv: ArXiv) -> None:
    interval = 0.3
    arxiv.files["/pdf/x"] = b"%PDF-"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, str(tmp_path), f"{arxiv.base}/pdf/x", str(interval)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(20)
    ]

    outputs = _run_together(processes)

    assert outputs == [("ready\n", 0)] * 20
    assert len(arxiv.moments) == 20
    assert min(after - before for before, after in itertools.pairwise(arxiv.moments)) >= interval


def gate(folder: Path, time: VirtualTime) -> Gate:
    return Gate(folder, clock=time.clock, sleep=time.sleep)


def test_two_processes_never_send_at_once_nor_within_three_seconds(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("1000.0")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TURNS, str(tmp_path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("first", "second")
    ]
    outputs = _run_together(processes)
    turns = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    moments = [float(moment) for _, moment in turns]

    assert outputs == [("ready\n", 0)] * 2
    assert sorted(name for name, _ in turns) == ["first"] * 5 + ["second"] * 5
    assert min(after - before for before, after in itertools.pairwise(moments)) >= 3.1


def test_the_first_turn_is_at_once_and_the_second_waits_for_the_rest_of_the_interval(
    tmp_path: Path, time: VirtualTime
) -> None:
    with gate(tmp_path, time).turn():
        time.now += 5
    time.now += 1
    with gate(tmp_path, time).turn():
        pass

    assert time.slept == [2.1]


def test_a_process_that_died_during_its_request_still_counts(tmp_path: Path, time: VirtualTime) -> None:
    subprocess.run([sys.executable, "-c", DEATH, str(tmp_path)], check=True)
    time.now = 1001.0
    with gate(tmp_path, time).turn():
        pass

    assert time.slept == [2.1]


def test_a_failed_request_counts_like_any_other(tmp_path: Path, time: VirtualTime) -> None:
    with pytest.raises(ValueError, match="lost"), gate(tmp_path, time).turn():
        raise ValueError("lost")
    with gate(tmp_path, time).turn():
        pass

    assert time.slept == [3.1]


def test_a_pause_that_the_service_asks_for_holds_for_everybody(tmp_path: Path, time: VirtualTime) -> None:
    with gate(tmp_path, time).turn() as stay_away:
        stay_away(40)
    with gate(tmp_path, time).turn():
        pass

    assert time.slept == [40]


def test_a_pause_too_long_to_wait_for_is_told_with_its_end(tmp_path: Path, time: VirtualTime) -> None:
    with gate(tmp_path, time).turn() as stay_away:
        stay_away(600)

    with pytest.raises(ToolError, match=r"Try again after 08:10:00 UTC \(in 600 s\)"), gate(tmp_path, time).turn():
        pass
    assert time.slept == []


@pytest.mark.parametrize("content", [b"", b"soon", b"1799999999.0 and more"])
def test_a_damaged_file_does_not_stop_anybody(tmp_path: Path, time: VirtualTime, content: bytes) -> None:
    (tmp_path / "gate").write_bytes(content)
    with gate(tmp_path, time).turn():
        pass

    assert time.slept == []


@pytest.mark.parametrize("content", [b"1900000000.0", b"inf", b"nan"])
def test_a_time_that_cannot_be_true_costs_no_more_than_one_interval(
    tmp_path: Path, time: VirtualTime, content: bytes
) -> None:
    (tmp_path / "gate").write_bytes(content)
    with gate(tmp_path, time).turn():
        pass

    assert sum(time.slept) <= 3.1


def test_a_folder_that_cannot_be_made_is_for_the_person_to_mend(tmp_path: Path, time: VirtualTime) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="ML_INTERN_HOME"), gate(tmp_path / "file" / "arxiv", time).turn():
        pass
