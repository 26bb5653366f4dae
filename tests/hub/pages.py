"""Routes that tell about accounts and repositories."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from aiohttp import web

from hub import card
from hub.access import STATE, account, readable, refusal, refuse, repository, revision, writer
from hub.state import Entry, RepositoryKind, pointer

Json: TypeAlias = dict[str, object]


async def whoami(request: web.Request) -> web.Response:
    name = account(request)
    if name is None:
        raise refuse(401, "", "Invalid credentials in Authorization header")
    access = {"type": "access_token", "accessToken": {"displayName": "test", "role": "write"}}
    return web.json_response({"type": "user", "name": name, "fullname": name, "orgs": [], "auth": access})


async def create(request: web.Request) -> web.Response:
    asked = await request.json()
    name = account(request)
    owner = str(asked.get("organization") or name)
    writer(request, owner)
    kind: RepositoryKind = "dataset" if asked.get("type") == "dataset" else "model"
    state, full = request.app[STATE], f"{owner}/{asked['name']}"
    url = f"{state.base}/{'datasets/' if kind == 'dataset' else ''}{full}"
    if (kind, full) in state.repositories:
        return web.json_response({"error": f"You already created this {kind} repo", "url": url}, status=409)
    state.create(kind, full, private=asked.get("visibility") == "private")
    return web.json_response({"url": url, "name": full, "id": hashlib.sha1(full.encode()).hexdigest()})


async def validate_yaml(request: web.Request) -> web.Response:
    errors, warnings = card.problems((await request.json())["content"])
    body = {"errors": [{"message": e} for e in errors], "warnings": [{"message": w} for w in warnings]}
    return web.json_response(body, status=400 if errors else 200)


async def info(request: web.Request) -> web.Response:
    found = repository(request)
    oid = revision(request, found)
    tree = found.commits[oid].tree
    siblings: list[Json] = [{"rfilename": path} for path in sorted(tree)]
    if request.query.get("blobs"):
        siblings = [_sibling(path, entry) for path, entry in sorted(tree.items())]
    body: Json = {
        "_id": hashlib.sha1(found.id.encode()).hexdigest()[:24],
        "id": found.id,
        "author": found.id.partition("/")[0],
        "sha": oid,
        "lastModified": found.commits[oid].date,
        "createdAt": found.commits[oid].date,
        "private": found.private,
        "gated": "auto" if found.gated else False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "siblings": siblings,
    }
    return web.json_response(body)


async def tree(request: web.Request) -> web.Response:
    found = repository(request)
    entries = found.commits[revision(request, found)].tree
    below = request.match_info.get("path", "")
    prefix = f"{below}/" if below else ""
    if below and not any(path.startswith(prefix) for path in entries):
        raise refuse(404, "EntryNotFound", f"{below} does not exist")
    is_recursive = request.query.get("recursive", "").lower() in {"true", "1"}
    shown = [
        node
        for node in (*_folders(entries), *(_file(path, entry) for path, entry in sorted(entries.items())))
        if str(node["path"]).startswith(prefix) and (is_recursive or "/" not in str(node["path"])[len(prefix) :])
    ]
    return web.json_response(shown)


async def paths_info(request: web.Request) -> web.Response:
    found = readable(request)
    entries = found.commits[revision(request, found)].tree
    if request.content_type == "application/json":
        asked = [str(path) for path in (await request.json())["paths"]]
    else:
        asked = [str(path) for path in (await request.post()).getall("paths", [])]
    folders = {str(node["path"]): node for node in _folders(entries)}
    shown = [_file(path, entries[path]) if path in entries else folders.get(path) for path in asked]
    return web.json_response([node for node in shown if node])


async def refs(request: web.Request) -> web.Response:
    found = repository(request)

    def below(prefix: str) -> list[dict[str, str]]:
        names = sorted(name for name in found.refs if name.startswith(prefix))
        return [{"name": n[len(prefix) :], "ref": n, "targetCommit": found.refs[n]} for n in names]

    return web.json_response({"branches": below("refs/heads/"), "tags": below("refs/tags/"), "converts": []})


async def commits(request: web.Request) -> web.Response:
    found = repository(request)
    revision(request, found)
    body = [
        {"id": c.oid, "title": c.title, "message": c.message, "authors": [{"user": c.author}], "date": c.date}
        for c in found.history(request.match_info["revision"])
    ]
    return web.json_response(body)


async def unknown(request: web.Request) -> web.Response:
    return refusal(404, "", f"no such page: {request.path}")


def _file(path: str, entry: Entry) -> Json:
    node: Json = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
    return {**node, "lfs": {**_lfs(entry), "oid": entry.sha256}} if entry.is_lfs else node


def _sibling(path: str, entry: Entry) -> Json:
    node: Json = {"rfilename": path, "size": entry.size, "blobId": entry.oid}
    return {**node, "lfs": {**_lfs(entry), "sha256": entry.sha256}} if entry.is_lfs else node


def _lfs(entry: Entry) -> Json:
    return {"size": entry.size, "pointerSize": len(pointer(entry.sha256, entry.size))}


def _folders(entries: Mapping[str, Entry]) -> Iterator[Json]:
    parents = {path.rsplit("/", depth)[0] for path in entries for depth in range(1, path.count("/") + 1)}
    for path in sorted(parents):
        yield {"type": "directory", "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0, "path": path}


def add_routes(app: web.Application) -> None:
    """Add these routes; `repo` is where every page of a repository begins."""
    repo = "/api/{kind:models|datasets}/{owner}/{name}"
    app.router.add_get("/api/whoami-v2", whoami)
    app.router.add_post("/api/repos/create", create)
    app.router.add_post("/api/validate-yaml", validate_yaml)
    app.router.add_get(repo, info)
    app.router.add_get(repo + "/revision/{revision}", info)
    app.router.add_get(repo + "/tree/{revision}", tree)
    app.router.add_get(repo + "/tree/{revision}/{path:.+}", tree)
    app.router.add_post(repo + "/paths-info/{revision}", paths_info)
    app.router.add_get(repo + "/refs", refs)
    app.router.add_get(repo + "/commits/{revision}", commits)
    app.router.add_route("*", "/{rest:.*}", unknown)
