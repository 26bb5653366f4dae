"""`ml-intern papers` against an arXiv of this machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from literature import pdfs
from literature.arxiv_server import VISION, serving
from ml_intern.cli import main


def test_a_paper_is_found_read_and_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*argv: str) -> str:
        assert main(["papers", *argv, "--home", str(tmp_path)]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    with serving() as arxiv:
        for name in ("ML_INTERN_ARXIV", "ML_INTERN_SCHOLAR", "HF_ENDPOINT"):
            monkeypatch.setenv(name, arxiv.base)
        arxiv.files["/pdf/2101.00001v2"] = pdfs.paper()

        assert call("search", "small vision").startswith("2101.00001v2  2021-01-04  Patches Are Enough")
        assert "2.1 Attention" in call("read", "2101.00001")
        assert call("read", "2101.00001", "3").strip() == "[page 2]\n\nThe small network reaches 91.5 (top-5)."
        assert call("read", "2101.00001", "--whole").count("# 1 Introduction") == 1
        assert json.loads(call("read", "2101.00001", "--json"))["content"]["sections"][2]["title"] == "Introduction"
        assert "seven epochs" in call("ask", "how many epochs", "--paper", "2101.00001")
        assert main(["papers", "ask", "epochs of zebras", "--home", str(tmp_path)]) == 0
        assert capsys.readouterr().err == "these words stand nowhere there: zebras\n"
        assert json.loads(call("ask", "top-5 reached", "--json").splitlines()[0])["passage"]["anchor"] == "3"
        facts = {fact["facet"]: fact for fact in map(json.loads, call("sweep", "2101.00001", "--json").splitlines())}
        assert "epochs" in facts["epochs and steps"]["quotations"][0]["text"]


def test_watch_tells_a_paper_once_and_starts_a_run_for_each_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*argv: str) -> str:
        assert main(["watch", "small vision", *argv, "--home", str(tmp_path)]) == 0
        return capsys.readouterr().out

    with serving() as arxiv:
        monkeypatch.setenv("ML_INTERN_ARXIV", arxiv.base)
        told = [call(), call()]
        arxiv.papers.append(replace(VISION, id="2102.00002", version=1))
        arxiv.papers.append(replace(VISION, id="2102.00003", version=1))
        scripted = ["--model", "cli.scripts:answers", "--tool", "cli.scripts:echo", "--json", "--max-runs", "1"]
        runs = [call("--task", "What is in {paper}?", *scripted) for _ in range(3)]

    assert told == ["2101.00001v2  2021-01-04  Patches Are Enough: a Study of Small Vision Networks\n", ""]
    tasks = [json.loads(run.splitlines()[0])["event"]["task"] for run in runs if run]
    assert tasks == ["What is in 2102.00003v1?", "What is in 2102.00002v1?"]


@pytest.mark.parametrize("runs", ["0", "-1"])
def test_a_watch_that_may_start_no_run_is_refused(capsys: pytest.CaptureFixture[str], runs: str) -> None:
    assert main(["watch", "x", "--task", "Read {paper}", "--max-runs", runs]) == 2
    assert f"--max-runs is {runs}; give 1 or more" in capsys.readouterr().err


def test_a_task_that_does_not_name_the_paper_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "x", "--task", "train something"]) == 2
    assert "write {paper}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["read", "no paper"], "no arXiv identifier"),
        (["search", "x", "--limit", "0"], "--limit is 0"),
        (["ask", "x", "--limit", "99"], "--limit is 99"),
        (["ask", "???"], "the question has no word"),
        (["references", "2101.00001", "--limit", "-5"], "--limit is -5"),
        (["sweep", "2101.00001", "2101.00002"], "takes one paper, not 2"),
    ],
)
def test_what_cannot_be_had_is_an_error_of_the_person_who_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], reason: str
) -> None:
    status = main(["papers", *argv, "--home", str(tmp_path)])

    assert (status, reason in capsys.readouterr().err) == (2, True)
