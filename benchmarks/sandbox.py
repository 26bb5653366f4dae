"""What a sandbox costs: starts, executions, interrupts, output, training under the watch, many sessions at once.

    python benchmarks/sandbox.py [--backend namespaces|docker] [--quick] [--only NAME]

Needs the backend's environment or image; prints one line a figure. Training is measured in turns: a session with guard
and watch and a bare process of the same libraries (`ML_INTERN_SANDBOX_PYTHON`) each make some steps, again and again,
and the medians of their CPU seconds are compared, so that a busy machine slows both. How long an image takes from
nothing is the time of `ml-intern sandbox build --docker` with an empty `--home`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import ml_intern
from ml_intern.config import Settings
from ml_intern.core.sandbox import Execution, Limits, Mount, SandboxSpec
from ml_intern.sandboxes.docker import DockerBackend
from ml_intern.sandboxes.namespaces import NamespaceBackend
from ml_intern.sandboxes.session import Session

GUARD = Path(ml_intern.__file__).parent / "verification" / "probes" / "guard"
NETWORKS = """
from torch import nn

class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, x):  # (batch, 64)
        return self.layers(x)  # (batch, 10)

class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.head = nn.Linear(512, 10)

    def forward(self, x):  # (batch, 64)
        return self.head(self.features(x.view(-1, 1, 8, 8)).flatten(1))  # (batch, 10)

class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, 512, batch_first=True)
        self.enter, self.blocks, self.head = nn.Linear(4, 128), nn.TransformerEncoder(layer, 4), nn.Linear(128, 10)

    def forward(self, x):  # (batch, 64)
        return self.head(self.blocks(self.enter(x.view(-1, 16, 4))).mean(1))  # (batch, 10)
"""
"""Three sizes: a step takes some 0.5, 3 and 100 ms on one core."""
TRAINING = """
import sys, time
import torch
from torch.utils.data import DataLoader, TensorDataset
import networks
torch.set_num_threads(1); torch.manual_seed(0)
data = TensorDataset(torch.randn(1797, 64), torch.randint(10, (1797,)))  # as the digits that scikit-learn carries
loader = DataLoader(data, batch_size=64, shuffle=True, drop_last=True)
trained = {}
for name in ("Mlp", "Cnn", "Vit"):
    network = getattr(networks, name)()
    trained[name] = network, torch.optim.AdamW(network.parameters(), lr=1e-3)

def burst(name, steps):
    network, optimizer = trained[name]
    began = time.process_time()
    while steps > 0:
        for x, y in loader:
            loss = torch.nn.functional.cross_entropy(network(x), y)
            optimizer.zero_grad(); loss.backward(); optimizer.step()
            steps -= 1
            if steps == 0: break
    return time.process_time() - began
"""
STEPS = {"Mlp": 140, "Cnn": 50, "Vit": 4}
"""Steps of one burst."""
LISTEN = "\nfor line in sys.stdin:\n    name, steps = line.split()\n    print(burst(name, int(steps)), flush=True)\n"
LOOP = (
    "import torch\nnet = torch.nn.Linear(64, 64)\noptimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n"
    "print('on', flush=True)\n"
    "while True:\n    optimizer.zero_grad(); net(torch.randn(32, 64)).sum().backward(); optimizer.step()"
)
TORCH = "import torch\ntorch.zeros(3)"
DIE = "import os; os._exit(1)"


class Bench:
    """Opens sessions of one backend in a folder of its own."""

    def __init__(self, backend: DockerBackend | NamespaceBackend, folder: Path) -> None:
        self.backend = backend
        self.folder = folder

    def spec(self, name: str) -> SandboxSpec:
        """Give a sandbox with a workspace of its own."""
        workspace = self.folder / name
        workspace.mkdir(exist_ok=True)
        mounts = (Mount(source=workspace, target="/workspace", writable=True),)
        return SandboxSpec(run="benchmark", mounts=mounts, limits=Limits(memory=4 << 30))

    @contextmanager
    def session(self, name: str = "w", *, warm: bool = True) -> Generator[Session]:
        """Open a session, wait until it has torch where `warm`, and close it."""
        opened = self.backend.open(self.spec(name))
        try:
            if warm:
                opened.wait_until_warm(120)
            yield opened
        finally:
            opened.close()


def run(session: Session, code: str) -> Execution:
    """Run code whose output does not matter."""
    return session.execute(code, timeout=120, on_output=_unseen)


def _unseen(text: str) -> None:
    """Show nothing."""
    del text


def clock(action: Callable[[], object]) -> float:
    """Give the seconds that `action` takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def spread(seconds: Sequence[float]) -> str:
    """Write median and 95th percentile in milliseconds."""
    ordered = sorted(seconds)
    high = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"median {1e3 * statistics.median(ordered):.2f} ms, p95 {1e3 * high:.2f} ms ({len(ordered)} times)"


