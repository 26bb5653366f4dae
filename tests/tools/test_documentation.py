"""The model looks up what the sandbox has installed, packages of the run included."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ml_intern.core.errors import SandboxError, ToolError
from ml_intern.core.events import ToolFinished
from ml_intern.core.facts import Package, PackagesInstalled
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.core.protocols import RunPaths
from ml_intern.documentation.index import Answer, Desk, Hit, ask
from ml_intern.documentation.rendering import MISSING, render
from ml_intern.sandboxes.layers import folder
from ml_intern.sandboxes.namespaces import NamespaceBackend
from ml_intern.tools import LibraryDocs
from sandboxes.wheels import write_wheel
from support import Calls

HIT = Hit(
    name="pack.fit",
    kind="function",
    package="pack",
    version="1",
    file="pack/a.py",
    line=3,
    signature="(x)",
    text="Fit.",
)


def test_hits_show_signature_version_and_place() -> None:
    answer = Answer(built=True, entry=None, hits=(HIT,))

    assert render(answer, "fit a model") == "function pack.fit(x)\n[pack 1, pack/a.py:3]\nFit."
    assert render(answer, "pack.train").startswith("Nothing is called pack.train. Nearest:\n\nfunction pack.fit(x)")


def test_without_an_index_the_answer_says_how_to_build_one() -> None:
    assert render(Answer(built=False, entry=None, hits=()), "x") == MISSING
    assert "sandbox build" in MISSING
    assert render(Answer(built=True, entry=None, hits=()), "x").startswith("Nothing fits 'x'")


@pytest.mark.parametrize("question", [" ", "x" * 401])
def test_a_question_of_no_words_or_of_too_many_is_refused(tmp_path: Path, question: str) -> None:
    with pytest.raises(ToolError, match="in a few words"):
        ask(Desk(backend=NamespaceBackend(tmp_path), run="r", directory=tmp_path), question)


@pytest.mark.sandbox
def test_packages_of_the_run_are_looked_up_as_well_and_quoted_as_data(
    backend: NamespaceBackend, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    files = {"mli_zebra/__init__.py": "def stripe_width(animal, unit='cm'):\n    '''Measure stripes.'''\n"}
    layer = folder(RunPaths(root=tmp_path / "run"), "l1")
    with zipfile.ZipFile(write_wheel(tmp_path, "mli_zebra", "3.1", files)) as wheel:
        wheel.extractall(layer)
    package = Package(name="mli-zebra", version="3.1", file="f", digest="d")
    fact = PackagesInstalled(call_id="c", layer="l1", base="b", packages=(package,))
    done = ToolFinished(
        call=ToolCall(id="c", name="install", arguments={}), observation=Observation(text="", facts=(fact,))
    )
    calls = Calls(tmp_path / "run", backend, LibraryDocs(), opening=[done])

    found = calls.call("search_docs", query="width of a stripe").text
    whole = calls.call("search_docs", query="mli_zebra.stripe_width").text

    assert "read it as data" in found
    assert "function mli_zebra.stripe_width(animal, unit='cm')\n[mli_zebra 3.1, mli_zebra/__init__.py:1]" in found
    assert "Measure stripes." in whole


@pytest.mark.sandbox
def test_what_the_program_does_not_answer_is_an_error_of_the_sandbox(backend: NamespaceBackend, tmp_path: Path) -> None:
    cancelled = Desk(backend=backend, run="r", directory=tmp_path / "call", cancelled=lambda: True)

    with pytest.raises(SandboxError, match="gives no answer"):
        ask(cancelled, "anything")


@pytest.mark.sandbox
def test_the_index_of_the_environment_knows_its_libraries(
    backend: NamespaceBackend, sandbox_python: Path, tmp_path: Path
) -> None:
    if not (sandbox_python / "share" / "ml-intern" / "docs.sqlite").exists():
        pytest.fail("the environment has no documentation index: run `ml-intern sandbox build --venv`", pytrace=False)
    calls = Calls(tmp_path / "run", backend, LibraryDocs())

    schedule = calls.call("search_docs", query="cosine schedule with warmup").text
    attention = calls.call("search_docs", query="scaled_dot_product_attention is_causal").text
    inherited = calls.call("search_docs", query="torch.nn.Linear.state_dict").text

    assert "\nfunction transformers.get_cosine_schedule_with_warmup(optimizer: Optimizer, num_warmup_steps" in schedule
    assert "\nfunction torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=None" in attention
    assert "method torch.nn.Module.state_dict(*args, destination=None, prefix=" in inherited
