"""Programs as people write them: processes, threads, scripts, workers of data loaders, in sessions and in jobs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.sandbox_base import Run, SandboxTests, finish
from ml_intern.core.sandbox import JobSpec, SandboxBackend, SandboxSpec

SCRIPT = """
import argparse, multiprocessing, subprocess, sys

def square(x):
    return x * x

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=3)
    most = parser.parse_args().most
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, pool.map(square, range(most)))
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getcwd())"], capture_output=True, text=True)
    print(child.stdout.strip())
    sys.exit(0)

if __name__ == "__main__":
    main()
"""

LOADER = """
import sys
import torch
from torch.utils.data import DataLoader, Dataset

class Rows(Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, index):
        return torch.full((2,), float(index))

def total(method):
    loader = DataLoader(Rows(), batch_size=4, num_workers=2, multiprocessing_context=method)
    return sum(float(batch.sum()) for batch in loader)
"""


class ProgramTests(SandboxTests):
    """Tests of ordinary programs."""

    def test_a_script_with_arguments_and_processes_of_both_kinds_runs_in_a_session_and_in_a_job(
        self, backend: SandboxBackend, spec: SandboxSpec, run: Run, job: Callable[..., JobSpec]
    ) -> None:
        (self.workspace / "script.py").write_text(SCRIPT, "utf-8")
        order = JobSpec(directory=job("").directory, argv=("python", "script.py", "--most", "4"))

        told = [run(SCRIPT).output, finish(backend.start(spec, order)).output]

        assert told[0] == "fork [0, 1, 4]\nspawn [0, 1, 4]\n/workspace\n"
        assert told[1] == "fork [0, 1, 4, 9]\nspawn [0, 1, 4, 9]\n/workspace\n"

    def test_spawned_processes_know_what_earlier_executions_defined_and_do_not_repeat_them(self, run: Run) -> None:
        run("import math\nSCALE = 10\nprint('once')")
        run("class Point:\n    '''Two\n  lines.'''\n    x = 1\ndef scaled(x): return math.floor(x) * SCALE + Point.x")
        code = "import multiprocessing as m\nwith m.get_context('spawn').Pool(1) as p: print(p.map(scaled, [1.5]))"

        pool = run(code)

        assert (pool.output, pool.error) == ("[11]\n", None)
        assert run("__file__").error == "NameError: name '__file__' is not defined"

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_workers_of_data_loaders_work_in_a_session_and_in_a_job(
        self, backend: SandboxBackend, spec: SandboxSpec, run: Run, job: Callable[..., JobSpec], method: str
    ) -> None:
        script = f"{LOADER}\nif __name__ == '__main__': print(total(sys.argv[1]))"
        (self.workspace / "loader.py").write_text(script, "utf-8")
        order = JobSpec(directory=job("").directory, argv=("python", "loader.py", method))

        in_session, in_job = run(f"{LOADER}\ntotal({method!r})", timeout=120), finish(backend.start(spec, order))

        assert (in_session.value, in_session.error) == ("56.0", None)
        # torch warns before it where the test has one processor only
        assert (in_job.output.splitlines()[-1], in_job.exit_code) == ("56.0", 0)

    def test_threads_share_the_variables_of_the_session(self, run: Run) -> None:
        run("import threading\nfound = []\nmore = [threading.Thread(target=found.append, args=(n,)) for n in range(8)]")

        assert run("for t in more: t.start()\nfor t in more: t.join()\nsorted(found)").value == str(list(range(8)))

    def test_input_ends_at_once_and_says_what_to_do(self, run: Run) -> None:
        error = run("name = input('name? ')").error

        assert error == "EOFError: EOF when reading a line (nobody answers input() here: set the value in the code)"

    def test_arguments_that_are_missing_are_told_as_on_a_command_line(self, run: Run) -> None:
        told = run("import argparse\np = argparse.ArgumentParser(prog='train')\np.add_argument('data')\np.parse_args()")

        assert told.error == "SystemExit: 2"
        assert "train: error: the following arguments are required: data" in told.output

    def test_files_named_like_modules_of_the_standard_library_harm_no_fresh_worker(self, run: Run) -> None:
        for name in ("json", "ast", "signal", "arm", "torch", "lean", "linecache", "tokenize", "traceback"):
            (self.workspace / f"{name}.py").write_text("mine = 1", "utf-8")
        run("import os; os._exit(1)")

        assert run("import arm, json, lean\narm.mine + json.mine + lean.mine").value == "3"  # as in a script
        failed = run("def half(x):\n    return x / 0\nhalf(1)")
        assert failed.traceback is not None
        assert "    return x / 0\n" in failed.traceback
