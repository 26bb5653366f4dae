"""Run the card's own example as a stranger would: from the published files, in a fresh sandbox without network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ml_intern.core.sandbox import JobEvent, JobSpec, Limits, Mount, SandboxBackend, SandboxSpec
from ml_intern.publishing.snippet import extract

_CACHE = "/hub-cache"
_TIMEOUT = 300.0
_SHOWN = 2000


def try_snippet(
    backend: SandboxBackend,
    *,
    run: str,
    directory: Path,
    card_text: str,
    fetched: Path,
    hub_cache: Path | None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[bool, str]:
    """Execute the Python block of `card_text`, unchanged; tell whether it ended well and what it printed.

    Args:
        backend: where sandboxes come from.
        run: identifier of the run.
        directory: of the job; the same directory attaches to a job that was started before.
        card_text: the published card.
        fetched: the folder that the block names, seen inside at its own path, where `hub_cache` is None.
        hub_cache: a cache of the Hub's client; with it the block's own download works unchanged and offline.
        cancelled: whether the person asked to stop.

    Raises:
        ToolError: the card has no such block.
        SandboxError: the sandbox failed.
    """
    code = extract(card_text)
    mount = Mount(source=fetched, target=str(fetched)) if hub_cache is None else Mount(source=hub_cache, target=_CACHE)
    spec = SandboxSpec(
        run=run,
        mounts=(mount,),
        working_directory="/tmp",
        environment={"HF_HUB_CACHE": _CACHE, "HF_HOME": "/tmp/hf", "HF_HUB_OFFLINE": "1"},
        limits=Limits(memory=4 << 30, disk=1 << 30),
        has_packages=True,
    )
    job = JobSpec(directory=directory, argv=("python", "-"), stdin=code.encode(), timeout=_TIMEOUT)
    result = backend.start(spec, job).wait(on_event=_unwatched, cancelled=cancelled)
    ended = "" if result.ok else f"\n(ended with {result.reason or f'status {result.exit_code}'})"
    return result.ok and bool(result.output.strip()), result.output[-_SHOWN:].strip() + ended


def _unwatched(event: JobEvent) -> None:
    """Show nothing: the example's output is part of the observation."""
    del event