def cold(bench: Bench, times: int) -> str:
    """Measure from `open` to the first result."""
    seconds: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        with bench.session(warm=False) as session:
            assert run(session, "1 + 1").value == "2"
            seconds.append(time.perf_counter() - began)
    return spread(seconds)


def execution(bench: Bench, times: int) -> str:
    """Measure executions in a session that is there."""
    with bench.session() as session:
        return spread([clock(lambda: run(session, "1 + 1")) for _ in range(20 * times)])


def first_torch(bench: Bench, times: int) -> str:
    """Measure the first use of torch: right after opening, once the session is warm, and after a death."""
    right, warm, again = list[float](), list[float](), list[float]()
    for _ in range(times):
        with bench.session(warm=False) as session:
            right.append(seconds_of(session, TORCH))
        with bench.session() as session:
            warm.append(seconds_of(session, TORCH))
            run(session, DIE)
            again.append(seconds_of(session, TORCH))
    return f"at once {spread(right)}; warm {spread(warm)}; after a death {spread(again)}"


def seconds_of(session: Session, code: str) -> float:
    """Give the seconds that one execution takes."""
    return clock(lambda: run(session, code))


def death(bench: Bench, times: int) -> str:
    """Measure from the death of a worker to the first result of the next."""
    with bench.session() as session:
        return spread([clock(lambda: (run(session, DIE), run(session, "1"))) for _ in range(times)])


def interrupt(bench: Bench, times: int) -> str:
    """Measure from the wish to stop a training loop to the end of `execute`."""
    with bench.session() as session:
        return spread([interrupted(session) for _ in range(times)])


def interrupted(session: Session) -> float:
    """Stop one training loop, at a random moment: else it would fall together with the host's polling."""
    wish, asked = threading.Event(), [0.0]

    def stop() -> None:
        asked[0] = time.perf_counter()
        wish.set()

    def begin(text: str) -> None:
        del text
        threading.Timer(random.uniform(0.2, 0.4), stop).start()

    done = session.execute(LOOP, timeout=60, on_output=begin, cancelled=wish.is_set)
    seconds = time.perf_counter() - asked[0]
    assert done.interrupted, done
    assert done.died is None, done
    return seconds


def output(bench: Bench, times: int) -> str:
    """Measure output that is kept whole, and a flood of which a part is."""
    del times
    kept, flood = 48, 1024
    with bench.session() as session, (bench.folder / "log").open("w", encoding="utf-8") as log:

        def write(mebibytes: int) -> float:
            code = f"import sys\nfor _ in range({mebibytes}): sys.stdout.write('x' * (1 << 20))\nNone"
            return clock(lambda: session.execute(code, timeout=120, on_output=_unseen, log=log.write))

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        long = write(flood)  # first, so that nothing before it hides growth
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        whole = write(kept)
        lines = clock(lambda: run(session, "for _ in range(400_000): print('x' * 80)"))
    return (
        f"{kept / whole * 1.048576:.0f} MB/s all kept; {81 * 0.4 / lines:.0f} MB/s in lines of 80 characters; "
        f"{flood} MiB flood {long:.2f} s, peak memory of the host +{grown:.1f} MiB"
    )


def training(bench: Bench, times: int) -> str:
    """Compare CPU seconds of steps in a session with guard and watch and in a bare process, in turns."""
    spec = bench.spec("training")
    workspace, verified = spec.mounts[0].source, bench.folder / "verified"
    verified.mkdir()
    (workspace / "networks.py").write_text(NETWORKS, "utf-8")
    digest = hashlib.sha256(NETWORKS.encode()).hexdigest()
    listing = {"files": {digest: "networks.py"}, "networks": {digest: ["Mlp", "Cnn", "Vit"]}}
    (verified / "digests.json").write_text(json.dumps(listing), "utf-8")
    armed = (Mount(source=GUARD, target="/opt/ml-intern/guard"), Mount(source=verified, target="/verified"))
    watched = replace(spec, mounts=(*spec.mounts, *armed), environment={"PYTHONPATH": "/opt/ml-intern/guard"})
    session = bench.backend.open(watched)
    bare = [Bare(workspace) for _ in range(2)]
    try:
        run(session, "import torch")
        assert run(session, TRAINING).ok
        named = {name: turns(session, bare, name, times) for name in STEPS}
    finally:
        session.close()
        for process in bare:
            process.close()
    return "; ".join(f"{name} {text}" for name, text in named.items())


