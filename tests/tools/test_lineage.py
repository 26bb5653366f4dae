"""What weights were tuned from is found among the models that this machine knows, and how far they moved."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.bundles import safetensors
from ml_intern.core.facts import Base
from ml_intern.core.protocols import RunPaths, ToolContext
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.publishing.bundle import file_digest
from ml_intern.tools._lineage import Lineage, lineage
from publishing.samples import TRAINED

pytestmark = pytest.mark.sandbox

BASE = [[random.Random(8 * row + column).gauss(0, 1) for column in range(8)] for row in range(8)]


def write(file: Path, weight: Sequence[Sequence[float]], *, of_head: float) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(safetensors({"body.layer.weight": weight, "head.bias": [of_head] * 4}))
    return file


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model in the cache of the Hub's client; the head of ours is of another size, or the same."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    return write(tmp_path / "cache/models--org--base/snapshots/abc/model.safetensors", BASE, of_head=0.5)


def found(weight: Sequence[Sequence[float]], root: Path, backend: SandboxBackend, *, fresh: float = 0.9) -> Lineage:
    paths = RunPaths(root=root / "run")
    write(paths.bundle / "model.safetensors", weight, of_head=0.5)
    context = ToolContext(
        run="r", call_id="evaluate", paths=paths, records=(), sandboxes=lambda: backend, home=root / "home"
    )
    return lineage(context, TRAINED, fresh)


def test_the_base_is_named_with_its_revision_and_how_far_the_weights_moved(
    base: Path, tmp_path: Path, backend: SandboxBackend
) -> None:
    moved = found([[1.1 * value for value in row] for row in BASE], tmp_path, backend)

    assert moved.base is not None
    told = Base(name="org/base", revision="abc", digest=file_digest(base), change=0.0, shared=68, elements=68)
    assert (replace(moved.base, change=0.0), moved.findings) == (told, ())
    size = sum(value**2 for row in BASE for value in row)
    assert moved.base.change == pytest.approx((0.01 * size / (size + 1)) ** 0.5, rel=1e-4)
    assert "Tuned from org/base: over 68 of 68 values" in moved.text(0.9)


def test_a_model_that_equals_its_base_but_for_rounding_is_refused(
    base: Path, tmp_path: Path, backend: SandboxBackend
) -> None:
    del base
    moved = found([[value * (1 + 2e-7) for value in row] for row in BASE], tmp_path, backend)

    assert [(one.name, one.refuses) for one in moved.findings] == [("known_weights", True)]
    assert "of org/base@abc by" in moved.findings[0].detail


def test_what_lies_nearer_to_a_fresh_network_has_no_base(base: Path, tmp_path: Path, backend: SandboxBackend) -> None:
    del base

    assert found([[-value for value in row] for row in BASE], tmp_path, backend) == Lineage()
