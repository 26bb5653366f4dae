"""The real client against a Hub on which things go wrong: exactly one commit, and the truth about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.faults import Fault
from hub.server import Hub
from ml_intern.config import Secret
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.publishing.hub import HubDestination
from ml_intern.publishing.push import confirm

COMMIT = r"/commit/main$"
KEY = "run-1/call-1"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "parts").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    (folder / "parts" / "layer.py").write_text("SIZE = 1\n")
    return folder


class Publisher:
    """A destination of alice's, with the waits it asked for."""

    def __init__(self, hub: Hub, token: str = "hf_test_alice") -> None:
        self.waits: list[float] = []
        self.destination = HubDestination(token=Secret(token), endpoint=hub.endpoint, sleep=self.waits.append)

    def push(self, files: Path, *, key: str = KEY, private: bool = True, name: str = "alice/model") -> str:
        return self.destination.push(files, name, private=private, key=key, message="Publish it")


def test_a_push_is_one_private_commit_that_carries_its_key(hub: Hub, files: Path) -> None:
    revision = Publisher(hub).push(files)

    (commit,) = hub.commits("alice/model")
    assert (commit.oid, commit.title, commit.message) == (revision, "Publish it", f"Run-Key: {KEY}")
    assert list(hub.files("alice/model")) == [".gitattributes", "README.md", "parts/layer.py"]
    assert hub.is_private("alice/model")


