"""Whether a training read its data is told by the kernel, not by the training."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml_intern.core.facts import FileRead
from ml_intern.core.sandbox import JobSpec, Mount, Observed, SandboxBackend, SandboxSpec
from ml_intern.sandboxes.docker import DockerBackend
from ml_intern.verification import witness

BYTES = 4 << 20

WAYS = {
    "all": "open('/data/search.parquet', 'rb').read()",
    "mapped": "import mmap; f = open('/data/search.parquet', 'rb'); "
    "sum(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[::4096])",
    "by a child": "import subprocess; subprocess.run(['cat', '/data/search.parquet'], stdout=subprocess.DEVNULL)",
    "a look only": "import os; os.path.exists('/data/search.parquet'); os.listdir('/data'); "
    "os.stat('/data/search.parquet')",
    "the head": "open('/data/search.parquet', 'rb').read(8)",
    "another": "open('/data/selection.parquet', 'rb').read()",
}


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    folder = tmp_path / "visible"
    folder.mkdir()
    (folder / "search.parquet").write_bytes(os.urandom(BYTES))
    (folder / "selection.parquet").write_bytes(os.urandom(1 << 14))
    (folder / "dataset.json").write_text("{}", "utf-8")
    return folder


def trained_by(backend: SandboxBackend, parts: Path, call: Path, code: str) -> tuple[FileRead, ...]:
    copy = witness.lay_out(parts, call)
    job = JobSpec(
        directory=call / "job",
        argv=("python", "-I", "-c", code),
        observed=witness.observed(copy),
        timeout=120,
    )
    spec = SandboxSpec(run="test", mounts=(Mount(source=copy, target="/data"),), working_directory="/tmp")
    ended = backend.start(spec, job).wait(on_event=lambda event: None)
    assert ended.ok, ended.output
    return witness.testify(call, ended.observed)


def search_of(read: tuple[FileRead, ...]) -> FileRead:
    return next(file for file in read if file.name == "search.parquet")


@pytest.mark.sandbox
@pytest.mark.parametrize("way", ["all", "mapped", "by a child"])
def test_a_script_that_reads_the_search_part_in_whatever_way_is_believed(
    way: str, backend: SandboxBackend, parts: Path, tmp_path: Path
) -> None:
    read = trained_by(backend, parts, tmp_path / "call", WAYS[way])

    search = search_of(read)
    assert (search.bytes, search.opened) == (BYTES, 1)
    assert search.covered in {None, 1.0}
    assert witness.problem(read) == ""


@pytest.mark.sandbox
@pytest.mark.parametrize("way", ["a look only", "another"])
def test_a_script_that_never_opens_the_search_part_is_found_out(
    way: str, backend: SandboxBackend, parts: Path, tmp_path: Path
) -> None:
    read = trained_by(backend, parts, tmp_path / "call", WAYS[way])

    assert search_of(read).opened == 0
    assert "never opened /data/search.parquet" in witness.problem(read)


@pytest.mark.sandbox
def test_a_script_that_reads_only_the_head_of_the_search_part_is_found_out_where_the_kernel_can_tell(
    backend: SandboxBackend, parts: Path, tmp_path: Path
) -> None:
    read = trained_by(backend, parts, tmp_path / "call", WAYS["the head"])

    covered = search_of(read).covered
    assert covered is None or covered < 0.2
    assert ("of /data/search.parquet" in witness.problem(read)) == (covered is not None)


@pytest.mark.sandbox
def test_what_others_read_of_the_same_data_meanwhile_is_not_taken_for_the_training(
    backend: SandboxBackend, parts: Path, tmp_path: Path
) -> None:
    (parts / "search.parquet").read_bytes()

    read = trained_by(backend, parts, tmp_path / "call", "pass")
    (parts / "search.parquet").read_bytes()

    assert search_of(read).covered in {None, 0.0}
    assert search_of(read).opened == 0


def test_a_testimony_is_the_same_when_it_is_asked_for_again_after_a_crash(parts: Path, tmp_path: Path) -> None:
    copy = witness.lay_out(parts, tmp_path / "call")
    assert witness.lay_out(parts, tmp_path / "call") == copy
    counted = {"/data/search.parquet": Observed(opened=1, read=3)}

    first = witness.testify(tmp_path / "call", counted)

    assert not copy.exists()
    assert witness.testify(tmp_path / "call", {}) == first
    assert (search_of(first).opened, search_of(first).read) == (1, 3)


def test_nobody_is_accused_where_the_kernel_can_tell_nothing() -> None:
    unknown = FileRead(name="search.parquet", bytes=1, opened=None, read=None, covered=None)

    assert witness.problem((unknown,)) == ""
    assert witness.problem(()) == ""


@pytest.mark.docker
@pytest.mark.parametrize(("way", "is_believed"), [("mapped", True), ("a look only", False)])
def test_the_kernel_tells_the_same_of_a_container(way: str, is_believed: bool, parts: Path, tmp_path: Path) -> None:
    read = trained_by(DockerBackend(), parts, tmp_path / "call", WAYS[way])

    assert (witness.problem(read) == "") == is_believed
