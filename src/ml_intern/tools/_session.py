"""The persistent Python session of a run: opened at its first use, shown to the language model in few words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from ml_intern.core.errors import SandboxError
from ml_intern.core.events import ToolStarted
from ml_intern.core.folds import started
from ml_intern.core.live import ToolOutput
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.core.sandbox import GPU, Execution, Mount, Sandbox, SandboxSpec
from ml_intern.tools._verified import list_verified
from ml_intern.verification.condense import condense, explained
from ml_intern.verification.training import guard_mounts

_RECIPES = "rules"
_UNFOLDED = 2000
"""Characters of output up to which lines that are alike are all shown: they are what was asked for."""
_GONE = "(A new session: variables of earlier calls are gone; files are still there.)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A session, its run, and which folders it sees: one that was replaced since is seen no more."""

    sandbox: Sandbox
    run: str
    folders: tuple[tuple[int, int], ...]


class PythonSession:
    """Opens at its first use, or ahead of it; a failed sandbox is dropped, so that the next call gets a new one."""

    def __init__(self, gpu: GPU) -> None:
        self._gpu: GPU = gpu
        self._opened: _Opened | None = None
        self._ahead: Future[_Opened] | None = None
        self._is_fresh = False  # no call has used it

    def prepare(self, context: ToolContext) -> None:
        """Open it in the background, so that the first execution finds it there; what fails, fails again then.

        Does nothing for the built-in recipes, which never execute anything in it.
        """
        begun = started(context.records)
        if begun is None or begun.model.partition(":")[0] == _RECIPES or self._opened or self._ahead:
            return
        list_verified(context)  # here, so that an older list never replaces a newer one
        self._ahead = ahead = Future[_Opened]()
        Thread(target=_fulfil, args=(ahead, lambda: self._open(context)), daemon=True).start()

    def run(self, context: ToolContext, code: str, timeout: float) -> Observation:
        """Run `code` and shape what came out; the whole output goes to the call's folder."""
        sandbox, remark = self._sandbox(context)
        log = context.paths.call(context.call_id) / "output.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as file:

            def show(text: str) -> None:
                context.live(ToolOutput(call_id=context.call_id, text=text))

            try:
                done = sandbox.execute(
                    code, timeout=timeout, on_output=show, cancelled=context.cancelled, log=file.write
                )
            except SandboxError:
                self.close()
                raise
            file.write(f"\n{done.traceback}" if done.traceback else "")
        return Observation(text=_shown(done, context.call_id, remark), ok=done.ok)

    def close(self) -> None:
        """End the session, also one that is only being opened; safe to call twice."""
        self._take_ahead()
        if self._opened is not None:
            self._opened.sandbox.close()
            self._opened = None

    def _sandbox(self, context: ToolContext) -> tuple[Sandbox, str]:
        self._take_ahead()
        known = self._opened
        if known is None or (known.run, known.folders) != (context.run, _identities(_mounts(context))):
            self.close()
            list_verified(context)
            self._opened = known = self._open(context)
            self._is_fresh = True
        remark = _GONE if self._is_fresh and _had_session(context) else ""
        self._is_fresh = False
        return known.sandbox, remark

    def _open(self, context: ToolContext) -> _Opened:
        mounts = _mounts(context)
        folders = _identities(mounts)  # before they are mounted: one replaced meanwhile is noticed at the first use
        sandbox = context.sandboxes().open(
            SandboxSpec(
                run=context.run,
                mounts=mounts,
                environment={"PYTHONPATH": "/opt/ml-intern/guard:/workspace"},
                gpu=self._gpu,
                has_packages=True,
            )
        )
        return _Opened(sandbox=sandbox, run=context.run, folders=folders)

    def _take_ahead(self) -> None:
        """Wait for what is being opened, if anything is; a failure is told by the attempt that needs it."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.exception() is None:
            self._opened, self._is_fresh = ahead.result(), True


def _fulfil(future: Future[_Opened], make: Callable[[], _Opened]) -> None:
    try:
        future.set_result(make())
    except BaseException as error:  # noqa: BLE001 - whoever waits for the result decides
        future.set_exception(error)


def _identities(mounts: Sequence[Mount]) -> tuple[tuple[int, int], ...]:
    return tuple((status.st_dev, status.st_ino) for status in (mount.source.stat() for mount in mounts))


def _mounts(context: ToolContext) -> tuple[Mount, ...]:
    paths = context.paths
    seen: tuple[tuple[Path, str, bool], ...] = (
        (paths.workspace, "/workspace", True),
        (paths.visible_data, "/data", False),
        (paths.outputs, "/outputs", False),
    )
    for folder, _, _ in seen:
        folder.mkdir(parents=True, exist_ok=True)
    return (*(Mount(source=s, target=t, writable=w) for s, t, w in seen), *guard_mounts(paths))


def _had_session(context: ToolContext) -> bool:
    begun = [r.event.call for r in context.records if isinstance(r.event, ToolStarted)]
    return any(call.name == "run_python" and call.id != context.call_id for call in begun)


def _shown(done: Execution, call_id: str, remark: str) -> str:
    """Put output, value, error and what became of the session into one text."""
    parts = [remark, condense(done.output, folds=len(done.output) > _UNFOLDED).rstrip()]
    parts.append(f"→ {condense(done.value, 1500)}" if done.value is not None else "")
    parts.append(explained(done.traceback or done.error or "", 2500))
    parts.append("Interrupted after its time limit; variables are kept." if done.timed_out and not done.died else "")
    parts.append("Interrupted by the person." if done.interrupted else "")
    parts.append(
        f"The session was lost ({done.died}); a fresh one stands ready, without variables." if done.died else ""
    )
    parts += [f"Figure saved: {path}" for path in done.artefacts]
    lines = sum(bool(line.strip()) for line in done.output.split("\n"))
    if done.traceback or done.dropped or lines > len(parts[1].split("\n")):
        parts.append(f"(all of it: read_file calls/{call_id}/output.log)")
    return "\n".join(part for part in parts if part) or "(no output)"
