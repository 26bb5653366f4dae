"""Routes by which files come in: what goes where, LFS objects in one piece or in parts, the commit."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hub import card
from hub.access import STATE, refuse, repository, revision, writer
from hub.state import Entry, HubState, goes_to_lfs, is_sha256

_GIT_LFS = "application/vnd.git-lfs+json"


async def preupload(request: web.Request) -> web.Response:
    found = repository(request)
    writer(request, request.match_info["owner"])
    tree = found.commits[revision(request, found)].tree
    files: list[dict[str, object]] = []
    for asked in (await request.json())["files"]:
        is_lfs = goes_to_lfs(asked["path"], asked["size"], base64.b64decode(asked["sample"]))
        answer: dict[str, object] = {
            "path": asked["path"],
            "uploadMode": "lfs" if is_lfs else "regular",
            "shouldIgnore": False,
        }
        entry = tree.get(asked["path"])
        files.append({**answer, "oid": entry.sha256 if entry.is_lfs else entry.oid} if entry else answer)
    return web.json_response({"files": files})


async def batch(request: web.Request) -> web.Response:
    repository(request)
    writer(request, request.match_info["owner"])
    state, asked = request.app[STATE], await request.json()
    is_multipart_known = "multipart" in asked["transfers"]
    objects = [_object(state, o["oid"], o["size"], is_multipart_known) for o in asked["objects"]]
    body = {"transfer": "basic", "objects": objects, "hash_algo": "sha256"}
    return web.Response(text=json.dumps(body), content_type=_GIT_LFS)


def _object(state: HubState, oid: str, size: int, is_multipart_known: bool) -> dict[str, object]:
    answer: dict[str, object] = {"oid": oid, "size": size}
    if not is_sha256(oid):
        return {**answer, "error": {"code": 422, "message": "bad oid"}}
    if oid in state.contents:
        return answer
    if is_multipart_known and size > state.multipart_size:
        count = -(-size // state.multipart_size)
        header = {f"{n:05d}": f"{state.base}/_lfs/part/{oid}/{n}" for n in range(1, count + 1)}
        href = f"{state.base}/_lfs/complete/{oid}"
        upload = {"href": href, "header": {"chunk_size": str(state.multipart_size), **header}}
        return {**answer, "actions": {"upload": upload}}
    verify = {"href": f"{state.base}/_lfs/verify/{oid}"}
    return {**answer, "actions": {"upload": {"href": f"{state.base}/_lfs/put/{oid}"}, "verify": verify}}


async def put_object(request: web.Request) -> web.Response:
    return _keep(request.app[STATE], request.match_info["oid"], await request.read())


async def put_part(request: web.Request) -> web.Response:
    content, number = await request.read(), int(request.match_info["number"])
    request.app[STATE].parts[request.match_info["oid"], number] = content
    return web.Response(headers={"ETag": hashlib.sha256(content).hexdigest()})


async def complete(request: web.Request) -> web.Response:
    state, oid = request.app[STATE], request.match_info["oid"]
    numbers = sorted(part["partNumber"] for part in (await request.json())["parts"])
    return _keep(state, oid, b"".join(state.parts.pop((oid, number)) for number in numbers))


async def verify(request: web.Request) -> web.Response:
    content = request.app[STATE].contents.get(request.match_info["oid"])
    is_whole = content is not None and len(content) == (await request.json())["size"]
    return web.json_response({"message": "ok" if is_whole else "missing"}, status=200 if is_whole else 404)


def _keep(state: HubState, oid: str, content: bytes) -> web.Response:
    if hashlib.sha256(content).hexdigest() != oid:
        raise refuse(400, "", "sha256 mismatch")
    state.contents[oid] = content
    return web.json_response({}, headers={"ETag": oid})


async def commit(request: web.Request) -> web.Response:
    found = repository(request)
    author = writer(request, request.match_info["owner"])
    lines: list[dict[str, Any]] = [json.loads(line) for line in (await request.read()).splitlines()]
    state, ref = request.app[STATE], f"refs/heads/{request.match_info['revision']}"
    with state.lock:
        if ref not in found.refs:
            raise refuse(404, "RevisionNotFound", f"Invalid rev id: {ref}")
        header = lines[0]["value"]
        if header.get("parentCommit", found.refs[ref]) != found.refs[ref]:
            raise refuse(412, "", "A commit has happened since. Please refresh and try again.")
        tree = dict(found.commits[found.refs[ref]].tree)
        for line in lines[1:]:
            _apply(state, tree, line["key"], line["value"])
        oid = state.commit(
            found, ref, tree, title=header["summary"], message=header.get("description", ""), author=author
        )
    return web.json_response({"success": True, "commitOid": oid, "commitUrl": f"{state.base}/{found.id}/commit/{oid}"})


def _apply(state: HubState, tree: dict[str, Entry], key: str, value: Mapping[str, str]) -> None:
    """Carry out one line of a commit on `tree`."""
    path = value["path"]
    match key:
        case "file":
            content = base64.b64decode(value["content"])
            errors, _ = card.problems(content.decode()) if path == "README.md" else ([], [])
            if errors:
                raise refuse(400, "", f"Invalid metadata: {'; '.join(errors)}")
            tree[path] = state.store(content)
        case "lfsFile":
            entry = state.linked(value["oid"])
            if entry is None:
                raise refuse(400, "", f"LFS pointer pointed to a file that does not exist: {path}")
            tree[path] = entry
        case "deletedFile":
            del tree[path]
        case _:
            raise refuse(400, "", f"this Hub does not know {key}")


def add_routes(app: web.Application) -> None:
    """Add these routes."""
    repo = "/api/{kind:models|datasets}/{owner}/{name}"
    lfs = "{owner}/{name}.git/info/lfs/objects/batch"
    app.router.add_post(repo + "/preupload/{revision}", preupload)
    app.router.add_post(repo + "/commit/{revision}", commit)
    app.router.add_post("/{kind:datasets}/" + lfs, batch)
    app.router.add_post("/" + lfs, batch)
    app.router.add_put("/_lfs/put/{oid}", put_object)
    app.router.add_put("/_lfs/part/{oid}/{number}", put_part)
    app.router.add_post("/_lfs/complete/{oid}", complete)
    app.router.add_post("/_lfs/verify/{oid}", verify)