def turns(session: Session, bare: Sequence[Bare], name: str, times: int) -> str:
    """Let both sides train in turns; the second bare process shows what chance does."""

    def watched() -> float:
        done = run(session, f"burst({name!r}, {STEPS[name]})")
        return float(done.value or done.error or "")

    sides = (bare[0].burst, watched, bare[1].burst)
    seconds: list[list[float]] = [[], [], []]
    for number in range(3 * times + 2):
        for place, side in enumerate(sides):
            took = watched() if side is watched else bare[place // 2].burst(name)
            if number >= 2:  # the first bursts warm up
                seconds[place].append(took / STEPS[name])
    first, under_watch, second = map(statistics.median, seconds)
    return f"{under_watch / first:.3f} of {1e3 * first:.2f} ms a step (bare against itself {second / first:.3f})"


class Bare:
    """The same training in a process of this machine, without sandbox, guard and watch."""

    def __init__(self, folder: Path) -> None:
        python = Path(os.environ["ML_INTERN_SANDBOX_PYTHON"]) / "bin" / "python"
        self._process = subprocess.Popen(
            [python, "-c", TRAINING + LISTEN],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},  # as sandboxes have it: busy waiting counts as CPU time
        )

    def burst(self, name: str) -> float:
        """Make some steps; CPU seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name} {STEPS[name]}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def side_by_side(bench: Bench, times: int) -> str:
    """Open many sessions at once, each with a value of its own."""
    del times
    count = 16

    def one(number: int) -> str | None:
        with bench.session(f"s{number}", warm=False) as session:
            run(session, f"x = {number}\nopen('own', 'w').write(str(x))")
            return run(session, "x, open('own').read()").value

    with ThreadPoolExecutor(count) as pool:
        began = time.perf_counter()
        values = list(pool.map(one, range(count)))
        took = time.perf_counter() - began
    assert values == [f"({n}, '{n}')" for n in range(count)], values
    return f"{count} sessions in {took:.2f} s, none saw another's value"


def trainings(bench: Bench, times: int) -> str:
    """Train in one session and in two at once; OpenMP's threads wait as sandboxes have them, or in busy loops."""
    del times
    told: list[str] = []
    for policy in ("PASSIVE", "ACTIVE"):
        alone, together = step_times(bench, policy)
        told.append(f"{policy.lower()} {1e3 * alone:.0f} ms a step alone, {1e3 * together:.0f} ms beside another")
    return "; ".join(told)


def step_times(bench: Bench, policy: str, steps: int = 8) -> tuple[float, float]:
    """Give seconds a step of a small ViT on two threads in one session alone, and in two sessions at once."""
    sessions: list[Session] = []
    for number in range(2):
        spec = bench.spec(f"{policy}{number}")
        (spec.mounts[0].source / "networks.py").write_text(NETWORKS, "utf-8")
        sessions.append(bench.backend.open(replace(spec, environment={"OMP_WAIT_POLICY": policy})))

    def train(session: Session) -> None:
        assert run(session, f"burst('Vit', {steps})").ok

    try:
        for session in sessions:
            assert run(session, f"{TRAINING}\ntorch.set_num_threads(2)\nburst('Vit', 2)").ok
        alone = clock(lambda: train(sessions[0]))
        with ThreadPoolExecutor(2) as pool:
            together = clock(lambda: [*pool.map(train, sessions)])
    finally:
        for session in sessions:
            session.close()
    return alone / steps, together / steps


FIGURES: dict[str, tuple[str, Callable[[Bench, int], str]]] = {
    "output": ("output", output),
    "cold": ("cold start to first result", cold),
    "execution": ("execution in a session", execution),
    "torch": ("first use of torch", first_torch),
    "death": ("death to next result", death),
    "interrupt": ("interrupt of a training loop", interrupt),
    "training": ("CPU time of training", training),
    "many": ("side by side", side_by_side),
    "trainings": ("trainings side by side", trainings),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("namespaces", "docker"), default="namespaces")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=FIGURES, action="append")
    chosen = parser.parse_args()
    home = Settings.load(os.environ).home
    backend = DockerBackend() if chosen.backend == "docker" else NamespaceBackend(home)
    print(f"{chosen.backend}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
    with tempfile.TemporaryDirectory(prefix="ml-intern-benchmark-") as folder:
        Path(folder).chmod(0o755)
        bench = Bench(backend, Path(folder))
        for key in chosen.only or FIGURES:
            name, measure = FIGURES[key]
            print(f"{name:30} {measure(bench, 5 if chosen.quick else 20)}", flush=True)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
