"""Explain errors of every kind in tests/verification/errors: is the cause named, and in how many tokens?

    python benchmarks/explanations.py [--show NAME …]
    python benchmarks/explanations.py --write

Runs each program in a sandbox as `train` does, and looks at what reaches the language model. Prints a table; `--show`
prints explanations, `--write` writes docs/explanations.md. Tokens are counted at 4 characters each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_intern.config import Settings
from ml_intern.core.protocols import RunPaths
from ml_intern.core.sandbox import JobSpec, Mount, SandboxBackend, SandboxSpec
from ml_intern.sandboxes.environment import find_environment
from ml_intern.sandboxes.namespaces import NamespaceBackend
from ml_intern.verification.condense import MARK, explained
from ml_intern.verification.training import guard_mounts

ROOT = Path(__file__).parents[1]
ERRORS = ROOT / "tests" / "verification" / "errors"
PAGE = ROOT / "docs" / "explanations.md"
SHOWN = 2500
"""Characters of an output that `train` shows."""

DRIVER = '''
"""Run each program in a fork of one process that has torch, and report what it printed."""

import json, os, sys, types

import einops, numpy, torch
import torch._dynamo
from torch.utils.data import DataLoader

torch.set_num_threads(1)
os.chdir("/source")
sys.path.insert(0, "/source")
for name in json.load(sys.stdin):
    printed = f"/tmp/{name}.txt"
    child = os.fork()
    if child == 0:
        file = os.open(printed, os.O_CREAT | os.O_WRONLY)
        os.dup2(file, 1), os.dup2(file, 2)
        try:
            code = compile(open(f"/source/{name}").read(), f"/source/{name}", "exec")
            sys.modules["__main__"] = main = types.ModuleType("__main__")
            main.__file__ = f"/source/{name}"
            exec(code, vars(main))
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__.tb_next)
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(0)
    os.waitpid(child, 0)
    line = json.dumps([name, open(printed).read()]).encode() + b"\\n"
    while line:
        line = line[os.write(1, line):]
'''

HEAD = """# Errors explained

Wherever a traceback of a script, a session, a loader's worker, a check or `predict` would reach the language model, an
explanation stands in its place: the error, the line and the expression that failed, the operands with their shapes,
the layer by its path, and what to try. The whole traceback stays in the call's `output.log`, and the observation says
how to read it: `read_file calls/CALL/output.log`.

Each row is a program of `tests/verification/errors`, run as a training is. *Named* says that the explanation holds
every part of the cause that the program's header lists. Tokens are counted at 4 characters each. This page is written
by `python benchmarks/explanations.py --write`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that fails; `cause` are the texts that an explanation of it must hold."""

    name: str
    kind: str
    cause: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one program's error: the traceback, and what the language model is told."""

    program: Program
    traceback: str
    told: str

    @property
    def missing(self) -> tuple[str, ...]:
        """The parts of the cause that were not named."""
        return tuple(part for part in self.program.cause if part not in self.told)

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens of the traceback and of the explanation."""
        return len(self.traceback) // 4, len(self.told) // 4


def programs() -> tuple[Program, ...]:
    """Read the headers of the programs."""
    return tuple(_program(file) for file in sorted(ERRORS.glob("*.py")))


def _program(file: Path) -> Program:
    found = re.match(r'"""(.+?)\.?"""\n# cause: (.+)\n', file.read_text("utf-8"))
    if found is None:
        raise ValueError(f'{file} must begin with """Kind: what is wrong.""" and a line "# cause: text | text"')
    return Program(name=file.name, kind=found[1], cause=tuple(part.strip() for part in found[2].split(" | ")))


def explain_all(backend: SandboxBackend, folder: Path, chosen: Sequence[Program]) -> tuple[Row, ...]:
    """Run the programs in one job of a sandbox."""
    driver = folder / "driver"
    driver.mkdir(parents=True)
    (driver / "driver.py").write_text(DRIVER, "utf-8")
    spec = SandboxSpec(
        run="explanations",
        mounts=(
            Mount(source=ERRORS, target="/source"),
            Mount(source=driver, target="/driver"),
            *guard_mounts(RunPaths(root=folder)),
        ),
        environment={"PYTHONPATH": "/opt/ml-intern/guard", "OMP_NUM_THREADS": "1"},
        working_directory="/tmp",
    )
    names = json.dumps([program.name for program in chosen]).encode()
    job = JobSpec(directory=folder / "job", argv=("python", "/driver/driver.py"), stdin=names, timeout=600.0)
    result = backend.start(spec, job).wait(on_event=lambda _event: None)
    if not result.ok:
        raise RuntimeError(f"{result.reason}: {result.output[-2000:]}")
    outputs: Mapping[str, str] = dict(json.loads(line) for line in result.output.splitlines())
    if whole := [name for name, output in outputs.items() if MARK not in output]:
        raise RuntimeError(f"no error, or none that is explained, in {', '.join(whole)}: {outputs[whole[0]]}")
    return tuple(_row(program, outputs[program.name]) for program in chosen)


def _row(program: Program, output: str) -> Row:
    return Row(program=program, traceback=output.partition(MARK)[0], told=explained(output, SHOWN))


def page(rows: Sequence[Row]) -> str:
    """Give the page as it has to be."""
    table = "\n".join(map(_line, rows))
    columns = "| kind | what is wrong | named | traceback | explanation |\n|---|---|---|--:|--:|"
    return f"{HEAD}\n{columns}\n{table}\n\n{summary(rows)}\n"


def _line(row: Row) -> str:
    kind, _, wrong = row.program.kind.partition(": ")
    before, after = row.tokens
    return f"| {kind} | {wrong} | {'no' if row.missing else 'yes'} | {before} | {after} |"


def summary(rows: Sequence[Row]) -> str:
    """Say how many causes are named, and how much shorter it is."""
    named = sum(not row.missing for row in rows)
    saved = statistics.median(1 - row.tokens[1] / row.tokens[0] for row in rows)
    return f"{named} of {len(rows)} causes are named; the median explanation is {saved:.0%} shorter than its traceback."


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description="how well errors are explained")
    parser.add_argument("--show", nargs="*", metavar="NAME", help="print the explanations of these programs, or of all")
    parser.add_argument("--write", action="store_true", help="write docs/explanations.md")
    arguments = parser.parse_args()
    chosen = [p for p in programs() if not arguments.show or p.name.removesuffix(".py") in arguments.show]
    with tempfile.TemporaryDirectory() as home:
        given = os.environ.get("ML_INTERN_SANDBOX_PYTHON")
        python = Path(given) if given else find_environment(Settings.load(os.environ).home)
        rows = explain_all(NamespaceBackend(Path(home) / "home", python=python), Path(home) / "run", chosen)
    for row in rows:
        if arguments.show is not None:
            print(f"=== {row.program.name}\n{row.told}")
        print(_line(row), *row.missing, sep="   MISSING ")
    print(summary(rows))
    if arguments.write:
        PAGE.write_text(page(rows), "utf-8")


if __name__ == "__main__":
    main()
