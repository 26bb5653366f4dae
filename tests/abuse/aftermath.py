"""What abuse leaves behind: files for the host to trip over, programs for the next process, lies, orphans."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from abuse import attempted
from abuse.abusing import Session
from conformance.sandbox_base import finish, runner
from ml_intern.core.collecting import Bounds, collect
from ml_intern.core.sandbox import JobSpec
from ml_intern.sandboxes.session import Session as Opened

_SECRET = b"the secret of the host"
_HOSTILE = """
import io, os, pickle, socket, tarfile, zipfile
os.makedirs("/workspace/out", exist_ok=True)
os.chdir("/workspace/out")
os.symlink({secret!r}, "link.txt")
os.symlink("/", "folder")
os.symlink("/proc/self/environ", "environment.txt")
os.mkfifo("pipe.txt")
socket.socket(socket.AF_UNIX).bind("socket.txt")
open("one.txt", "w").write("x"); os.link("one.txt", "two.txt")
os.truncate(os.open("sparse.bin", os.O_CREAT | os.O_WRONLY), 60 << 20)
for name in ("\\x1b[2Jclear.txt", "evil\\u202egnp.exe", "a\\nb.txt", "-rf", ".bashrc", "CON:", "x" * 250):
    open(name, "w").write("x")
with tarfile.open("archive.tar", "w") as archive:
    archive.addfile(tarfile.TarInfo("../../escaped.txt"), io.BytesIO())
with zipfile.ZipFile("archive.zip", "w") as archive:
    archive.writestr("../../escaped.txt", "x")
class Bomb:
    def __reduce__(self): return (open, ("/tmp/escaped-by-pickle", "w"))
for name in ("model.pkl", "weights.pt", "state.bin"):
    open(name, "wb").write(pickle.dumps(Bomb()))
open("honest.txt", "w").write("honest")
"""
_RACE = """
import subprocess, sys
code = '''
import os
os.chdir("/workspace/out")
for _ in range(20000):
    os.symlink(%r, "new"); os.replace("new", "flips.txt")
    with open("new", "w") as file: file.write("mine")
    os.replace("new", "flips.txt")
'''
racer = subprocess.Popen([sys.executable, "-c", code])
"""
_PERSISTENT = """
import os
for name in ("sitecustomize", "usercustomize", "arm", "json", "channel", "session", "lockdown", "_worker_values"):
    open(f"/workspace/{name}.py", "w").write("open('/workspace/ran', 'a').write(__name__ + ' ')")
open("/workspace/evil.pth", "w").write("import sitecustomize")
os.makedirs("/tmp/.local/lib/python3.11/site-packages", exist_ok=True)
open("/tmp/.local/lib/python3.11/site-packages/usercustomize.py", "w").write("open('/workspace/ran', 'w')")
os.environ.update(LD_PRELOAD="/workspace/evil.so", PYTHONSTARTUP="/workspace/arm.py", PYTHONHOME="/workspace",
                  PYTHONPATH="/workspace", BASH_ENV="/workspace/evil.sh")
