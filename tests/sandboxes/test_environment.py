"""Images and environments are built once, whole or not at all, from pinned wheels."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from functools import partial
from pathlib import Path

import pytest

from ml_intern.core.errors import SandboxError
from ml_intern.documentation.index import PROGRAMS
from ml_intern.sandboxes import environment, wheelhouse
from ml_intern.sandboxes.environment import REQUIREMENTS, find_environment, find_image

build = partial(environment.build, indexer=PROGRAMS)

ENGINE = """#!/bin/sh
# a container engine that remembers what it was asked; `built` in its folder stands for its images
here=$(dirname "$0")
echo "$@" >> "$here/asked"
case "$1" in
  images) [ -e "$here/built" ] && echo "2026-01-02 00:00:00	open-ml-intern-sandbox:new" || true ;;
  run) echo "3 11 x86_64" ;;
  build) [ -e "$here/broken" ] && { echo "no space left" >&2; exit 1; }
         for last; do :; done; ls "$last" "$last/wheelhouse" > "$here/context"; touch "$here/built" ;;
esac
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of an engine that only remembers."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker"
    program.write_text(ENGINE, "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Give a folder with wheels of nothing."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, version, needs in (
        ("torch", "1.0", "nvidia-something"),
        ("torch", "1.0+cpu", "small-need"),
        ("small_need", "2", ""),
        ("other", "3", "torch"),
    ):
        _wheel(folder, name, version, needs)
    return folder


def _wheel(folder: Path, name: str, version: str, needs: str) -> None:
    info = f"{name}-{version}.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def test_every_requirement_is_pinned_and_pytorch_comes_first() -> None:
    lines = [line for line in REQUIREMENTS.read_text("utf-8").splitlines() if not line.startswith("#")]

    assert lines[0].startswith("torch==")
    assert all("==" in line for line in lines)


def test_an_image_is_built_without_network_from_the_given_wheels(engine: Path, wheels: Path, tmp_path: Path) -> None:
    tag = build(tmp_path / "home", kind="docker", base="base:tag", wheelhouse=wheels)

    order = next(line for line in (engine / "asked").read_text("utf-8").splitlines() if line.startswith("build"))
    assert order.startswith(f"build --network none --tag {tag} --build-arg BASE=base:tag ")
    assert {"Dockerfile", "requirements.txt", "documentation", "other-3-py3-none-any.whl"} <= set(
        (engine / "context").read_text("utf-8").split()
    )


def test_an_image_that_is_there_is_not_built_again(engine: Path, wheels: Path, tmp_path: Path) -> None:
    said: list[str] = []

    tags = [build(tmp_path / "home", kind="docker", wheelhouse=wheels, say=said.append) for _ in range(2)]

    assert tags[0] == tags[1]
    assert said[-1] == f"{tags[0]} is there already"
    assert (engine / "asked").read_text("utf-8").count("build --network") == 1


def test_the_tag_follows_everything_that_decides_the_content(engine: Path, wheels: Path, tmp_path: Path) -> None:
    first = build(tmp_path / "home", kind="docker", wheelhouse=wheels)
    (engine / "built").unlink()
    other_base = build(tmp_path / "home", kind="docker", wheelhouse=wheels, base="base:tag")
    (engine / "built").unlink()
    _wheel(wheels, "other", "4", "")
    other_wheels = build(tmp_path / "home", kind="docker", wheelhouse=wheels)

    assert len({first, other_base, other_wheels}) == 3


def test_a_failed_build_says_why(engine: Path, wheels: Path, tmp_path: Path) -> None:
    (engine / "broken").touch()

    with pytest.raises(SandboxError, match="docker build failed: no space left"):
        build(tmp_path / "home", kind="docker", wheelhouse=wheels)


def test_the_newest_image_is_found(engine: Path) -> None:
    before = find_image()
    (engine / "built").touch()

    assert (before, find_image()) == (None, "open-ml-intern-sandbox:new")


def test_without_an_engine_an_image_cannot_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SandboxError, match="neither Docker nor Podman answers"):
        build(tmp_path / "home", kind="docker")


def test_an_empty_wheelhouse_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(SandboxError, match="holds no wheels"):
        build(tmp_path / "home", kind="venv", wheelhouse=tmp_path / "empty")


