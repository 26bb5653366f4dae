"""Routes by which files go out: Git's by the Hub itself, LFS objects by a redirect to another origin."""

from __future__ import annotations

import re

from aiohttp import web

from hub.access import STATE, readable, refusal, revision


async def resolve(request: web.Request) -> web.Response:
    found = readable(request)
    oid = revision(request, found)
    entry = found.commits[oid].tree.get(request.match_info["path"])
    if entry is None:
        answer = refusal(404, "EntryNotFound", "Entry not found")
        answer.headers["X-Repo-Commit"] = oid
        return answer
    state = request.app[STATE]
    headers = {"X-Repo-Commit": oid, "ETag": f'"{entry.oid}"'}
    if entry.is_lfs:
        linked = {"X-Linked-Etag": f'"{entry.sha256}"', "X-Linked-Size": str(entry.size)}
        return web.Response(
            status=302, headers={**headers, **linked, "Location": f"{state.content_base}/_content/{entry.sha256}"}
        )
    return _content(request, state.contents[entry.sha256], headers)


async def content(request: web.Request) -> web.Response:
    # A token that arrives here has left the Hub's origin: the client must not send it.
    assert "Authorization" not in request.headers
    sha256 = request.match_info["sha256"]
    return _content(request, request.app[STATE].contents[sha256], {"ETag": f'"{sha256}"'})


def _content(request: web.Request, whole: bytes, headers: dict[str, str]) -> web.Response:
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if not asked:
        return web.Response(body=whole, headers={**headers, "Accept-Ranges": "bytes"})
    start, stop = int(asked[1]), min(int(asked[2] or len(whole)) + 1, len(whole))
    span = {"Content-Range": f"bytes {start}-{stop - 1}/{len(whole)}"}
    return web.Response(status=206, body=whole[start:stop], headers={**headers, **span})


def add_routes(app: web.Application) -> None:
    """Add these routes; GET routes answer HEAD too."""
    file = "{owner}/{name}/resolve/{revision}/{path:.+}"
    app.router.add_get("/_content/{sha256}", content)
    app.router.add_get("/{kind:datasets}/" + file, resolve)
    app.router.add_get("/" + file, resolve)
