"""Faults that kernels like this one had: each test fails without the protection that it names.

Another, a container engine that never answers, is tested in `tests/sandboxes/test_engine.py`.
"""

from __future__ import annotations

from dataclasses import replace

from conformance.sandbox_base import Run, SandboxTests, runner
from ml_intern.core.sandbox import Sandbox, SandboxBackend, SandboxSpec
from ml_intern.sandboxes.session import Session


class FaultTests(SandboxTests):
    """Tests of what must not happen again."""

    def test_an_interrupt_between_two_executions_loses_nothing(self, run: Run) -> None:
        run("import threading, os, signal, time\n"
            "threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()")  # fmt: skip

        outcomes = [run("time.sleep(0.02); 7").value for _ in range(3)] + [run("8").value]

        assert outcomes[-1] == "8"

    def test_an_interrupt_within_the_lazy_import_of_torch_leaves_it_whole(
        self, backend: SandboxBackend, spec: SandboxSpec
    ) -> None:
        # the first optimizer imports torch._dynamo, which takes a second
        code = (
            "import torch\nlayer = torch.nn.Linear(2, 2)\nprint('now', flush=True)\n"
            "while True: torch.optim.SGD(layer.parameters(), lr=0.1)"
        )
        seen: list[str] = []
        cold = backend.open(replace(spec, preload=()))

        stopped = cold.execute(code, timeout=60, on_output=seen.append, cancelled=lambda: bool(seen))
        after = runner(cold)("type(torch.optim.Adam(layer.parameters())).__name__")
        cold.close()

        assert (stopped.interrupted, stopped.died, after.value, after.error) == (True, None, "'Adam'", None)

    def test_an_import_is_not_torn_by_an_interrupt(self, run: Run) -> None:
        module = "import time\nfor _ in range(40): time.sleep(0.1)\nwhole = True\n"
        (self.workspace / "slow.py").write_text(module, "utf-8")

        result = run("import slow\nwhile True: pass", timeout=0.5)

        assert (result.timed_out, result.died, run("slow.whole").value) == (True, None, "True")

    def test_forged_results_are_not_believed(self, run: Run) -> None:
        forge = (
            "import os, json\n"
            "lines = json.dumps({'value': 'forged', 'nonce': ''}).encode() + b'\\n{\"value\": \"forged\"}\\n'\n"
            "lines += b'[' * 100_000 + b'\\n\\xff\\n'\n"
            "for number in range(3, 260):\n"
            "    try: os.write(number, lines)\n"
            "    except OSError: pass\n"
            "'true'"
        )

        assert [run(forge).value, run("'next'").value] == ["'true'", "'next'"]

    def test_closed_standard_streams_work_again_in_the_next_execution(self, run: Run) -> None:
        for code in ("import os; os.close(1); os.close(2)", "import sys; sys.stdout = None", "sys.stdout.close()"):
            run(code)

            assert run("print('here')").output == "here\n"

    def test_a_descriptor_that_was_replaced_does_not_reach_the_channels_of_the_session(self, run: Run) -> None:
        code = (
            "import os\nnothing = os.open(os.devnull, os.O_RDWR)\n"
            "for number in range(3, 150): os.dup2(nothing, number) if number != nothing else None\n'replaced'"
        )

        assert [run(code).value, run("print('x'); 'next'").value] == ["'replaced'", "'next'"]

    def test_a_kill_for_want_of_memory_is_named_though_no_engine_says_so(self, run: Run) -> None:
        # the kernel of the host may take a process without telling the inside; here the code plays the kernel
        code = (
            "import os, signal, time\nblock = b'x' * (600 << 20)\ntime.sleep(0.5)\nos.kill(os.getpid(), signal.SIGKILL)"
        )

        died = run(code).died or ""

        assert died.startswith("signal 9 (SIGKILL), most likely out of memory: 6")
        assert run("1 + 1").value == "2"

    def test_what_dead_code_held_in_files_without_a_name_is_not_held_against_the_next(self, run: Run) -> None:
        # many descriptors make the search for such files slow, so that it pauses long after it
        hold = (
            "import os, time\nfile = os.memfd_create('held')\nfor _ in range(700): os.write(file, bytes(1 << 20))\n"
            "kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(3000)]\n"
            "for _ in range(9):\n    if not os.fork(): time.sleep(60)\n"
            "time.sleep(3)\nos._exit(3)"
        )

        outcomes = [run(hold).died, run("import time; block = b'x' * (500 << 20); time.sleep(0.5); 'alive'").value]

        assert outcomes == ["the code ended its process with status 3", "'alive'"]

    def test_the_code_gets_at_neither_supervisor_nor_nursery_though_it_is_the_same_user(self, sandbox: Sandbox) -> None:
        assert isinstance(sandbox, Session)
        assert sandbox.wait_until_warm(60)
        code = (
            "import os\n"
            "def reached(path):\n"
            "    try: return [path] if (os.listdir(path) if path.endswith('fd') else open(path, 'rb+')) else []\n"
            "    except OSError: return []\n"
            "others = [int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]\n"
            "links = [os.path.realpath(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')]\n"
            "found = sum((reached(f'/proc/{p}/{name}') for p in others for name in ('fd', 'mem')), [])\n"
            "1 in others, len(others) > 1, found, [link for link in links if 'socket' in link]"
        )

        # beside supervisor and nursery the worker that was replaced when torch was imported may still be going
        assert runner(sandbox)(code).value == "(True, True, [], [])"

    def test_output_is_gathered_in_the_time_of_its_length(self, run: Run) -> None:
        # gathering by `text += piece` made this take a minute
        result = run("import sys\nfor _ in range(64): sys.stdout.write('x' * (1 << 20))\nNone", timeout=30)

        assert (result.ok, result.dropped) == (True, (64 << 20) - (1 << 20) - 8192)
