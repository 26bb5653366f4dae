"""A Hub that runs in a thread, and what a test may ask of it or do to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from types import TracebackType

from aiohttp import web

from hub import download, pages, upload
from hub.access import STATE
from hub.faults import Fault, Faults, middleware
from hub.state import Commit, HubState, RepositoryKind, goes_to_lfs

TOKENS = {"hf_test_alice": "alice", "hf_test_bob": "bob"}
"""The accounts that exist, by token."""

_HOST = "127.0.0.1"
_START = 10.0


class Hub:
    """A Hub at `endpoint`; enter it to start, leave it to stop.

    LFS objects are served from another port, because the client takes a redirect to its own origin for a renamed
    repository. Source: `_httpx_follow_relative_redirects_with_backoff` of huggingface_hub 2.4.
    """

    def __init__(self, *, multipart_size: int = 1 << 20) -> None:
        self._state = HubState(accounts=TOKENS, multipart_size=multipart_size)
        self._faults = Faults()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hub", daemon=True)
        self._runner: web.AppRunner | None = None

    @property
    def endpoint(self) -> str:
        """The address of the Hub."""
        return self._state.base

    @property
    def requests(self) -> list[str]:
        """Every request so far, as `METHOD path`."""
        return list(self._faults.requests)

    def inject(self, *faults: Fault) -> None:
        """Let these happen, each once, at the next requests that fit."""
        self._faults.pending.extend(faults)

    @property
    def pending(self) -> list[Fault]:
        """The faults that did not happen yet."""
        return list(self._faults.pending)

    def add(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        kind: RepositoryKind = "model",
        private: bool = False,
        gated: bool = False,
        message: str = "",
    ) -> str:
        """Commit `files` to the repository `name`, which is created where it is missing; give the commit."""
        with self._state.lock:
            found = self._state.repositories.get((kind, name))
            repository = found or self._state.create(kind, name, private=private, gated=gated)
            tree = dict(repository.commits[repository.refs["refs/heads/main"]].tree)
            for path, content in files.items():
                entry = self._state.store(content)
                linked = self._state.linked(entry.sha256) if goes_to_lfs(path, entry.size, content[:512]) else None
                tree[path] = linked or entry
            owner = name.partition("/")[0]
            return self._state.commit(
                repository, "refs/heads/main", tree, title="add files", message=message, author=owner
            )

    def commits(self, name: str, *, kind: RepositoryKind = "model") -> list[Commit]:
        """Give the commits on `main`, newest first, without the one the Hub makes itself."""
        return [c for c in self._state.repositories[kind, name].history("main") if c.author != "system"]

    def exists(self, name: str, *, kind: RepositoryKind = "model") -> bool:
        """Whether there is such a repository."""
        return (kind, name) in self._state.repositories

    def is_private(self, name: str, *, kind: RepositoryKind = "model") -> bool:
        """Whether only its owner sees the repository."""
        return self._state.repositories[kind, name].private

    def read(self, name: str, path: str, *, kind: RepositoryKind = "model") -> bytes:
        """Give the content of a file on `main`."""
        return self._state.contents[self.files(name, kind=kind)[path]]

    def files(self, name: str, *, kind: RepositoryKind = "model") -> dict[str, str]:
        """Give the files on `main` with their SHA-256."""
        repository = self._state.repositories[kind, name]
        tree = repository.commits[repository.refs["refs/heads/main"]].tree
        return {path: entry.sha256 for path, entry in sorted(tree.items())}

    def __enter__(self) -> Hub:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(_START)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(_START)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START)
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(middlewares=[middleware(self._faults)], client_max_size=1 << 30)
        app[STATE] = self._state
        for module in (upload, download, pages):
            module.add_routes(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        for _ in range(2):
            await web.TCPSite(self._runner, _HOST, 0).start()
        ports = [address[1] for address in self._runner.addresses]
        self._state.base, self._state.content_base = (f"http://{_HOST}:{port}" for port in ports)

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
