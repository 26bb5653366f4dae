"""The small Hub behaves towards the real client as the real one does, where the project's tests rely on it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    BadRequestError,
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from hub.faults import Fault
from hub.server import Hub

# The client's upload of LFS objects uses what its own HTTP library deprecates (huggingface_hub 2.4, httpx2 2.16).
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

# pyright: reportUnknownMemberType=false
# The client leaves some of its parameters without types.

LARGE = bytes(range(256)) * (3 << 12)


def api(hub: Hub, token: str | bool = "hf_test_alice") -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=token)


def upload(
    client: HfApi, name: str, path: str, content: bytes, *, kind: str = "model", parent: str | None = None
) -> str:
    return client.upload_file(
        path_or_fileobj=content, path_in_repo=path, repo_id=name, repo_type=kind, parent_commit=parent
    ).oid


@pytest.mark.parametrize("kind", ["model", "dataset"])
@pytest.mark.parametrize("content", [b"text", LARGE[:1000], LARGE], ids=["git", "one piece", "parts"])
def test_what_is_uploaded_is_downloaded_equal(hub: Hub, tmp_path: Path, kind: str, content: bytes) -> None:
    client, path = api(hub), "notes.md" if content == b"text" else "deep/weights.safetensors"
    client.create_repo("alice/things", repo_type=kind)
    oid = upload(client, "alice/things", path, content, kind=kind)
    folder = Path(client.snapshot_download("alice/things", repo_type=kind, cache_dir=tmp_path))

    assert folder.name == oid
    assert (folder / path).read_bytes() == content
    assert client.list_repo_files("alice/things", repo_type=kind) == [".gitattributes", path]
    parts = [r for r in hub.requests if r.startswith("PUT /_lfs/part/")]
    assert len(parts) == (3 if content is LARGE else 0)


def test_a_repository_exists_once(hub: Hub) -> None:
    client = api(hub)
    first = client.create_repo("alice/model", private=True)

    assert client.create_repo("alice/model", exist_ok=True) == first
    with pytest.raises(HfHubHTTPError) as refused:
        client.create_repo("alice/model")
    assert refused.value.response.status_code == 409
    assert client.model_info("alice/model").private


def test_a_commit_names_its_parent_or_is_refused(hub: Hub) -> None:
    client = api(hub)
    old = hub.add("alice/model", {"a.md": b"1"})
    hub.add("alice/model", {"a.md": b"2"})

    with pytest.raises(HfHubHTTPError) as refused:
        upload(client, "alice/model", "b.md", b"3", parent=old)
    assert refused.value.response.status_code == 412


def test_private_and_gated_repositories_open_for_their_owner_only(hub: Hub, tmp_path: Path) -> None:
    hub.add("alice/hidden", {"a.md": b"1"}, private=True)
    hub.add("alice/gated", {"a.md": b"1"}, gated=True)
    alice, bob, nobody = api(hub), api(hub, "hf_test_bob"), api(hub, token=False)

    for client in (bob, nobody):
        with pytest.raises(RepositoryNotFoundError):
            client.model_info("alice/hidden")
        with pytest.raises(GatedRepoError):
            client.hf_hub_download("alice/gated", "a.md", cache_dir=tmp_path)
    assert alice.hf_hub_download("alice/hidden", "a.md", cache_dir=tmp_path)
    assert alice.hf_hub_download("alice/gated", "a.md", cache_dir=tmp_path)


def test_errors_are_classed_as_the_client_expects(hub: Hub, tmp_path: Path) -> None:
    hub.add("alice/model", {"a.md": b"1"})
    client = api(hub)

    with pytest.raises(RepositoryNotFoundError):
        client.model_info("alice/other")
    with pytest.raises(RevisionNotFoundError):
        client.model_info("alice/model", revision="none")
    with pytest.raises(RemoteEntryNotFoundError):
        client.hf_hub_download("alice/model", "none.md", cache_dir=tmp_path)
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        api(hub, "wrong").whoami()
    with pytest.raises(HfHubHTTPError, match="403"):
        api(hub, "hf_test_bob").create_repo("alice/another")


def test_a_card_with_broken_front_matter_is_refused(hub: Hub) -> None:
    client = api(hub)
    client.create_repo("alice/model")

    with pytest.raises((BadRequestError, ValueError), match="license"):
        upload(client, "alice/model", "README.md", b"---\nlicense: my own\n---\n")
    assert hub.commits("alice/model") == []


def test_a_cut_download_is_completed(hub: Hub, tmp_path: Path) -> None:
    hub.add("alice/model", {"model.safetensors": LARGE})
    hub.inject(Fault(method="GET", path="/_content/", does="truncate"))
    file = api(hub).hf_hub_download("alice/model", "model.safetensors", cache_dir=tmp_path)

    assert hub.pending == []
    assert hashlib.sha256(Path(file).read_bytes()).digest() == hashlib.sha256(LARGE).digest()


def test_history_refs_and_paths_are_told(hub: Hub) -> None:
    first = hub.add("alice/data", {"train/a.parquet": b"1", "README.md": b"2"}, kind="dataset", message="why")
    client = api(hub)

    newest = client.list_repo_commits("alice/data", repo_type="dataset")[0]
    assert (newest.commit_id, newest.title, newest.message) == (first, "add files", "why")
    assert [b.target_commit for b in client.list_repo_refs("alice/data", repo_type="dataset").branches] == [first]
    infos = client.get_paths_info("alice/data", ["train", "README.md", "none"], repo_type="dataset")
    assert sorted(info.path for info in infos) == ["README.md", "train"]
