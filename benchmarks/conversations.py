"""What the committed conversations with a language model cost, and what the checks said in them.

    ML_INTERN_SANDBOX_PYTHON=FOLDER PYTHONPATH=tests python benchmarks/conversations.py [NAME …]

Replays each file of tests/end_to_end/conversations through the real client. Prints requests, tokens at 4 characters
each (everything sent, at every request, and every answer), how the run ended, and the beginning of each verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from end_to_end.lives import environment, live_for, only_run
from end_to_end.test_language_model import CONVERSATIONS, answers, recorded
from llm.server import Service
from ml_intern.core.events import RunFinished, ToolFinished
from ml_intern.journal.runs import DATABASE
from ml_intern.journal.sqlite import SqliteJournal

VERDICTS = ("check_network", "test_network", "train", "evaluate", "publish")


def replay(name: str, home: Path) -> None:
    """Carry one conversation out in `home`, and print what became of it."""
    talk = recorded(name)
    with Service(answers(talk["turns"]), by_turn=True) as service:
        env = environment(
            home, Path(os.environ["ML_INTERN_SANDBOX_PYTHON"]), OPENAI_BASE_URL=service.address, OPENAI_API_KEY="x"
        )
        live_for(1800, ["run", talk["task"], "--model", "openai:gpt-4o"], env)
        sent = sum(len(asked.body) for asked in service.asked)
    run = only_run(home)
    assert run is not None
    with SqliteJournal(home / "runs" / run / DATABASE, writer=False) as journal:
        events = [record.event for record in journal]
    tokens = (sent + len(json.dumps(talk["turns"]))) // 4
    outcome = next((event.outcome for event in events if isinstance(event, RunFinished)), "unfinished")
    print(f"{name}: {len(service.asked)} requests, {tokens:,} tokens, {outcome}")
    for event in events:
        if isinstance(event, ToolFinished) and event.call.name in VERDICTS:
            lines = event.observation.text.splitlines()
            accused = next((n for n, line in enumerate(lines) if line.startswith("- ")), 0)
            print(f"  {event.call.name}: {' '.join(lines[: accused + 1])[:300]}")


def main() -> None:
    """Replay those that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=sorted(file.stem for file in CONVERSATIONS.glob("*.json")))
    for name in parser.parse_args().names:
        with tempfile.TemporaryDirectory() as home:
            replay(name, Path(home))


if __name__ == "__main__":
    main()
