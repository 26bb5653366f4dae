"""The command as a process of its own: what it loads, a terminal, a closed pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2]
MAIN = "import sys; from ml_intern.cli import main; sys.exit(main())"
TASK = "What is six times seven?"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a person with a colour terminal, a home of their own and no keys."""
    paths = os.pathsep.join([str(SOURCES / "src"), str(SOURCES / "tests")])
    kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return {**kept, "HOME": str(tmp_path), "PYTHONPATH": paths, "TERM": "xterm-256color"}


def scripted(model: str, tool: str) -> list[str]:
    """Options that name a scripted model and the tool it calls."""
    return ["run", TASK, "--model", f"cli.scripts:{model}", "--tool", f"cli.scripts:{tool}"]


@pytest.mark.parametrize("argv", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_no_library(argv: list[str], environment: dict[str, str]) -> None:
    code = (
        "import sys\nfrom ml_intern.cli import main\n"
        f"try:\n    main({argv!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'pydantic', 'rich', 'httpx', 'huggingface_hub', 'pydantic_ai', 'lxml', 'sqlite3'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )

    assert ran.stderr.strip() == "[]"
    assert ran.stdout.startswith(("usage: ml-intern", "ml-intern "))


def test_a_reader_that_goes_away_ends_the_command_quietly(environment: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    ran = subprocess.run(
        [sys.executable, "-c", MAIN, *scripted("answers", "echo")],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(writing)

    assert (ran.returncode, ran.stderr) == (141, "")


def test_a_full_disk_is_a_clear_line_and_the_run_goes_on_once_there_is_room(
    environment: dict[str, str], tmp_path: Path
) -> None:
    def command(*argv: str) -> subprocess.CompletedProcess[str]:
        full = [sys.executable, "-c", MAIN, *argv]
        return subprocess.run(full, env=environment, capture_output=True, text=True, check=False, timeout=60)

    ran = command(*scripted("fills_the_disk", "fill"))
    (run,) = (tmp_path / ".ml-intern" / "runs").iterdir()

    assert ran.returncode == 7
    assert "cannot be written" in ran.stderr
    assert "Free some disk space" in ran.stderr
    assert f"ml-intern resume {run.name}" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert command("resume", run.name).returncode == 0


def on_a_terminal(argv: list[str], environment: dict[str, str], answers: Callable[[str], str]) -> tuple[int, str]:
    """Run the command on a pseudo-terminal; `answers` gives what to type after seeing everything so far."""
    person, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *argv], env=environment, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    seen = ""
    try:
        while chunk := os.read(person, 65536):
            seen += chunk.decode("utf-8", "replace")
            if typed := answers(seen):
                os.write(person, typed.encode())
    except OSError:
        pass  # Linux reports the end of a pseudo-terminal as EIO
    finally:
        os.close(person)
    return process.wait(timeout=60), seen


def after(prompts: dict[str, str]) -> Callable[[str], str]:
    """Type each answer once, when its prompt has appeared."""
    open_prompts = dict(prompts)

    def answer(seen: str) -> str:
        found = next((prompt for prompt in open_prompts if seen.rstrip().endswith(prompt)), None)
        return open_prompts.pop(found) if found else ""

    return answer


def test_on_a_terminal_a_person_sees_what_will_happen_and_says_yes(environment: dict[str, str], tmp_path: Path) -> None:
    argv = [*scripted("touches_a_file", "touch"), "--approve", "execute", "--plain"]

    status, seen = on_a_terminal(argv, environment, after({"[y/n]": "y\n"}))

    assert status == 0
    assert "touch (execute) needs a person's approval" in seen
    assert "  text: line 1" in seen
    assert "    line 2" in seen
    assert len(list(tmp_path.glob(".ml-intern/runs/*/workspace/touched"))) == 1


def test_on_a_terminal_a_person_says_no_and_why(environment: dict[str, str], tmp_path: Path) -> None:
    argv = [*scripted("touches_a_file", "touch"), "--approve", "execute", "--plain"]

    status, seen = on_a_terminal(argv, environment, after({"[y/n]": "n\n", "be empty)?": "not today\n"}))

    assert status == 0
    assert "A person refused this call: not today" in seen
    assert list(tmp_path.glob(".ml-intern/runs/*/workspace/touched")) == []


def test_the_end_of_input_is_no_answer(environment: dict[str, str]) -> None:
    argv = [*scripted("touches_a_file", "touch"), "--approve", "execute", "--plain"]

    status, seen = on_a_terminal(argv, environment, after({"[y/n]": "\x04"}))

    assert status == 9
    assert "ml-intern approve" in seen


def test_a_terminal_gets_colours_and_hostile_text_stays_harmless(environment: dict[str, str]) -> None:
    status, seen = on_a_terminal(scripted("prints", "hostile"), environment, lambda _: "")

    assert status == 0
    assert "\x1b[" in seen
    assert "\x1b]0;owned" not in seen
    assert "\\u202e" in seen
    assert "step 21  loss nan" in seen


@pytest.mark.parametrize("change", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colour_gets_plain_lines(environment: dict[str, str], change: dict[str, str]) -> None:
    status, seen = on_a_terminal(scripted("prints", "hostile"), {**environment, **change}, lambda _: "")

    assert status == 0
    assert "\x1b" not in seen
