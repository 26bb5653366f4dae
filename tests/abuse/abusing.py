"""The tests of abuse that every backend must pass: subclass `AbuseTests` and say how the backend is made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from abuse import attempted
from ml_intern.core.sandbox import Execution, Mount, SandboxBackend, SandboxSpec

DOCUMENT = Path(__file__).parents[2] / "docs" / "sandbox.md"

_OUT_OF_MEMORY = "[out of memory: the kernel ended a process of this code]"


class Session:
    """One session in which one attempt after another is made."""

    def __init__(self, backend: SandboxBackend, spec: SandboxSpec) -> None:
        self.backend = backend
        self.spec = spec
        self.sandbox = backend.open(spec)
        self.workspace = spec.mounts[0].source

    def run(self, code: str, timeout: float = 60.0) -> Execution:
        """Run code."""
        return self.sandbox.execute(code, timeout=timeout, on_output=lambda text: None)

    def attempt(self, group: str, name: str) -> str:
        """Make an attempt; say what came of it, or which limit the session died of."""
        result = self.run(attempted.inside(group, name))
        if result.died is not None:
            return f"held: {result.died}"
        if _OUT_OF_MEMORY in result.output:
            return f"held: {_OUT_OF_MEMORY}"
        return result.output.strip() or f"broken: {result.error}"


class AbuseTests:
    """Tests that share one session, because it must answer after each of them."""

    unheld: Mapping[str, str] = {}
    """Attempts that this backend does not hold, and the words of the documentation that say so."""

    @classmethod
    def make(cls, home: Path) -> SandboxBackend:
        """Give the backend."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def host(cls) -> Iterator[attempted.Host]:
        """Give what lies outside."""
        with attempted.host() as made:
            yield made

    @pytest.fixture(scope="class")
    @classmethod
    def siege(cls, host: attempted.Host) -> Iterator[Session]:
        """Open the session."""
        workspace, data = host.folder / "workspace", host.folder / "data"
        for folder in (workspace, data):
            folder.mkdir()
        (data / "rows.txt").write_text("one two", "utf-8")
        spec = SandboxSpec(
            run="abuse",
            mounts=(
                Mount(source=workspace, target="/workspace", writable=True),
                Mount(source=data, target="/data"),
                Mount(source=attempted.ATTEMPTS, target="/abuse/abuse/attempts"),
            ),
            environment={"ABUSE": json.dumps(host.around), "PYTHONPATH": "/abuse"},
            limits=attempted.LIMITS,
            # as nearly every session, this one has a nursery: where the kernel looks for something to end before files
            # without a name are free, process 1 must not be all there is
            preload=("json",),
        )
        made = Session(cls.make(host.folder), spec)
        yield made
        made.sandbox.close()

    @pytest.fixture(autouse=True)
    def clean(self, siege: Session) -> Iterator[None]:
        """Remove what the end of a process kept it from removing."""
        yield
        for left in siege.workspace.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()

    @pytest.mark.parametrize(("group", "name"), attempted.all_names())
    def test_an_abuse_meets_a_wall_and_the_session_answers_after_it(
        self, siege: Session, group: str, name: str
    ) -> None:
        outcome = siege.attempt(group, name)

        if name in self.unheld:
            assert self.unheld[name] in DOCUMENT.read_text("utf-8")
        assert outcome[:5] == ("could" if name in self.unheld else "held:"), outcome
        assert siege.run("6 * 7").value == "42"

    def test_what_the_inside_learns_about_the_machine_is_documented(self, siege: Session) -> None:
        text = " ".join(DOCUMENT.read_text("utf-8").split())
        outcomes = {name: siege.attempt("leaks", name) for name in attempted.names("leaks")}

        seen = [name.replace("_", " ") for name, outcome in outcomes.items() if outcome.startswith("could")]
        assert [name for name in seen if name not in text] == []
