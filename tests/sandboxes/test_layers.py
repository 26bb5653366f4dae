"""Packages are added to a run's sandboxes by the host, from wheels only, and hide nothing of the base."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ml_intern.core.errors import SandboxError, ToolError
from ml_intern.core.facts import PackagesInstalled
from ml_intern.core.protocols import RunPaths
from ml_intern.core.sandbox import JobSpec, SandboxBackend, SandboxSpec
from ml_intern.sandboxes.asked import Base, Wheel, demands, parse, read_wheel
from ml_intern.sandboxes.docker import DockerBackend
from ml_intern.sandboxes.layered import Layered
from ml_intern.sandboxes.layers import Order, folder, install
from ml_intern.sandboxes.namespaces import NamespaceBackend
from sandboxes.wheels import index, write_wheel

BASE = Base(
    environment={"python_version": "3.11", "sys_platform": "linux", "platform_machine": "x86_64"},
    packages={"torch": "2.13.0", "numpy": "2.4.6"},
    modules=frozenset({"torch", "numpy", "json"}),
    digest="b",
)


def wheel(name: str, version: str = "1.0", *requires: str) -> Wheel:
    return Wheel(file=Path(f"{name}.whl"), name=name, version=version, requires=requires, modules=(name,))


@pytest.mark.parametrize(
    "asked",
    [
        "./local", "/tmp/x.whl", "../x", "C:\\x", "x.whl/..", "https://evil/x.whl", "git+https://evil/x", "file:///x",
        "x @ https://evil/x.whl", "x@https://evil", "--index-url=http://evil", "-r", "-e.", "x --pre",
        "x; os_name=='nt'", "x y",
        "x;sys_platform=='linux'", "", " ", "x\ny", "x==1 --hash=sha256:0", "x[../..]", "x==../y", "x\0", "é", "x==",
        "$(id)", "x>1,", ".", "..", "_x",
    ],
)  # fmt: skip
def test_what_is_no_name_of_a_package_is_refused(asked: str) -> None:
    with pytest.raises(ToolError):
        parse([asked])


@pytest.mark.parametrize("asked", ["timm", "timm==1.0.26", " timm >= 1.0, < 2", "scikit-image[data,extra]~=0.25", "a"])
def test_names_with_extras_and_versions_are_taken(asked: str) -> None:
    assert [str(r) for r in parse([asked])] == [str(Requirement(asked))]


def test_between_1_and_20_packages_are_taken_at_once() -> None:
    for asked in ([], ["x"] * 21):
        with pytest.raises(ToolError, match="1 to 20"):
            parse(asked)


def test_what_wheels_ask_for_is_followed_by_markers_and_extras_and_what_the_base_has_is_left() -> None:
    chosen = {
        "a": wheel("a", "1.0", "b>=2", "torch", "w; sys_platform == 'win32'", "c; extra == 'more'", "d; extra == 'no'"),
        "b": wheel("b", "2.5", "a", "e<3"),
    }

    wanted = demands(parse(["a[more]", "e>1"]), chosen, BASE)

    assert {name: str(demand.specifier) for name, demand in wanted.items()} == {
        "a": "", "b": ">=2", "c": "", "e": "<3,>1",
    }  # fmt: skip
    assert wanted["e"].askers == ["you", "b"]


@pytest.mark.parametrize(
    ("needs", "says"),
    [
        ("numpy<2", "a wants numpy<2, but the sandbox has 2.4.6 and keeps it"),
        ("evil @ git+https://127.0.0.1/evil", "from an address"),
        ("!!", "unreadable requirements"),
    ],
)
def test_a_wheel_that_wants_another_base_or_an_address_is_refused(needs: str, says: str) -> None:
    with pytest.raises(ToolError, match=says):
        demands(parse(["a"]), {"a": wheel("a", "1.0", needs)}, BASE)


def test_a_wheel_is_read_without_being_unpacked(tmp_path: Path) -> None:
    files = {"pack/__init__.py": "", "single.py": "", "pack-1.0.data/purelib/third/x.py": "", "README.md": ""}

    found = read_wheel(write_wheel(tmp_path, "pack", "1.0", files, requires=["x>1"]))

    assert (found.name, found.version, found.requires) == ("pack", "1.0", ("x>1",))
    assert set(found.modules) >= {"pack", "single", "third"}


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + b"\0" * 18, b"no zip"])
def test_what_is_no_wheel_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x-1.0-py3-none-any.whl"
    file.write_bytes(content)

    with pytest.raises(ToolError, match="no sound wheel"):
        read_wheel(file)


class Shop:
    """An index, a run, and what was installed so far."""

    def __init__(self, backend: SandboxBackend, root: Path, address: str, asked: list[str]) -> None:
        self.backend, self.paths, self.address, self.asked = backend, RunPaths(root=root / "run"), address, asked
        self.files = root / "files"
        self.known: PackagesInstalled | None = None
        self._calls = 0

    def install(self, *names: str) -> PackagesInstalled:
        self._calls += 1
        order = Order(
            asked=names,
            run="r",
            call_id=f"c{self._calls}",
            paths=self.paths,
            known=self.known,
            index_url=self.address,
        )
        self.known = install(self.backend, order)
        return self.known

    def value(self, code: str, *, has_packages: bool = True) -> str | None:
        assert self.known is not None
        layered = Layered(self.backend, folder(self.paths, self.known.layer))
        sandbox = layered.open(SandboxSpec(run="r", mounts=(), working_directory="/tmp", has_packages=has_packages))
        done = sandbox.execute(code, timeout=60, on_output=lambda _text: None)
        sandbox.close()
        return done.value or done.error


@pytest.fixture(
    params=[pytest.param("namespaces", marks=pytest.mark.sandbox), pytest.param("docker", marks=pytest.mark.docker)]
)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    tmp_path.chmod(0o755)
    if request.param == "docker":
        backend: SandboxBackend = DockerBackend()
    else:
        backend = NamespaceBackend(tmp_path, python=request.getfixturevalue("sandbox_python"))
    (tmp_path / "files").mkdir()
    with index(tmp_path / "files") as (address, asked):
        yield Shop(backend, tmp_path, address, asked)


def test_packages_with_what_they_need_are_importable_where_code_of_the_agent_runs(shop: Shop) -> None:
    module = {"mli_one.py": "import mli_two\nX = mli_two.Y"}
    one = write_wheel(shop.files, "mli_one", "1.5", module, requires=["mli-two<2"])
    write_wheel(shop.files, "mli_two", "1.9", {"mli_two/__init__.py": "Y = 7"})
    write_wheel(shop.files, "mli_two", "2.0", {"mli_two/__init__.py": "Y = 8"})

    first = shop.install("mli-one>=1")
    again = shop.install("mli_one")

    assert [(p.name, p.version) for p in first.packages] == [("mli-one", "1.5"), ("mli-two", "1.9")]
    assert first.packages[0].digest == hashlib.sha256(one.read_bytes()).hexdigest()
    assert replace(again, call_id=first.call_id) == first
    assert shop.value("import mli_one; mli_one.X, __import__('torch').__name__") == "(7, 'torch')"
    assert shop.value("import mli_one", has_packages=False) == "ModuleNotFoundError: No module named 'mli_one'"
    assert "Read-only" in (shop.value("import mli_one; open(mli_one.__file__, 'w')") or "")


def test_a_later_call_adds_to_what_there_is_and_an_isolated_program_sees_it(shop: Shop, tmp_path: Path) -> None:
    write_wheel(shop.files, "mli_one", "1.0", {"mli_one.py": "X = 1"})
    shop.install("mli-one")
    write_wheel(shop.files, "mli_one", "2.0", {"mli_one.py": "X = 2"})
    write_wheel(shop.files, "mli_three", "1.0", {"mli_three.py": "X = 3"})

    fact = shop.install("mli-three")
    layered = Layered(shop.backend, folder(shop.paths, fact.layer))
    report = "os.write(int(os.environ['ML_INTERN_REPORT_FD']), b'%d %d\\n' % (mli_one.X, mli_three.X))"
    code = f"import mli_one, mli_three, os; {report}"
    job = JobSpec(directory=tmp_path / "job", argv=("python", "-I", "-c", code), timeout=60)
    spec = SandboxSpec(run="r", mounts=(), working_directory="/tmp", has_packages=True)
    ended = layered.start(spec, job).wait(on_event=lambda _event: None)

    assert [(p.name, p.version) for p in fact.packages] == [("mli-one", "1.0"), ("mli-three", "1.0")]
    assert ended.reports == ("1 3",)


def test_what_would_run_a_script_or_hide_the_base_is_refused(shop: Shop, tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')"
    (tmp_path / "setup.py").write_text(f"{trap}\nfrom setuptools import setup; setup(name='mli_source')", "utf-8")
    with tarfile.open(shop.files / "mli_source-1.0.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "setup.py", "mli_source-1.0/setup.py")
    address = shop.address.replace("/simple/", "/files/mli_source-1.0.tar.gz")
    write_wheel(shop.files, "mli_sly", "1.0", {"mli_sly.py": ""}, requires=[f"mli-source @ {address}"])
    write_wheel(shop.files, "mli_fake", "1.0", {"torch/__init__.py": "", "mli_fake.py": ""})
    write_wheel(shop.files, "mli_std", "1.0", {"json.py": ""})

    for name, says in {
        "mli-source": "no fitting wheel of mli-source",
        "mli-sly": "from an address",
        "mli-fake": "hide the base's",
        "mli-std": "hide the base's",
        "mli-none": "no fitting wheel of mli-none",
        "torch==2.0": "the sandbox has 2",
        "numpy": "has all of that already",
    }.items():
        with pytest.raises(ToolError, match=says):
            shop.install(name)

    assert not (tmp_path / "ran").exists()
    assert not any(path.startswith("/files/mli_source") for path in shop.asked)
    assert shop.known is None


def test_a_layer_that_is_gone_is_named(tmp_path: Path) -> None:
    layered = Layered(NamespaceBackend(tmp_path), tmp_path / "none")

    with pytest.raises(SandboxError, match="install them again"):
        layered.open(SandboxSpec(run="r", mounts=(), has_packages=True))
