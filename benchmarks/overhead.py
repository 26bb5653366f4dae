"""What all checks cost: a run through the real tools against the same training bare, in the same sandbox.

    python benchmarks/overhead.py [--epochs SHORT LONG] [--repeats K]

Needs a sandbox (`ml-intern sandbox build`). Prints wall-clock seconds of each call, then what the run of all calls took
beyond the bare script, without guard and watch: a share of the training, which is how much more the long one took than
the short one, and a fixed cost, which is the rest. Each is the median of K repeats. Nothing waits for a language model
here; what gets ready while one thinks takes less of a real run's time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ml_intern import InternAgent
from ml_intern.cli.benches.integrity_data import write_data
from ml_intern.cli.benches.integrity_run import Puppet
from ml_intern.cli.benches.integrity_script import CORPUS, read_script
from ml_intern.config import Settings
from ml_intern.core.events import ToolFinished, ToolStarted
from ml_intern.core.facts import Trained
from ml_intern.core.sandbox import JobEvent, JobSpec, Mount, SandboxBackend, SandboxSpec
from ml_intern.journal.runs import DATABASE
from ml_intern.journal.sqlite import SqliteJournal
from ml_intern.sandboxes.choose import choose
from ml_intern.tools import HubDeployer, HuggingFaceDatasets, PyTorchExecutor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, nargs=2, default=(50, 1500))
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    settings = Settings.load(os.environ)
    measured: dict[str, list[float]] = {}
    for repeat in range(arguments.repeats):
        runs: list[Measured] = []
        for epochs in arguments.epochs:
            with tempfile.TemporaryDirectory(prefix="ml-intern-overhead-") as folder:
                runs.append(once(Path(folder), choose(settings.sandbox, settings), epochs, repeat))
        for name, seconds in summed(*runs).items():
            measured.setdefault(name, []).append(seconds)
    for name, values in measured.items():
        print(f"{name:<40} {statistics.median(values):8.2f}   ({', '.join(f'{value:.2f}' for value in values)})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Seconds of the bare training, of the training within the call `train`, and of each call by its name."""

    bare: float
    watched: float
    calls: Mapping[str, float]


def summed(short: Measured, long: Measured) -> Mapping[str, float]:
    """Say what the long run took, and how what was added to both trainings divides into a share and a fixed cost."""
    total, total_of_short = sum(long.calls.values()), sum(short.calls.values())
    share = (total - total_of_short) / (long.bare - short.bare) - 1
    fixed = total - long.bare * (1 + share)
    return {
        "bare training, s": long.bare,
        "watched training, s": long.watched,
        "call train, besides the training, s": long.calls["train"] - long.watched,
        **{f"call {name}, s": seconds for name, seconds in long.calls.items() if name != "train"},
        "all calls, s": total,
        "share of the training, %": 100 * share,
        "fixed cost, s": fixed,
        "of a training of two minutes, %": 100 * (share + fixed / 120),
    }


def once(folder: Path, backend: SandboxBackend, epochs: int, seed: int) -> Measured:
    """Carry out one run, then its training again without anything around it."""
    script = read_script(CORPUS / "fabricated-percentage.honest.py")
    # so many epochs of its learning rate jump now and then, and come back
    parameters = {"epochs": epochs, "seed": seed, "stop_on_spike": False}
    changed = {"train": {"script": "train.py", "network": "network.py", "hyperparameters": parameters}}
    data, home = write_data(script.task, folder / "data", seed), folder / "home"
    agent = InternAgent(
        Puppet(replace(script, changes=changed).calls(data, seed)),
        tools=[HuggingFaceDatasets(), PyTorchExecutor(use_gpu=False), HubDeployer(settings=Settings(home=home))],
        sandbox=backend,
        home=home,
    )
    result = agent.run_task(f"Train a network on {data}, evaluate it and publish it.")
    assert result.outcome == "done", result.text
    trained = next(fact for fact in result.facts if isinstance(fact, Trained))
    return Measured(
        bare=bare(result.directory, trained.call_id, folder / "bare", backend),
        watched=trained.seconds,
        calls=seconds_of_calls(result.directory),
    )


def seconds_of_calls(directory: Path) -> Mapping[str, float]:
    """Give the wall-clock seconds between start and end of each tool."""
    with SqliteJournal(directory / DATABASE, writer=False) as journal:
        records = list(journal)
    begun = {r.event.call.id: r.at for r in records if isinstance(r.event, ToolStarted)}
    ended = {r.event.call.id: (r.event.call.name, r.at) for r in records if isinstance(r.event, ToolFinished)}
    return {name: at - begun[call] for call, (name, at) in ended.items() if call in begun}


def bare(directory: Path, call: str, output: Path, backend: SandboxBackend) -> float:
    """Run the very script of a training on the same data, without guard and watch."""
    output.mkdir()
    output.chmod(0o777)
    mounts = (
        Mount(source=directory / "calls" / call / "source", target="/source"),
        Mount(source=directory / "data" / "visible", target="/data"),
        Mount(source=output, target="/output", writable=True),
    )
    spec = SandboxSpec(
        run="overhead",
        mounts=mounts,
        working_directory="/source",
        environment={"PYTHONPATH": "/source", "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))},
    )
    job = JobSpec(directory=output.with_name("job"), argv=("python", "train.py"))
    job.directory.mkdir()
    ended = backend.start(spec, job).wait(on_event=_unseen)
    assert ended.ok, ended.output
    return ended.seconds


def _unseen(event: JobEvent) -> None:
    """Show nothing."""
    del event


if __name__ == "__main__":
    main()
