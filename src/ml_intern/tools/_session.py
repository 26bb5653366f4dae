"""The persistent Python session of a run: opened at its first use, shown to the language model in few words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ml_intern.core.errors import SandboxError
from ml_intern.core.events import ToolStarted
from ml_intern.core.live import ToolOutput
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.core.sandbox import GPU, Execution, Mount, Sandbox, SandboxSpec
from ml_intern.tools._verified import list_verified
from ml_intern.verification.condense import condense
from ml_intern.verification.training import guard_mounts

_GONE = "(A new session: variables of earlier calls are gone; files are still there.)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A session, its run, and which folders it sees: one that was replaced since is seen no more."""

    sandbox: Sandbox
    run: str
    folders: tuple[tuple[int, int], ...]


class PythonSession:
    """Opens lazily; a failed sandbox is dropped, so that the next call gets a new one."""

    def __init__(self, gpu: GPU) -> None:
        self._gpu: GPU = gpu
        self._opened: _Opened | None = None

    def run(self, context: ToolContext, code: str, timeout: float) -> Observation:
        """Run `code` and shape what came out; the whole output goes to the call's folder."""
        sandbox, remark = self._sandbox(context)
        log = context.paths.call(context.call_id) / "output.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as file:

            def show(text: str) -> None:
                file.write(text)
                context.live(ToolOutput(call_id=context.call_id, text=text))

            try:
                done = sandbox.execute(code, timeout=timeout, on_output=show, cancelled=context.cancelled)
            except SandboxError:
                self.close()
                raise
        return Observation(text=_shown(done, context.call_id, remark), ok=done.ok)

    def close(self) -> None:
        """End the session; safe to call twice."""
        if self._opened is not None:
            self._opened.sandbox.close()
            self._opened = None

    def _sandbox(self, context: ToolContext) -> tuple[Sandbox, str]:
        mounts = _mounts(context)
        folders = tuple((s.st_dev, s.st_ino) for s in (mount.source.stat() for mount in mounts))
        known = self._opened
        if known is not None and (known.run, known.folders) == (context.run, folders):
            return known.sandbox, ""
        self.close()
        list_verified(context)
        sandbox = context.sandboxes().open(
            SandboxSpec(
                run=context.run,
                mounts=mounts,
                environment={"PYTHONPATH": "/opt/ml-intern/guard:/workspace"},
                gpu=self._gpu,
            )
        )
        self._opened = _Opened(sandbox=sandbox, run=context.run, folders=folders)
        return sandbox, _GONE if _had_session(context) else ""


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
    parts = [remark, condense(done.output).rstrip()]
    parts.append(f"→ {condense(done.value, 1500)}" if done.value is not None else "")
    parts.append(condense(done.traceback or done.error or "", 2500))
    parts.append("Interrupted after its time limit; variables are kept." if done.timed_out and not done.died else "")
    parts.append("Interrupted by the person." if done.interrupted else "")
    parts.append(
        f"The session was lost ({done.died}); a fresh one stands ready, without variables." if done.died else ""
    )
    if done.dropped or len(done.output) > len(parts[1]) + 200:
        parts.append(f"(all of the output: read_file calls/{call_id}/output.log)")
    return "\n".join(part for part in parts if part) or "(no output)"