def test_a_half_built_environment_is_never_used(wheels: Path, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="installing the packages failed"):
        build(tmp_path / "home", kind="venv", wheelhouse=wheels)

    assert list((tmp_path / "home" / "environments").glob("*/pyvenv.cfg"))
    assert find_environment(tmp_path / "home") is None


@pytest.mark.parametrize("version", [wheelhouse.Target.here().version, "3.99"])
def test_the_build_of_pytorch_for_the_cpu_is_taken_for_any_python(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# pinned\ntorch==1.0\nother==3\n", "utf-8")
    target = wheelhouse.Target(version=version, machine="x86_64")
    options = wheelhouse.Options(requirements=requirements, target=target, index_url=None, cuda=None)

    place = wheelhouse.download(tmp_path / "wheelhouses" / "a", options, lambda line: None)

    assert sorted(path.name for path in place.glob("*.whl")) == [
        "other-3-py3-none-any.whl",
        "small_need-2-py3-none-any.whl",
        "torch-1.0+cpu-py3-none-any.whl",
    ]
    digest = hashlib.sha256((wheels / "small_need-2-py3-none-any.whl").read_bytes()).hexdigest()
    assert f"small-need==2 --hash=sha256:{digest}\n" in (place / wheelhouse.PINS).read_text("utf-8")
    with (place / "other-3-py3-none-any.whl").open("ab") as wheel:
        wheel.write(b"more")
    with pytest.raises(SandboxError, match="are not those that were downloaded"):
        wheelhouse.download(place, options, lambda line: None)


def test_a_failed_download_leaves_no_wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("torch==1.0\n", "utf-8")
    target = wheelhouse.Target.here()
    options = wheelhouse.Options(requirements=requirements, target=target, index_url=None, cuda="13")

    with pytest.raises(SandboxError, match=r"downloading torch==1\.0\+cu130 failed"):
        wheelhouse.download(tmp_path / "wheelhouses" / "a", options, lambda line: None)
    assert not (tmp_path / "wheelhouses" / "a").exists()


@pytest.mark.parametrize(("cuda", "build_name"), [("12", "cu126"), ("13", "cu130")])
def test_pytorch_for_cuda_is_taken_from_its_own_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: str, build_name: str
) -> None:
    """pip stands in by a program that only remembers: these wheels have gigabytes."""
    asked = tmp_path / "asked"
    monkeypatch.setattr(sys, "executable", str(_remembering(tmp_path, asked)))
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("torch==1.0\n", "utf-8")
    target = wheelhouse.Target.here()
    options = wheelhouse.Options(requirements=requirements, target=target, index_url=None, cuda=cuda)

    wheelhouse.download(tmp_path / "wheelhouses" / "a", options, lambda line: None)

    first, second = asked.read_text("utf-8").splitlines()
    assert first.endswith(f"--index-url https://download.pytorch.org/whl/{build_name} torch==1.0+{build_name}")
    assert "--constraint" in second


def _remembering(tmp_path: Path, asked: Path) -> Path:
    program = tmp_path / "python"
    wheel = '"$5/torch-1.0+x-py3-none-any.whl"'
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\nset -- $@\n: > {wheel.replace("$5", "$6")}\n', "utf-8")
    program.chmod(0o755)
    return program


def test_an_environment_gets_the_index_of_its_documentation_once_for_the_same_programs(tmp_path: Path) -> None:
    home, programs, empty = tmp_path / "home", tmp_path / "programs", tmp_path / "empty"
    programs.mkdir()
    empty.mkdir()
    code = "import pathlib, sys\np = pathlib.Path(sys.argv[1])\np.parent.mkdir(parents=True, exist_ok=True)\n"
    (programs / "build.py").write_text(f"{code}p.open('a').write('x')\n", "utf-8")
    make = partial(environment.build, home, kind="venv", wheelhouse=empty, indexer=programs)
    with pytest.raises(SandboxError, match="holds no wheels"):
        make()
    place = next((home / "environments").glob("*.lock")).with_suffix("")
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(sys.executable)
    (place / "ml-intern-ready").touch()

    indexed: list[str] = []
    for changed in ("", "", "# changed\n"):
        with (programs / "build.py").open("a", encoding="utf-8") as program:
            program.write(changed)
        make()
        indexed.append((place / "share" / "ml-intern" / "docs.sqlite").read_text("utf-8"))

    assert indexed == ["x", "x", "xx"]
