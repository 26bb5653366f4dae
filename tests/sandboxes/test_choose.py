"""The backend is the one that is named, or the first that starts; none is an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_intern.config import Settings
from ml_intern.core.errors import ConfigError, SandboxError
from ml_intern.sandboxes.bubblewrap import BubblewrapBackend
from ml_intern.sandboxes.choose import choose
from ml_intern.sandboxes.docker import DockerBackend
from ml_intern.sandboxes.namespaces import NamespaceBackend


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("docker", DockerBackend),
        ("podman", DockerBackend),
        ("namespaces", NamespaceBackend),
        ("bubblewrap", BubblewrapBackend),
    ],
)
def test_a_named_backend_is_made_without_asking_anything(settings: Settings, name: str, kind: type) -> None:
    backend = choose(name, settings)

    assert (type(backend), backend.name) == (kind, name)


def test_an_unknown_name_lists_the_known_ones(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="known: bubblewrap, docker, namespaces, podman"):
        choose("wasm", settings)


def test_where_nothing_works_each_reason_and_the_remedy_are_told(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ML_INTERN_SANDBOX_PYTHON", raising=False)

    with pytest.raises(SandboxError) as caught:
        choose("auto", settings)

    assert str(caught.value).splitlines()[:5] == [
        "no sandbox works here:",
        "- docker: docker is not installed",
        "- podman: podman is not installed",
        "- namespaces: the sandbox has no Python environment yet; run `ml-intern sandbox build`",
        "- bubblewrap: bwrap is not installed",
    ]
    assert "`ml-intern sandbox build`" in str(caught.value).splitlines()[-1]


def test_a_folder_that_is_no_environment_is_named(tmp_path: Path) -> None:
    report = NamespaceBackend(tmp_path, tmp_path).check()

    assert (report.works, report.detail) == (False, f"{tmp_path} is no virtual environment: it has no pyvenv.cfg")
