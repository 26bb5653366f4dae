"""A run that needs a package: the person is asked, the host installs, code of the agent imports it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_intern import InternAgent
from ml_intern.core.facts import PackagesInstalled
from ml_intern.core.messages import Reply, ToolCall
from ml_intern.journal.runs import answer
from ml_intern.llm.scripted import ScriptedModel
from ml_intern.sandboxes.namespaces import NamespaceBackend
from ml_intern.tools import PyTorchExecutor
from sandboxes.wheels import index, write_wheel


def calling(name: str, call_id: str, **arguments: object) -> Reply:
    return Reply(text="", calls=(ToolCall(id=call_id, name=name, arguments=arguments),))


CONVERSATION = [
    calling("contract", "k", objective="try a package", deliverables=["answer"]),
    calling("run_python", "p1", code="import mli_sample"),
    calling("install", "i", packages=["mli-sample"]),
    calling("run_python", "p2", code="import mli_sample; mli_sample.X"),
    Reply(text="It works."),
]


def agent(home: Path, python: Path, *, allow: tuple[str, ...] = ()) -> InternAgent:
    backend = NamespaceBackend(home, python=python)
    tools = [PyTorchExecutor(use_gpu=False)]
    return InternAgent(ScriptedModel(CONVERSATION), tools=tools, home=home, sandbox=backend, allow=allow)


@pytest.mark.sandbox
def test_a_package_is_installed_after_a_yes_and_imported_by_the_session(
    tmp_path: Path, sandbox_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "files").mkdir()
    write_wheel(tmp_path / "files", "mli_sample", "1.0", {"mli_sample.py": "X = 42"})
    with index(tmp_path / "files") as (address, asked):
        monkeypatch.setenv("ML_INTERN_PACKAGE_INDEX", address)
        waiting = agent(tmp_path, sandbox_python).run_task("Try a package.")
        before = list(asked)
        answer(waiting.directory, None, approved=True)
        going_on = agent(tmp_path, sandbox_python)
        records = list(going_on.resume(waiting.run))

    texts = {r.event.call.id: r.event.observation.text for r in records if r.event.type == "tool_finished"}
    ended = going_on.result(waiting.run)
    assert (waiting.outcome, before, ended.outcome) == ("waiting", [], "done")
    assert [f.packages[0].name for f in ended.facts if isinstance(f, PackagesInstalled)] == ["mli-sample"]
    assert texts["i"] == "Installed mli-sample 1.0. A new session has it; variables are gone."
    assert texts["p2"].endswith("→ 42")


@pytest.mark.sandbox
def test_nobody_is_asked_where_the_person_allowed_it(
    tmp_path: Path, sandbox_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "files").mkdir()
    write_wheel(tmp_path / "files", "mli_sample", "1.0", {"mli_sample.py": "X = 42"})
    with index(tmp_path / "files") as (address, _):
        monkeypatch.setenv("ML_INTERN_PACKAGE_INDEX", address)

        assert agent(tmp_path, sandbox_python, allow=("install",)).run_task("Try a package.").outcome == "done"