FAULTS = {
    "asked to wait": Fault(method="POST", path=COMMIT, does="status", status=429, retry_after="7"),
    "server error": Fault(method="POST", path=COMMIT, does="status", status=500),
    "gateway error": Fault(method="POST", path=COMMIT, does="status", status=502),
    "unreachable": Fault(method="POST", path=COMMIT, does="unreachable"),
    "answer lost after the commit": Fault(method="POST", path=COMMIT, does="lose"),
    "answer cut after the commit": Fault(method="POST", path=COMMIT, does="truncate"),
    "cannot create": Fault(method="POST", path="/api/repos/create", does="status", status=503),
    "answer lost after creating": Fault(method="POST", path="/api/repos/create", does="lose"),
    "cannot validate": Fault(method="POST", path="/api/validate-yaml", does="unreachable"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_after_any_single_fault_there_is_exactly_one_commit(hub: Hub, files: Path, fault: Fault) -> None:
    hub.inject(fault)
    publisher = Publisher(hub)
    revision = publisher.push(files)

    assert hub.pending == []
    assert [commit.oid for commit in hub.commits("alice/model")] == [revision]
    assert publisher.waits == [7.0 if fault.retry_after else 2.0]


def test_a_lost_answer_is_asked_for_and_not_sent_again(hub: Hub, files: Path) -> None:
    hub.inject(FAULTS["answer lost after the commit"])
    Publisher(hub).push(files)

    sent = [r for r in hub.requests if r == "POST /api/models/alice/model/commit/main"]
    assert len(sent) == 1


def test_three_failures_end_it_without_a_commit(hub: Hub, files: Path) -> None:
    hub.inject(*[FAULTS["server error"]] * 3)
    publisher = Publisher(hub)

    with pytest.raises(ToolError, match="nothing was committed after 3 tries"):
        publisher.push(files)
    assert (hub.commits("alice/model"), publisher.waits) == ([], [2.0, 4.0, 8.0])


def test_a_commit_of_somebody_else_in_between_is_not_taken_for_ours(hub: Hub, files: Path) -> None:
    publisher = Publisher(hub)
    publisher.push(files, key="run-0/call-1")
    (files / "parts" / "layer.py").write_text("SIZE = 2\n")
    revision = publisher.push(files)

    assert [c.message for c in hub.commits("alice/model")] == [f"Run-Key: {KEY}", "Run-Key: run-0/call-1"]
    assert publisher.destination.find("alice/model", KEY) == revision


def test_only_the_whole_key_is_found(hub: Hub, files: Path) -> None:
    publisher = Publisher(hub)
    revision = publisher.push(files, key="run-1/call-12")

    assert publisher.destination.find("alice/model", "run-1/call-12") == revision
    assert publisher.destination.find("alice/model", "run-1/call-1") is None
    assert publisher.destination.find("alice/other", "run-1/call-12") is None


def test_what_was_pushed_is_fetched_afresh_and_compared(hub: Hub, files: Path, tmp_path: Path) -> None:
    publisher = Publisher(hub)
    revision = publisher.push(files)
    fetched = confirm(files, publisher.destination, "alice/model", revision, into=tmp_path / "cache")

    assert (fetched.folder / "parts" / "layer.py").read_text() == "SIZE = 1\n"
    assert (tmp_path / "cache" / "models--alice--model" / "refs" / "main").read_text() == revision

    (files / "parts" / "layer.py").write_text("SIZE = 3\n")
    with pytest.raises(ToolError, match=r"parts/layer\.py of alice/model at \w+ is not what was pushed"):
        confirm(files, publisher.destination, "alice/model", revision, into=tmp_path / "cache")


def test_a_newer_commit_of_somebody_else_is_noticed_when_fetching(hub: Hub, files: Path, tmp_path: Path) -> None:
    publisher = Publisher(hub)
    revision = publisher.push(files)
    hub.add("alice/model", {"README.md": b"# Mine now\n"})

    with pytest.raises(ToolError, match="newer commit"):
        publisher.destination.fetch("alice/model", revision, tmp_path / "cache")


def test_a_public_repository_does_not_get_what_was_asked_to_be_private(hub: Hub, files: Path) -> None:
    hub.add("alice/model", {"a.md": b""})
    publisher = Publisher(hub)

    with pytest.raises(ToolError, match="exists and is public"):
        publisher.push(files)
    assert publisher.push(files, private=False) == hub.commits("alice/model")[0].oid


def test_a_name_alone_belongs_to_the_account_of_the_token(hub: Hub) -> None:
    hub.inject(Fault(method="GET", path="/api/whoami-v2", does="status", status=503))

    assert Publisher(hub).destination.complete("model") == "alice/model"
    assert Publisher(hub).destination.complete("team/model") == "team/model"


BAD_NAMES = ("", "/", "a/b/c", "../x", "a..b", "a--b", "-a", "a.", "a b", "a/b.git", "ä", "a" * 97)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_before_anyone_is_asked(hub: Hub, name: str) -> None:
    with pytest.raises(ToolError, match="no name of a repository"):
        Publisher(hub).destination.complete(name)
    assert hub.requests == []


def test_a_refused_token_is_for_the_person_and_a_foreign_namespace_for_the_model(hub: Hub, files: Path) -> None:
    with pytest.raises(ConfigError, match="HF_TOKEN"):
        Publisher(hub, "wrong").destination.complete("model")
    with pytest.raises(ConfigError, match="HF_TOKEN"):
        Publisher(hub, "wrong").destination.find("alice/model", KEY)
    with pytest.raises(ToolError, match="403"):
        Publisher(hub).push(files, name="bob/model")


def test_a_card_the_hub_refuses_is_explained(hub: Hub, files: Path) -> None:
    (files / "README.md").write_text("---\nlicense: my own\n---\n")

    with pytest.raises(ToolError, match="license"):
        Publisher(hub).push(files)
    assert hub.commits("alice/model") == []


def test_a_hub_that_is_gone_is_said_to_be(files: Path) -> None:
    waits: list[float] = []
    destination = HubDestination(token=Secret("hf_test_alice"), endpoint="http://127.0.0.1:9", sleep=waits.append)

    with pytest.raises(ToolError, match="no answer from the Hub"):
        destination.complete("model")
    assert waits == [2.0, 4.0]


def test_a_commit_that_lands_while_ours_is_repeated_is_not_built_upon_unseen(hub: Hub, files: Path) -> None:
    """The parent is named, so a request that arrives late or after somebody else's is refused by the Hub."""
    hub.add("alice/model", {"a.md": b"1"}, private=True)
    hub.inject(FAULTS["unreachable"])
    landed: list[str] = []

    def wait(seconds: float) -> None:
        if seconds:
            landed.append(hub.add("alice/model", {"a.md": b"2"}))

    destination = HubDestination(token=Secret("hf_test_alice"), endpoint=hub.endpoint, sleep=wait)
    with pytest.raises(ToolError, match="another commit came first"):
        destination.push(files, "alice/model", private=True, key=KEY, message="Publish it")
    assert (len(landed), hub.commits("alice/model")[0].oid) == (1, landed[0])