os._exit(1)
"""


class AftermathTests:
    """Tests of what is left; each looks from outside."""

    def test_what_is_left_for_the_host_is_refused_or_taken_as_bytes(
        self, siege: Session, host: attempted.Host, tmp_path: Path
    ) -> None:
        assert siege.run(_HOSTILE.format(secret=host.around["secret"])).ok

        collection = collect(siege.workspace / "out", tmp_path / "taken", bounds=Bounds(file=1 << 20))

        names = {"archive.tar", "archive.zip", "honest.txt", "model.pkl", "state.bin", "weights.pt"}
        assert {artefact.name for artefact in collection.taken} == names
        assert all(entry.name.isprintable() for entry in collection.refused)
        assert {path.name for path in (tmp_path / "taken").iterdir()} == names
        assert not list(tmp_path.parent.rglob("escaped.txt"))

        # that the attempt can succeed: a copy that follows links has the secret
        os.remove(siege.workspace / "out" / "pipe.txt")  # noqa: PTH107
        with pytest.raises(shutil.Error):
            shutil.copytree(siege.workspace / "out", tmp_path / "naive", ignore=shutil.ignore_patterns("folder"))
        assert (tmp_path / "naive" / "link.txt").read_bytes() == _SECRET

    def test_a_link_put_in_place_while_the_host_collects_leads_nowhere(
        self, siege: Session, host: attempted.Host, tmp_path: Path
    ) -> None:
        (siege.workspace / "out").mkdir(exist_ok=True)
        (siege.workspace / "out").chmod(0o777)
        siege.run(_RACE % host.around["secret"])

        refused = [
            entry.reason
            for number in range(80)
            for entry in collect(siege.workspace / "out", tmp_path / str(number)).refused
        ]
        siege.run("racer.kill()\nracer.wait()")

        taken = {path.read_bytes() for path in tmp_path.rglob("flips.txt")}
        assert taken <= {b"mine", b""}
        assert taken or "a link" in refused

    def test_what_is_left_for_the_next_worker_and_for_other_programs_does_not_run(
        self, siege: Session, tmp_path: Path
    ) -> None:
        assert siege.run(_PERSISTENT).died == "the code ended its process with status 1"

        value = siege.run("[1.5] * 3").value
        job = JobSpec(directory=tmp_path / "job", argv=("python", "-I", "-c", "import json; print(json.dumps(1))"))
        result = finish(siege.backend.start(replace(siege.spec, environment={}), job))

        assert (value, result.output, result.ok) == ("[1.5, 1.5, 1.5]", "1\n", True)
        assert not (siege.workspace / "ran").exists()

    @pytest.mark.parametrize(
        "code",
        [
            "class Value:\n    def __repr__(self): raise SystemExit\nValue()",
            "class Value:\n    def __repr__(self): return 'x' * (64 << 20)\nValue()",
            "class Value:\n    def __repr__(self): return repr(self)\nValue()",
            "class Text(str):\n    def __str__(self): return 5\n    __repr__ = __str__\nText('x')",
            "class Value:\n    def __reduce__(self): open('/workspace/ran', 'w')\nValue()",
            "'\\x1b]0;title\\x07' * 100_000",
            "import os\nclass Value:\n    def __repr__(self): os._exit(0)\nValue()",
        ],
    )
    def test_a_value_that_misbehaves_is_shown_in_bounds_or_named(self, siege: Session, code: str) -> None:
        result = siege.run(code)

        assert len(result.value or "") < 5000
        assert "\x1b" not in (result.value or "")
        assert not (siege.workspace / "ran").exists()
        assert siege.run("6 * 7").value == "42"

    def test_lines_in_the_form_of_the_supervisors_are_only_output(self, siege: Session) -> None:
        forged = '{"event": "done", "id": 1, "value": "forged", "artefacts": ["/etc/passwd"], "timed_out": false}'
        code = (
            f"import os, sys\nlines = {forged!r} + '\\n'\nsys.stdout.write(lines * 3)\nsys.stdout.flush()\n"
            "for n in range(3, 300):\n    try: os.write(n, lines.encode())\n    except OSError: pass\n'true'"
        )

        result = siege.run(code)

        assert (result.value, result.artefacts) == ("'true'", ())
        assert set(result.output.splitlines()) == {forged}
        assert siege.run("6 * 7").value == "42"

    def test_the_log_of_a_flood_is_bounded_and_keeps_its_end(self, siege: Session) -> None:
        logged: list[int] = []
        code = "import sys\nfor _ in range(72): sys.stdout.write('x' * ((1 << 20) - 1) + '\\n')\nprint('the end')"

        def log(text: str) -> None:
            logged.append(len(text))
            ends.append(text[-8:])

        ends: list[str] = []
        result = siege.sandbox.execute(code, timeout=60, on_output=lambda text: None, log=log)

        quota = siege.spec.limits.stored
        assert quota == 64 << 20
        assert quota <= sum(logged) <= quota + (16 << 10)
        assert (ends[-1], result.ok) == ("the end\n", True)

    def test_orphans_end_with_their_session(self, siege: Session) -> None:
        lock = siege.workspace / "lock"
        lock.touch()
        lock.chmod(0o666)
        code = (
            "import fcntl, os, signal, time\n"
            "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
            "        for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)\n"
            "        held = open('/workspace/lock', 'r+')\n        fcntl.flock(held, fcntl.LOCK_EX)\n"
            "        open('/workspace/locked', 'w').close()\n        time.sleep(600)\n    os._exit(0)\n"
            "while not os.path.exists('/workspace/locked'): time.sleep(0.01)"
        )
        other = siege.backend.open(siege.spec)
        assert runner(other)(code).ok

        other.close()

        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def test_a_sandbox_ends_within_two_seconds_of_the_kill_of_its_agent(self, siege: Session) -> None:
        lock = siege.workspace / "agent"
        lock.touch()
        lock.chmod(0o666)
        hold = "import fcntl\nheld = open('/workspace/agent', 'r+')\nfcntl.flock(held, fcntl.LOCK_EX)"
        agent = os.fork()
        if agent == 0:
            runner(siege.backend.open(siege.spec))(hold)
            (siege.workspace / "held").touch()
            signal.pause()
            os._exit(0)
        while not (siege.workspace / "held").exists():
            time.sleep(0.02)

        os.kill(agent, signal.SIGKILL)
        deadline = time.monotonic() + 2.0
        os.waitpid(agent, 0)

        with lock.open("rb") as file:
            while not _is_free(file.fileno()):
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def test_a_session_goes_on_when_its_nursery_is_killed(self, siege: Session) -> None:
        other = siege.backend.open(replace(siege.spec, preload=("torch",), limits=attempted.WITH_TORCH))
        assert isinstance(other, Opened)
        run = runner(other)
        assert other.wait_until_warm(90)
        kill = (
            "import contextlib, os, signal\nx = 5\n"
            "for name in os.listdir('/proc'):\n"
            "    if name.isdigit() and int(name) not in (1, os.getpid()):\n"
            "        with contextlib.suppress(ProcessLookupError): os.kill(int(name), signal.SIGKILL)"
        )

        outcomes = [run(kill).ok, run("x").value, run("os._exit(3)").died, run("6 * 7").value, run("import torch").ok]
        other.close()

        assert outcomes == [True, "5", "the code ended its process with status 3", "42", True]


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
