"""Put a question to a probe in a sandbox of its own, and know its answers from what the candidate writes."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ml_intern.core.errors import ToolError
from ml_intern.core.sandbox import JobEvent, JobResult, JobSpec, Mount, SandboxBackend, SandboxSpec
from ml_intern.verification.registry import PROBES
from ml_intern.verification.source import source_digest

INSIDE = "/opt/ml-intern/probes"
SOURCE = "/source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What one probe is asked about a source. `directory` is a folder that the sandbox does not see.

    Asked again after a crash, the same question in the same directory attaches to its job; another source or question
    never meets its result.
    """

    program: str
    asked: Mapping[str, object]
    directory: Path
    files: Mapping[str, bytes]
    timeout: float
    mounts: tuple[Mount, ...] = ()

    @property
    def text(self) -> str:
        """The question as JSON, the same text for the same one.

        Raises:
            ToolError: the constructor's arguments, which are the agent's, are not JSON.
        """
        try:
            return json.dumps(self.asked, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ToolError(
                f"the constructor's arguments must be JSON, as config.json will hold them: {error}"
            ) from error

    @property
    def place(self) -> Path:
        """The folder of its own that it has."""
        digest = hashlib.sha256(f"{source_digest(self.files)} {self.text}".encode()).hexdigest()
        return self.directory / f"{self.program.removesuffix('.py')}-{digest[:16]}"


def ask(
    backend: SandboxBackend, question: Question, *, run: str, cancelled: Callable[[], bool]
) -> tuple[JobResult, list[Mapping[str, object]]]:
    """Put `question` to its probe in a sandbox of its own; gives how that ended, and what the probe told, in order.

    Raises:
        ToolError: the question makes no sense; nothing was started.
        SandboxError: the sandbox cannot start.
    """
    place = question.place
    write_files(place / "source", question.files)
    nonce = nonce_of(place)
    job = JobSpec(
        directory=place / "job",
        argv=("python", "-I", f"{INSIDE}/{question.program}"),
        stdin=json.dumps({**json.loads(question.text), "nonce": nonce}).encode(),
        timeout=question.timeout,
    )
    started = backend.start(confined(run, place / "source", *question.mounts), job)
    result = started.wait(on_event=unseen, cancelled=cancelled)
    return result, [said for line in result.reports if (said := answer(line, nonce)) is not None]


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their names below `folder`, which is made also where there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def nonce_of(place: Path) -> str:
    """Give the secret of the request at `place`; kept, so that a resumed call knows the answers of its own job."""
    file = place / "nonce"
    if not file.exists():
        draft = file.with_suffix(".new")
        draft.write_text(secrets.token_hex(16), "utf-8")
        draft.replace(file)
    return file.read_text("utf-8")


def confined(run: str, source: Path, *mounts: Mount) -> SandboxSpec:
    """Give a sandbox that sees the candidate's `source`, the probes and `mounts`, with what the run installed."""
    return SandboxSpec(
        run=run,
        mounts=(Mount(source=source, target=SOURCE), Mount(source=PROBES, target=INSIDE), *mounts),
        working_directory="/tmp",
        environment={"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": "/tmp/huggingface"},
        has_packages=True,
    )


def unseen(event: JobEvent) -> None:
    """Show nothing: what the candidate prints is no part of the verdict."""
    del event


def answer(line: str, nonce: str) -> Mapping[str, object] | None:
    """Read a line that carries the nonce; None for one that the probe did not write."""
    try:
        said = json.loads(line)
        is_known = secrets.compare_digest(str(said["nonce"]).encode(), nonce.encode())
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return cast("Mapping[str, object]", said) if is_known else None


def plain(text: object) -> str:
    """Replace what no file can hold: messages of the candidate may have lone surrogates."""
    return str(text).encode("utf-8", "replace").decode("utf-8")
