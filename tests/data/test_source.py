"""A data set is found by its name, pinned, and refused with advice where it cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.samples import waves, write_csv, write_image_folder
from hub.faults import Fault
from hub.server import Hub
from ml_intern.config import Secret, Settings
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.data.source import DatasetSource, names_path, resolve

FILES = {
    "data/train.csv": b"text,label\ngood,1\nbad,0\n",
    "data/test.csv": b"text,label\nfine,1\n",
    "README.md": b"---\nlicense: mit\n---\n# Reviews\n",
    "load.py": b"raise SystemExit('never run')\n",
}


def settings(home: Path, endpoint: str | None = None, token: str | None = None) -> Settings:
    return Settings(home=home, hub_endpoint=endpoint, hub_token=Secret(token) if token else None)


def names(folder: Path | None) -> set[str]:
    assert folder is not None
    return {
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.is_file() and ".cache" not in file.parts
    }


def test_a_hub_data_set_is_downloaded_at_the_commit_it_has_now(hub: Hub, tmp_path: Path) -> None:
    commit = hub.add("alice/reviews", FILES, kind="dataset")

    source = resolve("alice/reviews", settings(tmp_path, hub.endpoint))

    assert source == DatasetSource(reference="alice/reviews", revision=commit, folder=source.folder)
    assert names(source.folder) == {"data/train.csv", "data/test.csv", "README.md"}


def test_a_commit_named_in_full_needs_the_hub_only_once(hub: Hub, tmp_path: Path) -> None:
    commit = hub.add("alice/reviews", FILES, kind="dataset")
    first = resolve(f"alice/reviews@{commit}", settings(tmp_path, hub.endpoint))
    asked = len(hub.requests)

    second = resolve(f"alice/reviews@{commit}", settings(tmp_path, hub.endpoint))

    assert (second, len(hub.requests)) == (first, asked)


def test_an_older_revision_stays_reachable(hub: Hub, tmp_path: Path) -> None:
    old = hub.add("alice/reviews", FILES, kind="dataset")
    hub.add("alice/reviews", {"data/train.csv": b"text,label\nnew,1\n"}, kind="dataset")

    source = resolve(f"alice/reviews@{old}", settings(tmp_path, hub.endpoint))

    assert source.revision == old
    assert source.folder is not None
    assert (source.folder / "data" / "train.csv").read_bytes() == FILES["data/train.csv"]


def test_a_configuration_is_part_of_the_name(hub: Hub, tmp_path: Path) -> None:
    hub.add("alice/reviews", FILES, kind="dataset")

    assert resolve("alice/reviews:german", settings(tmp_path, hub.endpoint)).config == "german"


def test_a_private_data_set_is_downloaded_with_its_owners_token(hub: Hub, tmp_path: Path) -> None:
    commit = hub.add("alice/secret", FILES, kind="dataset", private=True)

    assert resolve("alice/secret", settings(tmp_path, hub.endpoint, "hf_test_alice")).revision == commit


def test_a_missing_data_set_is_named_with_what_could_be_meant(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"no data set alice/none at http.*HF_TOKEN.*\./alice/none"):
        resolve("alice/none", settings(tmp_path, hub.endpoint))


def test_a_missing_revision_is_named(hub: Hub, tmp_path: Path) -> None:
    hub.add("alice/reviews", FILES, kind="dataset")

    with pytest.raises(ToolError, match="no revision 'v9'; leave it out"):
        resolve("alice/reviews@v9", settings(tmp_path, hub.endpoint))


def test_a_gated_data_set_says_who_can_grant_access(hub: Hub, tmp_path: Path) -> None:
    hub.add("alice/gated", FILES, kind="dataset", gated=True)

    with pytest.raises(ToolError, match="is gated"):
        resolve("alice/gated", settings(tmp_path, hub.endpoint, "hf_test_bob"))


def test_a_refused_token_is_for_the_person_to_fix(hub: Hub, tmp_path: Path) -> None:
    hub.add("alice/reviews", FILES, kind="dataset")

    with pytest.raises(ConfigError, match="refused the token") as caught:
        resolve("alice/reviews", settings(tmp_path, hub.endpoint, "hf_wrong"))

    assert "hf_wrong" not in str(caught.value)


def test_an_unreachable_hub_names_what_works_without_it(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"cannot be reached .*use sklearn/digits or a local path"):
        resolve("alice/reviews", settings(tmp_path, "http://127.0.0.1:9"))


def test_a_failing_hub_is_told_from_a_missing_data_set(hub: Hub, tmp_path: Path) -> None:
    hub.add("alice/reviews", FILES, kind="dataset")
    hub.inject(Fault(method="GET", path="/api/datasets/", does="status", status=500))

    with pytest.raises(ToolError, match="answered with status 500"):
        resolve("alice/reviews", settings(tmp_path, hub.endpoint))


def test_an_interrupted_download_is_finished_by_the_next_call(hub: Hub, tmp_path: Path) -> None:
    commit = hub.add("alice/reviews", FILES, kind="dataset")
    hub.inject(Fault(method="GET", path="/resolve/.*test.csv", does="status", status=403))
    with pytest.raises((ToolError, ConfigError)):
        resolve("alice/reviews", settings(tmp_path, hub.endpoint))

    source = resolve(f"alice/reviews@{commit}", settings(tmp_path, hub.endpoint))

    assert names(source.folder) == {"data/train.csv", "data/test.csv", "README.md"}


def test_a_large_data_set_is_refused_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.add("alice/reviews", FILES, kind="dataset")

    with pytest.raises(ToolError, match="too large"):
        resolve("alice/reviews", settings(tmp_path, hub.endpoint), limit=20)

    assert not [request for request in hub.requests if "/resolve/" in request]


def test_a_data_set_of_scripts_alone_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.add("alice/script", {"script.py": b"print('hi')"}, kind="dataset")

    with pytest.raises(ToolError, match="loading scripts are not run"):
        resolve("alice/script", settings(tmp_path, hub.endpoint))


def test_local_files_are_pinned_by_their_contents(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "d" / "waves.csv", ["a", "b", "y"], waves(5))
    before = resolve(str(file), settings(tmp_path / "home"))
    unchanged = resolve(str(file), settings(tmp_path / "home"))
    write_csv(file, ["a", "b", "y"], waves(6))
    after = resolve(str(file), settings(tmp_path / "home"))

    assert before == unchanged
    assert before.folder == file
    assert before.revision != after.revision


def test_the_worker_sees_a_file_without_its_neighbours(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "d" / "waves.csv", ["a", "b", "y"], waves(5))

    (mount,) = resolve(str(file), settings(tmp_path / "home")).mounts

    assert (mount.source, mount.target, mount.writable) == (file, "/raw/waves.csv", False)


def test_an_image_folder_is_a_data_set(tmp_path: Path) -> None:
    folder = write_image_folder(tmp_path / "images")

    assert resolve(str(folder), settings(tmp_path / "home")).folder == folder


@pytest.mark.parametrize(
    ("reference", "match"),
    [
        ("/nowhere/data.csv", "does not exist on this machine"),
        ("sklearn/mnist", r"carries no 'mnist' here; known: sklearn/digits, sklearn/iris"),
        ("a b c", "is no data set: give org/name"),
        ("org/name/more", "is no data set: give org/name"),
        ("", "is no data set: give org/name"),
    ],
)
def test_a_wrong_reference_says_what_to_give(reference: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=match):
        resolve(reference, settings(tmp_path))


def test_a_folder_without_data_files_lists_the_known_endings(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "notes.docx").write_text("x", encoding="utf-8")

    with pytest.raises(ToolError, match=r"holds no data files; known endings: .*\.parquet"):
        resolve(str(tmp_path / "d"), settings(tmp_path / "home"))


def test_a_large_folder_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "d" / "waves.csv", ["a", "b", "y"], waves(50))

    with pytest.raises(ToolError, match="too large"):
        resolve(str(tmp_path / "d"), settings(tmp_path / "home"), limit=100)


@pytest.mark.parametrize("inside", ["home/runs/r/data/hidden", "home", "."])
def test_the_files_of_the_runtime_are_no_data_set(inside: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "home" / "runs" / "r" / "data" / "hidden" / "final.csv", ["y"], [[1]])

    with pytest.raises(ToolError, match="files of the runtime itself"):
        resolve(str(tmp_path / inside), settings(tmp_path / "home"))


def test_a_link_does_not_lead_around_the_rule(tmp_path: Path) -> None:
    write_csv(tmp_path / "home" / "final.csv", ["y"], [[1]])
    (tmp_path / "innocent.csv").symlink_to(tmp_path / "home" / "final.csv")

    with pytest.raises(ToolError, match="files of the runtime itself"):
        resolve(str(tmp_path / "innocent.csv"), settings(tmp_path / "home"))


def test_a_hidden_folder_is_no_data_set(tmp_path: Path) -> None:
    file = write_csv(tmp_path / ".private" / "data.csv", ["y"], [[1]])

    with pytest.raises(ToolError, match="hidden folder"):
        resolve(str(file), settings(tmp_path / "home"))


@pytest.mark.parametrize(
    ("task", "reference", "is_named"),
    [
        ("Train on ./data/flowers.csv.", "./data/flowers.csv", True),
        ("Train on `/srv/data`, then publish", "/srv/data/train.csv", True),
        ('Use "flowers.csv"', "flowers.csv", True),
        ("Use ~/flowers.csv!", "~/flowers.csv", True),
        ("Train on /srv/data", "/srv/database.csv", False),
        ("Train on /srv/data", "/srv/data/../keys.json", False),
        ("Train on the digits / iris", "/etc/keys.json", False),
        ("Train on digits", "./keys.json", False),
    ],
)
def test_a_local_path_is_named_by_the_task_or_lies_below_one_that_is(task: str, reference: str, is_named: bool) -> None:
    assert names_path(task, reference) == is_named
