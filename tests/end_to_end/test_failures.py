"""What a person does wrong, or meets, gives a clear line and the documented exit status; no sandbox is needed."""

import socket
import subprocess
from pathlib import Path

import pytest

from end_to_end.lives import command, environment


def run(home: Path, *arguments: str, **more: str) -> tuple[int, str]:
    process = command(arguments, environment(home, None, **more), stdout=subprocess.PIPE)
    out, err = process.communicate(timeout=120)
    return process.returncode, (out + err).decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["run", ""], 2, "the task is empty"),
        (["run", "Train it", "--model", "gpt-9000-turbo-max!"], 2, "rules"),
        (["run", "Train it", "--model", "openai:gpt-4o"], 2, "OPENAI_API_KEY"),
        (["run", "Write me a poem", "--model", "rules"], 8, "No data set was recognised"),
        (["run", "Train it", "--max-usd", "-1", "--model", "rules"], 2, "max"),
        (["run", "Train it", "--approve", "nonsense"], 2, "nonsense"),
        (["resume", "no-such-run"], 2, "unknown"),
        (["fly"], 2, "invalid choice"),
    ],
)
def test_a_mistake_of_the_person_is_named_with_its_exit_status(
    tmp_path: Path, arguments: list[str], status: int, says: str
) -> None:
    code, said = run(tmp_path, *arguments)

    assert code == status
    assert says in said
    assert "Traceback" not in said


def test_a_dead_endpoint_ends_with_the_status_of_the_model_service_and_can_be_resumed(tmp_path: Path) -> None:
    code, said = run(tmp_path, "run", "Train a net on digits", "--model", f"http://127.0.0.1:{free_port()}/v1#any")

    assert code == 3
    assert "127.0.0.1" in said
    assert "resume" in said


def test_a_sandbox_that_cannot_start_ends_with_its_own_status_and_says_what_to_do(tmp_path: Path) -> None:
    arguments = ("run", "Train a net on digits", "--model", "rules")

    code, said = run(tmp_path, *arguments, ML_INTERN_SANDBOX="namespaces")
    assert code == 7
    assert "ml-intern sandbox build" in said

    missing = str(tmp_path / "nothing-here")
    code, said = run(tmp_path, *arguments, ML_INTERN_SANDBOX="namespaces", ML_INTERN_SANDBOX_PYTHON=missing)
    assert code == 7
    assert missing in said


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    code, said = run(tmp_path / "file", "run", "Train a net on digits", "--model", "rules")

    assert code in {2, 7}
    assert str(tmp_path / "file") in said
