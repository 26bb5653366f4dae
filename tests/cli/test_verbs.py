"""The real command, in this process, with scripted models: what is printed, and the exit status."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ml_intern.cli import main
from ml_intern.cli.crash import write_crash
from ml_intern.core.events import CheckWaived
from ml_intern.journal.sqlite import SqliteJournal


class Ran(NamedTuple):
    """How one call of the command ended."""

    status: int
    out: str
    err: str


Command = Callable[..., Ran]
TASK = "What is six times seven?"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Call `ml-intern` with a home of its own; `run` gets a scripted model and its tool by name."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ML_INTERN_HOME", str(tmp_path / "home"))

    def call(*argv: str) -> Ran:
        status = main(argv)
        printed = capfd.readouterr()
        return Ran(status, printed.out, printed.err)

    return call


def scripted(model: str, *tools: str) -> list[str]:
    """Options that name a scripted model and the tools it calls."""
    return ["--model", f"cli.scripts:{model}", *(f"--tool=cli.scripts:{tool}" for tool in tools or ("echo",))]


def only_run(home: Path) -> Path:
    """The folder of the one run there is."""
    (folder,) = (home / "home" / "runs").iterdir()
    return folder


def test_a_run_that_is_accepted_exits_0_and_tells_its_story(command: Command, tmp_path: Path) -> None:
    ran = command("run", TASK, *scripted("answers"))

    run = only_run(tmp_path)
    assert ran.status == 0
    assert ran.out.splitlines() == [
        f"run {run.name}",
        f"files: {run}",
        TASK,
        "brain: scripted",
        "First the contract.",
        '> contract(objective=\'Answer the question\', deliverables=["answer"], plan=["think"])',
        "  contract: Answer the question",
        "    to deliver: answer",
        "    1. think",
        "The answer is 42.",
        "",
        "done: the contract is met",
        "  cost: 2 model requests, 0 tokens, $0.00",
    ]
    assert ran.err == f"ml-intern: details: ml-intern show {run.name}\n"


@pytest.mark.parametrize(
    ("model", "tools", "options", "status", "says"),
    [
        ("stops_early", (), (), 8, "incomplete"),
        ("falls_silent", (), (), 3, "language-model service failed"),
        ("costs_a_dollar", (), ("--max-usd", "0.5"), 4, "limit of $0.50"),
        ("answers", (), ("--max-iterations", "1"), 5, "1 iterations are used up"),
        ("repeats_itself", ("echo",), (), 6, "the same results"),
        ("loses_its_sandbox", ("no_sandbox",), (), 7, "the engine is gone"),
    ],
)
def test_each_way_to_end_has_its_status_says_why_and_how_to_go_on(
    command: Command, model: str, tools: tuple[str, ...], options: tuple[str, ...], status: int, says: str
) -> None:
    ran = command("run", TASK, *scripted(model, *tools), *options)

    assert ran.status == status
    assert says in ran.out
    assert "ml-intern resume " in ran.err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("run", "  ", *scripted("answers")), "the task is empty"),
        (("run", TASK, "--model", "no such model"), "no model is called"),
        (("run", TASK, "--model", "cli.scripts:nothing"), "cannot be imported"),
        (("run", TASK, *scripted("answers"), "--max-usd", "-1"), "must be a number above 0"),
        (("run", TASK, *scripted("answers", "no_such_tool")), "cannot be imported"),
        (("demo", "--teach", "--model", "rules"), "leave --model out"),
        (("resume", "nothing"), "the run 'nothing' is unknown"),
        (("show", "nothing"), "the run 'nothing' is unknown"),
        (("approve", "nothing"), "the run 'nothing' is unknown"),
        (("export", "nothing"), "the run 'nothing' is unknown"),
    ],
)
def test_what_the_person_must_correct_exits_2_with_one_line(command: Command, argv: tuple[str, ...], says: str) -> None:
    ran = command(*argv)

    assert ran.status == 2
    assert ran.out == ""
    assert says in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("argv", [(), ("fly",), ("run",), ("run", TASK, "--approve", "publsih"), ("runs", "--bad")])
def test_an_unknown_verb_or_option_exits_2(argv: tuple[str, ...], command: Command) -> None:
    with pytest.raises(SystemExit) as left:
        command(*argv)

    assert left.value.code == 2


def test_a_run_with_more_budget_goes_on_and_keeps_its_model(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("answers"), "--max-iterations", "1")

    ran = command("resume", only_run(tmp_path).name[:10], "--max-iterations", "5")

    assert ran.status == 0
    assert "goes on: " in ran.out
    assert "The answer is 42." in ran.out


def test_a_spending_limit_outlives_the_process(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("costs_a_dollar"), "--max-usd", "0.5")
    run = only_run(tmp_path).name

    assert command("resume", run).status == 4
    assert command("resume", run, "--max-usd", "5").status == 0


def test_damaged_options_are_refused_not_guessed(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("answers"), "--max-iterations", "1")
    (only_run(tmp_path) / "command.json").write_text('{"model": ', "utf-8")

    ran = command("resume", only_run(tmp_path).name)

    assert ran.status == 2
    assert "command.json is damaged" in ran.err


def test_json_prints_every_record_and_live_event_and_nothing_else(command: Command, tmp_path: Path) -> None:
    ran = command("run", TASK, *scripted("prints", "hostile"), "--json")

    lines = [json.loads(line) for line in ran.out.splitlines()]
    records = [line["event"]["type"] for line in lines if "event" in line]
    live = [line["live"] for line in lines if "live" in line]
    assert ran.status == 0
    assert ran.out.isascii()
    assert {line["run"] for line in lines} == {only_run(tmp_path).name}
    assert [line["seq"] for line in lines if "event" in line] == list(range(len(records)))
    assert (records[0], records[-1]) == ("run_started", "run_finished")
    assert live[0] == {"text": "First the contract.", "type": "model_text"}
    assert [x["values"] for x in live if x["type"] == "metric"][-1] == {"loss": None}


def test_hostile_output_is_harmless_and_a_training_is_a_few_lines(command: Command) -> None:
    ran = command("run", TASK, *scripted("prints", "hostile"))

    shown = ran.out.split("> hostile()\n")[1].split("The answer")[0].splitlines()
    assert shown == [
        "  | harm\\u202eless",
        "  step 1 of 20  loss 2",
        *(f"  step {step} of 20  loss {2 / step:.4g}" for step in range(2, 21, 2)),
        "  ok",
    ]


def test_without_a_terminal_a_question_exits_9_and_says_how_to_answer(command: Command, tmp_path: Path) -> None:
    ran = command("run", TASK, *scripted("touches_a_file", "touch"), "--approve", "execute")

    run = only_run(tmp_path)
    assert ran.status == 9
    assert "needs your approval" in ran.out
    assert f"ml-intern approve {run.name}" in ran.err
    assert not (run / "workspace" / "touched").exists()


def test_the_contract_itself_can_wait_for_a_person(command: Command, tmp_path: Path) -> None:
    ran = command("run", TASK, *scripted("answers"), "--approve", "contract")

    shown = json.loads(command("show", only_run(tmp_path).name, "--json").out)
    assert ran.status == 9
    assert [asked["call_id"] for asked in shown["waiting"]] == ["contract-1"]


def test_an_approved_call_happens_when_the_run_goes_on(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("touches_a_file", "touch"), "--approve", "execute")
    run = only_run(tmp_path)

    approved = command("approve", run.name)
    ran = command("resume", run.name)

    assert (approved.status, approved.out) == (0, "")
    assert f"ml-intern resume {run.name}" in approved.err
    assert ran.status == 0
    assert (run / "workspace" / "touched").exists()


def test_a_denied_call_never_happens_and_the_model_hears_why(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("touches_a_file", "touch"), "--approve", "execute")
    run = only_run(tmp_path)

    denied = command("deny", run.name, "touch-1", "--comment", "not today")
    ran = command("resume", run.name)

    assert (denied.status, ran.status) == (0, 0)
    assert "not today" in ran.out
    assert not (run / "workspace" / "touched").exists()


def test_a_second_answer_is_refused(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("touches_a_file", "touch"), "--approve", "execute")
    run = only_run(tmp_path).name
    command("approve", run)

    ran = command("deny", run)

    assert ran.status == 2
    assert "nothing waits" in ran.err


@pytest.mark.parametrize(("model", "tool"), [("is_interrupted", "interrupt"), ("is_terminated", "terminate")])
def test_the_first_signal_cancels_and_the_run_can_go_on(
    command: Command, tmp_path: Path, model: str, tool: str
) -> None:
    ran = command("run", TASK, *scripted(model, tool))
    run = only_run(tmp_path).name

    assert ran.status == 130
    assert "cancelled: stopped as you asked" in ran.out
    assert "stopping at the next safe point" in ran.err
    assert f"ml-intern resume {run}" in ran.err
    assert command("resume", run).status == 0


def test_the_second_signal_ends_at_once_and_the_run_can_go_on(command: Command, tmp_path: Path) -> None:
    ran = command("run", TASK, *scripted("is_interrupted_twice", "interrupt_twice"))
    run = only_run(tmp_path).name

    assert ran.status == 130
    assert "ended at once" in ran.err
    assert f"ml-intern resume {run}" in ran.err
    assert command("show", run).out.splitlines()[-2].startswith("torn: ")
    assert command("resume", run).status == 0


def test_a_fault_of_ours_is_one_line_with_the_run_and_a_file(command: Command, tmp_path: Path) -> None:
    ran = command("run", TASK, *scripted("meets_a_fault", "fault"))

    (crash,) = (tmp_path / "home" / "crash").iterdir()
    assert ran.status == 70
    assert "unexpected RuntimeError: a bug" in ran.err
    assert str(crash) in ran.err
    assert f"ml-intern resume {only_run(tmp_path).name}" in ran.err
    assert "Traceback" not in ran.err
    assert "def fault" not in ran.err
    assert "RuntimeError" in crash.read_text("utf-8")


def test_a_broken_pipe_that_is_not_ours_is_a_fault(command: Command) -> None:
    ran = command("run", TASK, *scripted("breaks_a_pipe", "broken_pipe"))

    assert ran.status == 70
    assert "unexpected BrokenPipeError: the engine hung up" in ran.err


def test_an_error_meant_for_the_model_that_reaches_the_top_is_a_fault(command: Command, tmp_path: Path) -> None:
    ran = command("run", TASK, *scripted("is_no_model"))

    assert ran.status == 70
    assert "unexpected ToolError" in ran.err
    assert len(list((tmp_path / "home" / "crash").iterdir())) == 1


def test_a_traceback_that_cannot_be_kept_is_printed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    told = write_crash(RuntimeError("a bug"), home=tmp_path / "file")

    assert told.startswith("this traceback:\nRuntimeError: a bug")


def test_a_run_carried_on_elsewhere_is_not_disturbed(command: Command, tmp_path: Path) -> None:
    from ml_intern.journal.sqlite import SqliteJournal  # noqa: PLC0415 - only this test writes a journal itself

    command("run", TASK, *scripted("answers"), "--max-iterations", "1")
    run = only_run(tmp_path)

    with SqliteJournal(run / "run.db", writer=True):
        ran = command("resume", run.name)
        listed = command("runs")

    assert ran.status == 7
    assert "carried on by another process" in ran.err
    assert " running " in listed.out


def test_a_damaged_journal_exits_7(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("answers"))
    run = only_run(tmp_path)
    (run / "run.db").write_bytes(b"not a database at all" * 100)

    ran = command("show", run.name)

    assert ran.status == 7
    assert "cannot be" in ran.err


def test_runs_lists_what_is_kept_newest_first(command: Command) -> None:
    assert command("runs").err.startswith("no runs in ")
    command("run", TASK, *scripted("answers"))
    command("run", "Another question?", *scripted("stops_early"))

    lines = command("runs").out.splitlines()
    objects = [json.loads(line) for line in command("runs", "--json").out.splitlines()]

    assert {" ".join(line.split()[1:4]) for line in lines} == {"done 2 requests", "incomplete 4 requests"}
    assert {o["task"]: o["state"] for o in objects} == {TASK: "done", "Another question?": "incomplete"}


def test_show_tells_the_story_again_with_the_files(command: Command, tmp_path: Path) -> None:
    told = command("run", TASK, *scripted("touches_a_file", "touch")).out.splitlines()
    run = only_run(tmp_path)

    shown = command("show", run.name[-4:]).out.splitlines()

    assert shown[: len(told) - 2] == told[2:]
    assert shown[len(told) - 2 :] == [f"files: {run}", "  workspace/  what the model wrote"]


def test_show_draws_what_the_watch_of_a_training_wrote(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("touches_a_file", "touch"))
    run = only_run(tmp_path)
    (run / "calls" / "train-1").mkdir(parents=True)
    (run / "calls" / "train-1" / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')

    drawn = command("show", run.name, "--curve").out.splitlines()
    numbers = json.loads(command("show", run.name, "--curve", "--json").out)

    assert drawn[:2] == ["train-1: 2 steps", "  loss          █▁"]
    assert numbers["points"] == [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]


def test_show_as_json_has_state_and_facts(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("touches_a_file", "touch"), "--approve", "execute")

    shown = json.loads(command("show", only_run(tmp_path).name, "--json").out)

    assert shown["state"] == "waiting"
    assert [fact["type"] for fact in shown["facts"]] == ["contract_agreed"]
    assert [asked["call_id"] for asked in shown["waiting"]] == ["touch-1"]


def test_events_and_export_print_the_journal_and_export_hides_secrets(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", 'sk-"quoted"-1234')
    monkeypatch.setenv("SHORT_TOKEN", "what")
    command("run", 'My key is sk-"quoted"-1234, what now?', *scripted("answers"))
    run = only_run(tmp_path).name

    events = [json.loads(line) for line in command("show", run, "--events").out.splitlines()]
    exported = [json.loads(line) for line in command("export", run).out.splitlines()]

    assert events[0]["event"]["task"] == 'My key is sk-"quoted"-1234, what now?'
    assert exported[0]["event"]["task"] == "My key is ***, what now?"
    assert [e["seq"] for e in exported] == list(range(len(events)))


def test_a_run_that_is_done_is_not_carried_on(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("answers"))

    ran = command("resume", only_run(tmp_path).name)

    assert (ran.status, ran.out) == (0, "")
    assert "is done already" in ran.err


def test_the_doctor_names_keys_without_their_values_and_judges_by_the_sandboxes(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-not-to-be-seen")
    monkeypatch.setenv("HF_TOKEN", "hf-not-to-be-seen")

    ran = command("doctor", "--json")

    findings = [json.loads(line) for line in ran.out.splitlines()]
    models = {f["name"]: f for f in findings if f["topic"] == "model"}
    works = [f["ok"] for f in findings if f["topic"] == "sandbox"]
    picked = [name for name, f in models.items() if "takes this one" in f["detail"]]
    assert "not-to-be-seen" not in ran.out + ran.err
    assert [name.split(":")[0] for name in picked] == ["anthropic"]
    assert models["rules"]["ok"] is True
    assert {f["topic"] for f in findings} == {"python", "model", "hub", "gpu", "disk", "sandbox"}
    assert ran.status == (0 if any(works) else 7)


def test_sandbox_check_agrees_with_the_doctor(command: Command) -> None:
    checked = command("sandbox", "check", "--json")
    findings = [json.loads(line) for line in checked.out.splitlines()]
    told = command("sandbox", "check").out.splitlines()
    diagnosed = [json.loads(line) for line in command("doctor", "--json").out.splitlines()]

    assert findings == [f for f in diagnosed if f["topic"] == "sandbox"]
    assert [line.split()[:2] for line in told] == [["ok" if f["ok"] else "no", f["name"]] for f in findings]
    assert checked.status == (0 if any(f["ok"] for f in findings) else 7)


def test_sandbox_build_says_what_it_could_not_use(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    ran = command("sandbox", "build", "--venv", "--wheelhouse", str(tmp_path / "empty"))

    assert (ran.status, ran.out) == (7, "")
    assert f"{tmp_path / 'empty'} holds no wheels" in ran.err


def test_the_home_option_wins_over_the_environment(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("answers"), "--home", str(tmp_path / "other"))

    assert len(list((tmp_path / "other" / "runs").iterdir())) == 1
    assert not (tmp_path / "home").exists()


def test_a_home_that_cannot_be_written_is_a_clear_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ran = command("run", TASK, *scripted("answers"), "--home", str(tmp_path / "file"))

    assert ran.status == 7
    assert "cannot be created" in ran.err


def test_collect_copies_ordinary_files_and_names_what_it_leaves(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("answers"))
    run = only_run(tmp_path)
    (run / "workspace" / "notes.txt").write_text("notes", "utf-8")
    (run / "workspace" / "run\x1b[2J").symlink_to(run / "run.db")

    ran = command("collect", run.name, str(tmp_path / "taken"))
    again = command("collect", run.name, str(tmp_path / "taken"))

    assert (ran.status, again.status) == (0, 2)
    assert ran.out.split() == [hashlib.sha256(b"notes").hexdigest()[:12], "5", "workspace/notes.txt"]
    assert ran.err == "left: workspace/run: a link\n"
    assert [p.name for p in (tmp_path / "taken").rglob("*") if p.is_file()] == ["notes.txt"]


def test_show_tells_what_a_call_changed_and_rollback_puts_it_back(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("writes_files", "echo"), "--tool=executor")
    run = only_run(tmp_path)
    notes = run / "workspace" / "notes.txt"

    first = command("show", run.name, "--diff", "write_file-1")
    second = command("show", run.name, "--diff", "write_file-2")
    as_json = command("show", run.name, "--diff", "write_file-2", "--json")
    back = command("rollback", run.name, "write_file-2")
    undo = back.err.splitlines()[0].split()[-1]

    assert first.out.splitlines() == ["--- /dev/null", "+++ b/notes.txt", "@@ -0,0 +1,2 @@", "+one", "+two"]
    assert second.out.splitlines()[-2:] == ["-two", "+2"]
    assert json.loads(as_json.out)["lines"][-1] == "+\x1b[2J2"
    assert (back.status, notes.read_text("utf-8")) == (0, "one\ntwo\n")
    assert command("rollback", run.name, undo, "--json").status == 0
    assert "\x1b" in notes.read_text("utf-8")
    assert command("rollback", run.name, "contract-1").status == 2
    assert command("rollback", run.name, "f" * 16).status == 2
    assert "workspace as before write_file-2: A person put the files" in command("show", run.name).out


def test_rollback_is_refused_while_a_process_carries_the_run_on(command: Command, tmp_path: Path) -> None:
    command("run", TASK, *scripted("writes_files", "echo"), "--tool=executor")
    run = only_run(tmp_path)

    with SqliteJournal(run / "run.db", writer=True):
        ran = command("rollback", run.name, "write_file-2")

    assert ran.status == 7
    assert "carried on by another process" in ran.err
    assert "2" in (run / "workspace" / "notes.txt").read_text("utf-8")


def test_clean_says_what_goes_and_removes_it_only_when_it_is_asked_to(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no engine: other people's containers are no matter of a test
    command("run", TASK, *scripted("answers"))
    layer = only_run(tmp_path) / "layers" / "abc"
    layer.mkdir(parents=True)
    torn = tmp_path / "home" / "runs" / "torn" / "layers" / "def"
    torn.mkdir(parents=True)

    dry = [json.loads(line) for line in command("clean", "--dry-run", "--json").out.splitlines()]
    there = layer.exists()
    done = command("clean")

    assert {item["run"]: item["done"] for item in dry} == {"torn": "kept", layer.parent.parent.name: "would remove"}
    assert (there, layer.exists(), torn.exists(), done.status) == (True, False, True, 0)
    assert "--all removes it" in done.out
    assert command("clean", "--all").out.startswith("removed")
    assert not torn.exists()


def test_a_waiver_with_its_reason_is_an_event_of_the_run_and_is_told(command: Command, tmp_path: Path) -> None:
    waiver = ("--waive", "causality", "--because", "the task looks at both sides")

    ran = command("run", TASK, *scripted("answers"), *waiver)

    with SqliteJournal(only_run(tmp_path) / "run.db", writer=False) as journal:
        assert CheckWaived(check="causality", reason="the task looks at both sides") in [r.event for r in journal]
    assert ran.status == 0
    assert "waived by the person: causality, because the task looks at both sides" in ran.out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--waive", "causality"), "needs a --because TEXT"),
        (("--waive", "beauty", "--because", "why"), "no check or family is called 'beauty'"),
    ],
)
def test_a_waiver_without_a_check_or_a_reason_is_refused(command: Command, options: tuple[str, ...], says: str) -> None:
    ran = command("run", TASK, *scripted("answers"), *options)

    assert ran.status == 2
    assert says in ran.err
