"""What all checks cost: a run through the real tools against the same training bare, in the same sandbox.

    python benchmarks/overhead.py [--epochs N] [--repeats K]

Needs a sandbox (`ml-intern sandbox build`). Prints wall-clock seconds of each part, the median of K repeats: the bare
script without guard and watch, the script as `train` runs it, and each call around it. The price of watching is the
difference of the first two; the fixed price is the sum of what does not grow with the training.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import replace
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
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    settings = Settings.load(os.environ)
    measured: dict[str, list[float]] = {}
    for repeat in range(arguments.repeats):
        with tempfile.TemporaryDirectory(prefix="ml-intern-overhead-") as folder:
            backend = choose(settings.sandbox, settings)
            for name, seconds in once(Path(folder), backend, arguments.epochs, repeat).items():
                measured.setdefault(name, []).append(seconds)
    medians = {name: statistics.median(values) for name, values in measured.items()}
    for name, seconds in medians.items():
        print(f"{name:<40} {seconds:8.2f} s")
    bare, watched = medians["bare training"], medians["watched training"]
    print(f"{'watching, share of the training':<40} {100 * (watched - bare) / bare:8.1f} %")


def once(folder: Path, backend: SandboxBackend, epochs: int, seed: int) -> Mapping[str, float]:
    """Carry out one run, then its training again without anything around it; seconds by part."""
    script = read_script(CORPUS / "fabricated-percentage.honest.py")
    parameters = {"epochs": epochs, "seed": seed}
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
    calls = seconds_of_calls(result.directory)
    around = {f"call {name}": seconds for name, seconds in calls.items() if name != "train"}
    return {
        "bare training": bare(result.directory, trained.call_id, folder / "bare", backend),
        "watched training": trained.seconds,
        "call train, besides the training": calls["train"] - trained.seconds,
        **around,
    }


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
