"""`publish` publishes what was evaluated, once, and only after it was fetched again and tried."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hub.faults import Fault
from hub.fixtures import hub
from hub.server import Hub
from ml_intern.config import Secret, Settings
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.core.events import Record
from ml_intern.core.facts import Published
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import RunPaths, Tool, ToolContext
from ml_intern.core.sandbox import (
    Availability,
    Job,
    JobEvent,
    JobResult,
    JobSpec,
    Sandbox,
    SandboxBackend,
    SandboxSpec,
)
from ml_intern.publishing.bundle import Bundle, write
from ml_intern.tools import HubDeployer
from ml_intern.tools._evaluation import bundled
from ml_intern.tools._files import read_text
from ml_intern.verification.source import source_digest
from publishing.samples import (
    DATASET,
    RUN,
    SOURCE,
    TRAINED,
    VERIFIED,
    build_sample,
    evaluated,
    journal,
    safetensors,
    sample_records,
)

__all__ = ["hub"]

# The client's upload of LFS objects uses what its own HTTP library deprecates (huggingface_hub 2.4, httpx2 2.16).
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

ARGUMENTS = {
    "repository": "flowers",
    "title": "Flowers",
    "summary": "A linear classifier.",
    "intended_use": "To show how publishing works.",
    "limitations": "Other flowers.",
}
COMMIT = r"/commit/main$"


class Ended:
    """A job that ended before anyone looked."""

    def __init__(self, result: JobResult) -> None:
        self._result = result

    def wait(self, *, on_event: Callable[[JobEvent], None], cancelled: Callable[[], bool] = lambda: False) -> JobResult:
        del on_event, cancelled
        return self._result

    def hand(self, stdin: bytes) -> None:
        del stdin

    def stop(self, reason: str) -> None:
        del reason


class Sandboxes:
    """A backend whose jobs all end with `exit_code` and print `output`; it keeps what it was asked to run."""

    name = "scripted"

    def __init__(self, exit_code: int = 0, output: str = "[2]\n") -> None:
        self._result = JobResult(exit_code=exit_code, reason=None, output=output, reports=(), seconds=0.1)
        self.started: list[tuple[SandboxSpec, JobSpec]] = []

    def check(self) -> Availability:
        return Availability(works=True, detail="scripted")

    def open(self, spec: SandboxSpec) -> Sandbox:
        raise NotImplementedError

    def start(self, spec: SandboxSpec, job: JobSpec) -> Job:
        self.started.append((spec, job))
        return Ended(self._result)

    def reap(self, is_alive: Callable[[str], bool]) -> Sequence[str]:
        del is_alive
        return ()


class Run:
    """A run whose model was evaluated, and the tool that publishes it."""

    def __init__(self, home: Path, *, hub: Hub | None = None, token: str = "hf_test_alice") -> None:
        self.sandboxes: SandboxBackend = Sandboxes()
        self.waits: list[float] = []
        self.paths = RunPaths(root=home / "runs" / RUN)
        self.bundle: Bundle = build_sample(self.paths.bundle)
        self.records: Sequence[Record] = sample_records(self.bundle)
        endpoint, secret = (hub.endpoint, Secret(token)) if hub else (None, None)
        settings = Settings(home=home, hub_token=secret, hub_endpoint=endpoint)
        (self.tool,) = HubDeployer(settings=settings, sleep=self.waits.append)

    def context(self, call_id: str = "call-1") -> ToolContext:
        return ToolContext(
            run=RUN, call_id=call_id, paths=self.paths, records=self.records, sandboxes=lambda: self.sandboxes
        )

    def publish(self, call_id: str = "call-1", **changes: object) -> Observation:
        tool: Tool = self.tool
        return tool.run(tool.parse({**ARGUMENTS, **changes}), self.context(call_id))

    def happened(self, call_id: str = "call-1") -> Observation | None:
        tool: Tool = self.tool
        return tool.verify(tool.parse(ARGUMENTS), self.context(call_id))


def test_the_tool_constructs_without_anything_and_declares_its_recovery() -> None:
    (tool,) = HubDeployer()

    spec = tool.spec
    assert (spec.name, spec.effect, spec.recovery) == ("publish", "publish", "verify")
    assert spec.requires == ("evaluated", "contract_kept")
    assert "context" not in str(spec.schema)
    assert len(spec.description.split()) < 190


def test_an_evaluated_model_is_published_and_the_fact_names_the_commit(hub: Hub, tmp_path: Path) -> None:
    run = Run(tmp_path, hub=hub)
    observation = run.publish()

    (commit,) = hub.commits("alice/flowers")
    assert observation.facts == (
        Published(
            repository="alice/flowers",
            revision=commit.oid,
            url=f"{hub.endpoint}/alice/flowers",
            location="hub",
            bundle_digest=run.bundle.digest,
        ),
    )
    assert commit.message == f"Run-Key: {RUN}/call-1"
    assert hub.is_private("alice/flowers")
    files = hub.files("alice/flowers")
    assert {name: files[name] for name in run.bundle.files} == run.bundle.files
    assert sorted({*files} - {*run.bundle.files}) == [".gitattributes", "README.md", "provenance.json"]
    assert "printed:\n[2]" in observation.text


def test_without_a_token_it_goes_to_the_local_folder_and_the_model_is_told(tmp_path: Path) -> None:
    run = Run(tmp_path)
    observation = run.publish()

    place = tmp_path / "hub" / "models" / "local" / "flowers"
    (fact,) = observation.facts
    assert isinstance(fact, Published)
    assert (fact.repository, fact.location, fact.url) == ("local/flowers", "folder", place.as_uri())
    assert observation.text.startswith("No Hub token is set, so the model was published to a local folder")
    assert (place / "modeling.py").read_bytes() == (run.paths.bundle / "modeling.py").read_bytes()


def test_the_token_is_in_no_file_and_in_no_sandbox(hub: Hub, tmp_path: Path) -> None:
    run = Run(tmp_path, hub=hub)
    sandboxes = Sandboxes()
    run.sandboxes = sandboxes
    run.publish()

    ((spec, job),) = sandboxes.started
    assert "hf_test_alice" not in f"{spec} {job}"
    written = [p for p in tmp_path.rglob("*") if p.is_file() and b"hf_test_alice" in p.read_bytes()]
    assert written == []


def test_a_bundle_that_changed_after_the_evaluation_is_not_published(hub: Hub, tmp_path: Path) -> None:
    run = Run(tmp_path, hub=hub)
    (run.paths.bundle / "scaling.py").write_text("SCALE = 3.0\n")

    with pytest.raises(ToolError, match="not the one that was evaluated and cannot be made again"):
        run.publish()
    assert not hub.exists("alice/flowers")


def test_an_older_training_is_published_by_its_name_though_another_was_looked_at_since(tmp_path: Path) -> None:
    run = Run(tmp_path)
    verified = replace(VERIFIED, source_digest=source_digest(SOURCE))
    older = replace(TRAINED, source_digest=verified.source_digest)
    other = safetensors(fill=0.25)
    newer = replace(older, call_id="train-2", weights_digest=hashlib.sha256(other).hexdigest())
    for trained, weights in ((older, safetensors()), (newer, other)):
        for name, content in SOURCE.items():
            write(run.paths.call(trained.call_id) / "source" / name, content)
        write(run.paths.outputs / trained.call_id / "model.safetensors", weights)
    run.records = journal(DATASET, verified, older, newer)
    first = bundled(run.context(), "train-1")
    run.records = [*run.records, *journal(evaluated(first))[1:]]
    bundled(run.context(), "train-2")  # as a query on selection does

    observation = run.publish(training="train-1")

    assert [one.bundle_digest for one in observation.facts if isinstance(one, Published)] == [first.digest]


def test_invented_numbers_are_refused_before_anything_is_sent(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"summary states '99\.1%'"):
        Run(tmp_path, hub=hub).publish(summary="It reaches 99.1%.")
    assert not hub.exists("alice/flowers")


@pytest.mark.parametrize("key", ["hf_test_alice", "sk-proj-_x1Y_x1Y_x1Y_x1Y_x1Y"])
def test_a_key_in_the_prose_stops_it_before_anything_is_sent(hub: Hub, tmp_path: Path, key: str) -> None:
    with pytest.raises(ToolError, match=r"README\.md seems to contain a secret key"):
        Run(tmp_path, hub=hub).publish(limitations=f"Do not use {key} without care.")
    assert not hub.exists("alice/flowers")


def test_an_example_that_fails_is_no_publication(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.sandboxes = Sandboxes(exit_code=1, output="KeyError: 'width'\n")

    with pytest.raises(ToolError, match="KeyError: 'width'"):
        run.publish()


def test_a_refused_token_is_for_the_person(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="HF_TOKEN"):
        Run(tmp_path, hub=hub, token="wrong").publish()


def test_killed_between_commit_and_record_it_is_found_and_not_made_again(hub: Hub, tmp_path: Path) -> None:
    whole = Run(tmp_path, hub=hub).publish()

    assert Run(tmp_path, hub=hub).happened() == whole
    assert len(hub.commits("alice/flowers")) == 1


def test_killed_between_commit_and_record_of_a_folder_it_is_found(tmp_path: Path) -> None:
    whole = Run(tmp_path).publish()

    assert Run(tmp_path).happened() == whole


def test_killed_before_the_commit_it_surely_did_not_happen(hub: Hub, tmp_path: Path) -> None:
    run = Run(tmp_path, hub=hub)
    assert run.happened() is None

    hub.inject(*[Fault(method="POST", path=COMMIT, does="unreachable")] * 3)
    with pytest.raises(ToolError, match="nothing was committed"):
        run.publish()
    assert Run(tmp_path, hub=hub).happened() is None


def test_where_the_hub_cannot_be_asked_nobody_claims_to_know(hub: Hub, tmp_path: Path) -> None:
    Run(tmp_path, hub=hub).publish()
    run = Run(tmp_path, hub=hub)
    hub.inject(*[Fault(method="GET", path="/api/whoami-v2", does="status", status=503)] * 3)

    with pytest.raises(ToolError, match="503"):
        run.happened()
    assert run.waits == [2.0, 4.0]


def test_the_call_of_another_run_is_not_taken_for_this_one(hub: Hub, tmp_path: Path) -> None:
    Run(tmp_path, hub=hub).publish("call-1")
    run = Run(tmp_path, hub=hub)
    other = replace(run.context(), run="run-2")

    assert run.tool.verify(run.tool.parse(ARGUMENTS), other) is None


def test_publishing_the_same_again_makes_no_second_commit(hub: Hub, tmp_path: Path) -> None:
    run = Run(tmp_path, hub=hub)
    first, second = run.publish("call-1"), run.publish("call-2")

    assert first.facts == second.facts
    assert len(hub.commits("alice/flowers")) == 1


@pytest.mark.sandbox
def test_the_example_really_runs_where_there_is_a_sandbox(hub: Hub, tmp_path: Path, backend: SandboxBackend) -> None:
    run = Run(tmp_path, hub=hub)
    run.sandboxes = backend

    assert run.publish().text.endswith(
        "the card's example ran and printed:\n[2]\nThe card: read_file calls/call-1/README.md."
    )
    assert "\n| torch | 2.13.0 |" in read_text(run.paths, "calls/call-1/README.md", start_line=1, lines=200)


def test_without_settings_of_its_own_it_publishes_to_the_home_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_INTERN_HOME", str(tmp_path / "of-the-environment"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    run = Run(tmp_path / "chosen")
    (tool,) = HubDeployer()

    published = tool.run(tool.parse(ARGUMENTS), replace(run.context(), home=tmp_path / "chosen"))

    assert published.ok, published.text
    assert (tmp_path / "chosen" / "hub" / "models" / "local" / "flowers").exists()
    assert not (tmp_path / "of-the-environment").exists()
