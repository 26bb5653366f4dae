"""Ask the documentation index that lies in the sandbox, by a program of ours that runs there.

The index never leaves the sandbox and the host opens no file that one wrote: it reads a bounded line of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ml_intern.core.errors import SandboxError, ToolError
from ml_intern.core.sandbox import JobEvent, JobSpec, Mount, SandboxBackend, SandboxSpec

PROGRAMS = Path(__file__).parent / "inside"
"""What builds an index and answers from one: standard library only, shipped into the sandbox."""
_INSIDE, _PACKAGES, _KEPT = "/opt/ml-intern/documentation", "/packages", "/docs"
_TIMEOUT = 300.0
_LONGEST = 1 << 16
"""Characters of a report; more is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An entry that fits a question. `file` is relative to the installed packages; `text` the first paragraph."""

    name: str
    kind: str
    package: str
    version: str
    file: str
    line: int
    signature: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Hit):
    """A whole entry, of which `text` is one page. `asked` is an alias of `name`, or what the name inherits."""

    asked: str
    page: int
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the index says: an entry where its dotted name was asked for, else hits, best first.

    `built` is false where the environment or image has no index.
    """

    built: bool
    entry: Entry | None
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Packages that a run added: the folder they were unpacked to, and a folder of the run that keeps their index."""

    packages: Path
    kept: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where the question is asked: a backend, the run, a folder for the call, and what the run added."""

    backend: SandboxBackend
    run: str
    directory: Path
    added: Added | None = None
    cancelled: Callable[[], bool] = lambda: False


_FORM = TypeAdapter(Answer)


def ask(desk: Desk, question: str, *, limit: int = 5, page: int = 1) -> Answer:
    """Search for `question`, or read the entry of which it is the dotted name; pages beyond the last give the last.

    Raises:
        ToolError: the question is empty or too long.
        SandboxError: the sandbox or the program failed.
    """
    if not question.strip() or len(question) > 400:
        raise ToolError("ask in a few words, or give a dotted name such as torch.nn.functional.pad")
    own: tuple[Mount, ...] = (Mount(source=PROGRAMS, target=_INSIDE),)
    request: dict[str, object] = {"question": question, "limit": limit, "page": page, "unpacked": None, "index": None}
    if desk.added is not None:
        desk.added.kept.mkdir(parents=True, exist_ok=True)
        request |= {"unpacked": _PACKAGES, "index": f"{_KEPT}/docs.sqlite"}
        kept = Mount(source=desk.added.kept, target=_KEPT, writable=True)
        own = (*own, Mount(source=desk.added.packages, target=_PACKAGES), kept)
    job = JobSpec(
        directory=desk.directory,
        argv=("python", "-I", f"{_INSIDE}/answer.py"),
        stdin=json.dumps(request).encode(),
        timeout=_TIMEOUT,
    )
    spec = SandboxSpec(run=desk.run, mounts=own, working_directory="/tmp")
    ended = desk.backend.start(spec, job).wait(on_event=_unseen, cancelled=desk.cancelled)
    line = ended.reports[0] if ended.ok and len(ended.reports) == 1 else ""
    try:
        return _FORM.validate_json(line[:_LONGEST], strict=True, extra="forbid")
    except ValidationError as error:
        why = ended.reason or f"exit status {ended.exit_code}"
        raise SandboxError(f"the documentation index gives no answer ({why}): {ended.output[-500:].strip()}") from error


def _unseen(event: JobEvent) -> None:
    """Show nothing: what the program prints is for nobody."""
    del event
