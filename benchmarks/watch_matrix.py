"""Where faults planted in a training are found: five faults, in loops of one's own and of three libraries.

    python benchmarks/watch_matrix.py [--extra FOLDER] [LOOP …]

Each program of tests/verification/watched runs in a sandbox with the watch and plants one fault after the other at step
12. Prints, for each, at which step it was found and where. Lightning and TRL are not in the sandbox: `--extra` names a
folder that `pip install --target FOLDER --no-deps pytorch-lightning lightning-utilities trl` has filled.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_intern.config import Settings
from ml_intern.core.protocols import RunPaths
from ml_intern.core.sandbox import JobSpec, Mount, SandboxBackend, SandboxSpec
from ml_intern.sandboxes.environment import find_environment
from ml_intern.sandboxes.namespaces import NamespaceBackend
from ml_intern.verification.training import guard_mounts
from ml_intern.verification.watch import Diverged, Ended, Warned, WatchLine, read

WATCHED = Path(__file__).parents[1] / "tests" / "verification" / "watched"
AT = 12
LOOPS = ("plain", "trainer", "accelerated", "methods", "lightning_loop", "trl_loop")
FAULTS = ("none", "forward", "backward", "data", "optimizer state", "mixed precision", "gradient scaler")
OF_LOOPS = {"plain": FAULTS, "trl_loop": tuple(fault for fault in FAULTS[:-1] if fault != "data")}
"""Faults of a loop where they are not all but the last: a gradient scaler is only in one, no token id is NaN."""
PLACES: Mapping[str, str] = {
    "forward": "blocks.1",
    "backward": "blocks.1",
    "data": "Input 0 of the network",
    "optimizer state": "exp_avg_sq of",
    "mixed precision": "blocks.1",
    "gradient scaler": "blocks.1",
}
"""What the watch must name for each fault."""
_CLASSES = {
    "network.py": ["Net", "Reading", "WithLoss", "WithMethod"],
    "lightning_network.py": ["Lit"],
    "trl_network.py": ["Causal"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the watch said of one training: the step (0: nothing was found), why, and where."""

    fault: str
    step: int
    text: str
    ended: int
    """Steps that were made."""

    @property
    def right(self) -> bool:
        """Whether it is what was planted; of a healthy training, whether nothing was said."""
        if self.fault == "none":
            return self.ended > 0 and self.step == 0 and not self.text
        return self.step == AT and PLACES[self.fault] in self.text


def watched(
    backend: SandboxBackend, folder: Path, script: str, *, extra: Path | None = None, environment: Sequence[str] = ()
) -> tuple[tuple[WatchLine, ...], str]:
    """Run a script of the folder `watched` as a training is; gives the watch's lines and what was printed."""
    paths = RunPaths(root=folder)
    digests = {name: hashlib.sha256((WATCHED / name).read_bytes()).hexdigest() for name in _CLASSES}
    listing = {
        "files": {digest: name for name, digest in digests.items()},
        "networks": {digests[name]: classes for name, classes in _CLASSES.items()},
    }
    mounts = guard_mounts(paths)
    (paths.root / "verified" / "digests.json").write_text(json.dumps(listing), "utf-8")
    more = (Mount(source=extra, target="/extra"),) if extra else ()
    spec = SandboxSpec(
        run="watched",
        mounts=(Mount(source=WATCHED, target="/source"), *mounts, *more),
        environment={
            "PYTHONPATH": "/opt/ml-intern/guard:/source" + (":/extra" if extra else ""),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "GLOO_SOCKET_IFNAME": "lo",
            **dict(entry.split("=", 1) for entry in environment),
        },
        working_directory="/tmp",
    )
    job = JobSpec(directory=folder / "job", argv=("python", f"/source/{script}"), timeout=600.0)
    result = backend.start(spec, job).wait(on_event=lambda _event: None)
    return tuple(line for text in result.reports if (line := read(text)) is not None), result.output


def found(lines: Sequence[WatchLine], faults: Sequence[str]) -> tuple[Found, ...]:
    """Give what was said of each training; they are told apart by the number of their optimizer."""
    stops = {line.optimizer: line for line in lines if isinstance(line, Diverged)}
    ends = {line.optimizer: line.steps for line in lines if isinstance(line, Ended)}
    warned = [line.name for line in lines if isinstance(line, Warned)]
    return tuple(
        Found(
            fault=fault,
            step=stops[number].step if number in stops else 0,
            text=f"{stops[number].reason}. {stops[number].where}" if number in stops else ", ".join(warned),
            ended=ends.get(number, 0),
        )
        for number, fault in enumerate(faults)
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="where planted faults are found")
    parser.add_argument("loops", nargs="*", default=LOOPS, metavar="LOOP", help=f"some of {', '.join(LOOPS)}")
    parser.add_argument("--extra", type=Path, help="folder with packages that the sandbox lacks")
    parser.add_argument("--output", action="store_true", help="print what the programs print, too")
    arguments = parser.parse_args()
    given = os.environ.get("ML_INTERN_SANDBOX_PYTHON")
    python = Path(given) if given else find_environment(Settings.load(os.environ).home)
    for loop in arguments.loops:
        with tempfile.TemporaryDirectory() as home:
            backend = NamespaceBackend(Path(home) / "home", python=python)
            lines, output = watched(backend, Path(home) / "run", f"{loop}.py", extra=arguments.extra)
        if arguments.output:
            print(output)
        for one in found(lines, OF_LOOPS.get(loop, FAULTS[:-1])):
            verdict = "right" if one.right else "WRONG"
            print(f"{loop:14} {one.fault:16} {verdict} step {one.step} of {one.ended}: {one.text}")


if __name__ == "__main__":
    main()
