"""A model on a Hub is verified from its repository alone, without a token where it is public."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.server import Hub
from ml_intern.agent.verify import verify
from ml_intern.config import Secret, Settings
from ml_intern.core.errors import ConfigError, SandboxError
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.publishing.hub import HubDestination
from ml_intern.publishing.push import stage
from publishing.samples import PROSE, build_sample, sample_record


def without_sandbox() -> SandboxBackend:
    raise SandboxError("no sandbox works here")


def publish(hub: Hub, folder: Path, *, private: bool) -> str:
    destination = HubDestination(token=Secret("hf_test_alice"), endpoint=hub.endpoint)
    bundle, files = build_sample(folder / "bundle"), folder / "publication"
    record = sample_record(bundle)
    stage(files, bundle=bundle, record=record, prose=PROSE, repository="alice/flowers", destination=destination)
    return destination.push(files, "alice/flowers", private=private, key="run/1", message="Publish it")


def test_a_public_model_is_verified_without_a_token(hub: Hub, tmp_path: Path) -> None:
    commit = publish(hub, tmp_path, private=False)
    settings = Settings(home=tmp_path / "home", hub_endpoint=hub.endpoint)

    for reference in ("alice/flowers", f"alice/flowers@{commit}"):
        found = verify(reference, settings=settings, sandbox=without_sandbox)
        assert found.failed == ()
        assert {claim.verdict for claim in found.claims} == {"passed", "not checkable"}


def test_a_model_that_is_not_there_is_the_persons_to_correct(hub: Hub, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", hub_endpoint=hub.endpoint)

    with pytest.raises(ConfigError, match="alice/nothing is no folder here"):
        verify("alice/nothing", settings=settings, sandbox=without_sandbox)
