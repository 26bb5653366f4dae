"""What can go wrong between a client and a Hub, on demand."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong at the next request that fits.

    `status`: it is answered with `status` (and `Retry-After: retry_after`) and not carried out. `lose`: it is carried
    out and the connection is reset before an answer. `unreachable`: the connection is reset and nothing is done.
    `truncate`: half of the answer's body arrives.
    """

    method: str
    path: str
    does: Literal["status", "lose", "unreachable", "truncate"]
    status: int = 503
    retry_after: str | None = None


@dataclass(slots=True)
class Faults:
    """The faults still to come, each used once, and every request as `METHOD path`."""

    pending: list[Fault] = field(default_factory=list[Fault])
    requests: list[str] = field(default_factory=list[str])

    def take(self, request: web.Request) -> Fault | None:
        """Use up the first fault that fits."""
        self.requests.append(f"{request.method} {request.path}")
        for fault in self.pending:
            if fault.method == request.method and re.search(fault.path, request.path):
                self.pending.remove(fault)
                return fault
        return None


def middleware(faults: Faults) -> Middleware:
    """Put `faults` before every route."""

    @web.middleware
    async def inject(request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = faults.take(request)
        match fault.does if fault else None:
            case "status":
                assert fault is not None
                await request.read()
                headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
                return web.json_response({"error": "try later"}, status=fault.status, headers=headers)
            case "unreachable":
                return _reset(request)
            case "lose":
                await handler(request)
                return _reset(request)
            case "truncate":
                return await _truncated(request, await handler(request))
            case _:
                return await handler(request)

    return inject


def _reset(request: web.Request) -> web.StreamResponse:
    transport = request.transport
    assert transport is not None
    transport.abort()
    return web.Response()


async def _truncated(request: web.Request, whole: web.StreamResponse) -> web.StreamResponse:
    assert isinstance(whole, web.Response)
    assert isinstance(whole.body, bytes)
    headers = {name: value for name, value in whole.headers.items() if name != "Content-Type"}
    half = web.StreamResponse(status=whole.status, headers={**headers, "Content-Length": str(len(whole.body))})
    await half.prepare(request)
    await half.write(whole.body[: len(whole.body) // 2])
    assert request.transport is not None
    request.transport.close()
    return half
