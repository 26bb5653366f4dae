"""A persistent session: what code sees, what comes back, and what happens to code that misbehaves."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from conformance.sandbox_base import SMALL, Run, SandboxTests, runner, silent, until
from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import Limits, Sandbox, SandboxBackend, SandboxSpec


class SessionTests(SandboxTests):
    """Tests of `Sandbox`."""

    def test_variables_live_from_one_execution_to_the_next(self, run: Run) -> None:
        run("x = 20")

        assert run("print('sum'); x + 1").value == "21"

    def test_output_arrives_in_order_while_the_code_runs(self, sandbox: Sandbox) -> None:
        seen: list[str] = []
        waiting = "import pathlib, time\nprint('first')\n" + until("/workspace/go") + "print('second')"

        def show(text: str) -> None:
            seen.append(text)
            sandbox_workspace.joinpath("go").touch()

        sandbox_workspace = self.workspace
        result = sandbox.execute(waiting, timeout=60, on_output=show)

        assert (result.output, "".join(seen), len(seen) > 1) == ("first\nsecond\n", "first\nsecond\n", True)

    def test_characters_are_never_cut_in_half(self, run: Run) -> None:
        result = run("import sys\nsys.stdout.write('ä' * 100_001)\nNone")

        assert result.output == "ä" * 100_001

    def test_an_exception_shows_the_frames_and_lines_of_the_users_code_only(self, run: Run) -> None:
        result = run("import json\ndef parse(text):\n    return json.loads(text)\nparse('{')")

        assert result.error == "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: " + (
            "line 1 column 2 (char 1)"
        )
        assert result.traceback is not None
        assert "    return json.loads(text)\n" in result.traceback
        assert "worker.py" not in result.traceback

    def test_the_first_execution_of_a_worker_shows_its_lines_too(self, run: Run) -> None:
        result = run("def half(x):\n    return x / 0\nhalf(1)")

        assert result.traceback is not None
        assert "    return x / 0\n" in result.traceback

    def test_a_working_directory_that_the_code_removes_costs_no_worker(self, run: Run) -> None:
        run("import os\nos.mkdir('/workspace/gone')\nos.chdir('/workspace/gone')\nos.rmdir('/workspace/gone')")

        assert (run("['shown']").value, run("1 / 0").error) == ("['shown']", "ZeroDivisionError: division by zero")

    def test_a_syntax_error_is_shown_where_it_is(self, run: Run) -> None:
        result = run("x = = 1")

        assert result.error == "SyntaxError: invalid syntax"

    def test_sys_exit_with_zero_is_no_error_and_keeps_the_session(self, run: Run) -> None:
        outcomes = [run("x = 1\nimport sys; sys.exit(0)").ok, run("sys.exit(4)").error, run("x").value]

        assert outcomes == [True, "SystemExit: 4", "1"]

    def test_code_is_the_main_module(self, run: Run) -> None:
        assert run("if __name__ == '__main__':\n    print('main')").output == "main\n"

    def test_annotations_are_evaluated_as_in_a_plain_script(self, run: Run) -> None:
        assert run("def f(x: int): ...\nf.__annotations__").value == "{'x': <class 'int'>}"

    def test_a_huge_value_is_shown_in_bounded_size(self, run: Run) -> None:
        values = [
            run(code).value or "" for code in ("list(range(10**6))", "'a' * 10**6", "{n: n for n in range(9999)}")
        ]

        assert all(0 < len(value) < 5000 for value in values)

    def test_endless_code_is_interrupted_in_time_and_variables_stay(self, run: Run) -> None:
        result = run("x = 5\nwhile True: pass", timeout=0.5)

        assert (result.timed_out, result.died, run("x").value) == (True, None, "5")

    def test_code_that_swallows_interrupts_is_killed(self, run: Run) -> None:
        code = "while True:\n    try:\n        for n in range(10**9): n * n\n    except KeyboardInterrupt: pass"

        result = run(code, timeout=0.5)

        assert (result.timed_out, result.died) == (True, "it did not stop within 3 s of the interrupt")
        assert run("1 + 1").value == "2"

    def test_a_person_can_interrupt(self, sandbox: Sandbox) -> None:
        seen: list[str] = []

        result = sandbox.execute(
            "print('running', flush=True)\nwhile True: pass",
            timeout=60,
            on_output=seen.append,
            cancelled=lambda: bool(seen),
        )

        assert (result.interrupted, result.timed_out, result.died) == (True, False, None)

    @pytest.mark.parametrize(
        ("code", "cause"),
        [
            ("import os; os._exit(3)", "the code ended its process with status 3"),
            ("import ctypes; ctypes.string_at(0)", "signal 11 (SIGSEGV)"),
            ("import os; os.abort()", "signal 6 (SIGABRT)"),
            ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal 9 (SIGKILL)"),
        ],
    )
    def test_the_death_of_the_worker_is_named_and_a_fresh_one_takes_over(self, run: Run, code: str, cause: str) -> None:
        result = run(code)

        assert (result.died, run("1 + 1").value) == (cause, "2")

    def test_labelled_data_that_libraries_carry_are_hidden_unless_asked_for(
        self, backend: SandboxBackend, spec: SandboxSpec, run: Run
    ) -> None:
        code = "from sklearn.datasets import load_digits\nload_digits().target[:3].tolist()"

        assert run(code).error is not None
        with_data = backend.open(replace(spec, shows_bundled_data=True))
        assert runner(with_data)(code).value == "[0, 1, 2]"
        with_data.close()

    def test_memory_is_limited(self, run: Run) -> None:
        # takes 3 GiB at most, so that a broken limit harms nobody
        result = run("blocks = []\nfor _ in range(48): blocks.append(bytearray(b'x' * (64 << 20)))")

        assert (result.died, run("1 + 1").value) == ("it passed the limit of memory", "2")

    def test_disk_is_limited(self, backend: SandboxBackend, spec: SandboxSpec) -> None:
        small = backend.open(replace(spec, limits=Limits(memory=SMALL, disk=64 << 20)))
        # writes 512 MiB at most
        code = (
            "import os, time\n"
            "for n in range(64):\n"
            "    with open(f'/workspace/{n}', 'wb') as file: file.write(os.urandom(8 << 20))\n"
            "    os.sync() if n % 8 == 0 else None\n"
            "time.sleep(3)"
        )

        result = runner(small)(code)
        small.close()

        assert result.died == "it passed the limit of disk"

    def test_a_limit_that_was_passed_does_not_end_the_session_that_rests_after_it(
        self, backend: SandboxBackend, spec: SandboxSpec
    ) -> None:
        # makes files as long as it lives, so that there are more when it ends than when they were counted
        small = backend.open(replace(spec, limits=Limits(memory=SMALL, files=2_000)))
        run = runner(small)
        code = (
            "import os\nos.mkdir('/workspace/many')\n"
            "for n in range(400_000): os.close(os.open(f'/workspace/many/{n}', os.O_CREAT | os.O_WRONLY))"
        )

        died = run(code).died
        time.sleep(5)  # for two looks at the files
        after = run("import shutil\nshutil.rmtree('/workspace/many')\n6 * 7")
        small.close()

        assert died == "it passed the limit of disk"
        assert (after.value, after.output) == ("42", "")

    def test_processes_are_limited(self, backend: SandboxBackend, spec: SandboxSpec) -> None:
        small = backend.open(replace(spec, limits=Limits(memory=SMALL, processes=40)))
        code = (
            "import threading\nhold = threading.Event()\n"
            "try:\n    for _ in range(100): threading.Thread(target=hold.wait, daemon=True).start()\n"
            "except RuntimeError as error: print(error)\n"
            "hold.set()"
        )

        result = runner(small)(code)
        small.close()

        assert result.output == "can't start new thread\n"

    def test_file_systems_in_memory_are_limited(self, run: Run) -> None:
        # writes 2 GiB at most
        code = "with open({!r}, 'wb') as file:\n    for _ in range(32): file.write(bytes(64 << 20))"

        errors = [run(code.format(f"{folder}/file")).error for folder in ("/tmp", "/dev/shm")]

        assert errors == ["OSError: [Errno 28] No space left on device"] * 2

    def test_processes_that_survive_an_interrupt_are_removed_and_variables_stay(
        self, backend: SandboxBackend, spec: SandboxSpec
    ) -> None:
        small = backend.open(replace(spec, limits=Limits(memory=SMALL, processes=40)))
        run = runner(small)
        run("import os, subprocess, time\nx = 5\nserver = subprocess.Popen(['sleep', '600'])\ntime.sleep(0.1)")
        code = (
            "for _ in range(20):\n    if os.fork() == 0:\n        time.sleep(600)\n        os._exit(0)\n"
            "while True: time.sleep(1)"
        )

        floods = [run(code, timeout=1.0) for _ in range(3)]
        after = run("x, server.poll(), len([p for p in os.listdir('/proc') if p.isdigit()])")
        small.close()

        note = "[20 processes that the interrupted code had started were ended]\n"
        assert [(flood.timed_out, flood.died, flood.output) for flood in floods] == [(True, None, note)] * 3
        assert after.value is not None
        assert after.value.startswith("(5, None, ")
        assert int(after.value.rstrip(")").rsplit(" ", 1)[1]) <= 4  # supervisor, worker, nursery, server

    def test_threads_that_survive_an_interrupt_in_great_number_cost_the_session(
        self, backend: SandboxBackend, spec: SandboxSpec
    ) -> None:
        small = backend.open(replace(spec, limits=Limits(memory=SMALL, processes=40)))
        code = (
            "import threading, time\n"
            "for _ in range(25): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
            "while True: time.sleep(1)"
        )

        flood, after = runner(small)(code, timeout=1.0), runner(small)("1 + 1")
        small.close()

        assert flood.timed_out
        assert "it left too many processes or threads behind" in after.output + (after.died or "")

    def test_closed_descriptors_and_reports_do_no_harm_to_the_session(self, run: Run) -> None:
        report = "import os\nos.write(int(os.environ['ML_INTERN_REPORT_FD']), b'x' * (4 << 20))"

        outcomes = [run(report).value, run("os.closerange(3, 150)\n'closed'").value, run("'next'").value]

        assert outcomes == [str(4 << 20), "'closed'", "'next'"]

    def test_a_flood_of_output_is_bounded_and_its_end_is_kept(self, backend: SandboxBackend, spec: SandboxSpec) -> None:
        small = backend.open(replace(spec, limits=Limits(memory=SMALL, output=10_000)))

        result = runner(small)("import sys\nfor n in range(200_000): print(n)")
        small.close()

        assert result.output.startswith("0\n1\n2\n")
        assert result.output.endswith("199999\n")
        assert len(result.output) < 10_000 + 8192 + 100
        assert result.dropped == sum(len(f"{n}\n") for n in range(200_000)) - 10_000 - 8192

    def test_a_child_that_runs_on_into_the_workers_own_code_answers_nothing(self, run: Run) -> None:
        results = [run("import os\nchild = os.fork()\nprint('x') if child == 0 else os.waitpid(child, 0)\n'parent'")]
        results.append(run("'next'"))

        assert [result.value for result in results] == ["'parent'", "'next'"]

    def test_a_child_that_prints_without_end_holds_up_nothing(self, run: Run) -> None:
        code = "import subprocess\nchild = subprocess.Popen(['yes'])\n'started'"

        values = [run(code, timeout=20).value, run("child.kill()\nchild.wait()", timeout=20).value]

        assert values == ["'started'", "-9"]

    def test_what_threads_print_later_is_shown_with_the_next_execution(self, run: Run) -> None:
        run("import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()")

        assert run("time.sleep(0.5)").output == "late\n"

    def test_a_death_between_two_executions_is_told_with_the_next(self, run: Run) -> None:
        code = "import threading, os, time\ndef end():\n" + _indented(until("/workspace/go")) + "    os._exit(5)\n"
        run(code + "x = 1\nthreading.Thread(target=end).start()")
        (self.workspace / "go").touch()

        results = [run("x")]
        while results[-1].value == "1":
            results.append(run("x"))

        told = (results[-1].died or "") + results[-1].output
        assert "the code ended its process with status 5" in told
        assert run("1 + 1").value == "2"

    def test_data_loaders_with_workers_train(self, run: Run) -> None:
        code = (
            "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
            "class Net(torch.nn.Module):\n"
            "    def __init__(self):\n        super().__init__()\n        self.layer = torch.nn.Linear(4, 2)\n"
            "    def forward(self, x): return self.layer(x)\n"
            "net = Net()\noptimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n"
            "data = TensorDataset(torch.randn(64, 4), torch.zeros(64, dtype=torch.long))\n"
            "for x, y in DataLoader(data, batch_size=16, num_workers=2):\n"
            "    optimizer.zero_grad(); torch.nn.functional.cross_entropy(net(x), y).backward(); optimizer.step()\n"
            "tuple(net(x).shape)"
        )

        result = run(code, timeout=120)

        assert (result.value, result.error, result.died) == ("(16, 2)", None, None)

    def test_closing_twice_is_safe_and_a_closed_session_says_so(self, sandbox: Sandbox) -> None:
        sandbox.close()
        sandbox.close()

        with pytest.raises(SandboxError, match="closed"):
            sandbox.execute("1", timeout=1, on_output=silent)


def _indented(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())
