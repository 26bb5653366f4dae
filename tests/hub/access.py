"""Who asks, for what, and what a Hub answers where it refuses."""

from __future__ import annotations

import json

from aiohttp import web

from hub.state import HubState, Repository, RepositoryKind

STATE = web.AppKey("state", HubState)
_KINDS: dict[str, RepositoryKind] = {"models": "model", "datasets": "dataset"}


def refusal(status: int, code: str, message: str) -> web.Response:
    """Make an error with the headers by which the client classes it."""
    headers = {"X-Error-Code": code, "X-Error-Message": message}
    return web.json_response({"error": message}, status=status, headers=headers)


def refuse(status: int, code: str, message: str) -> web.HTTPException:
    """Make an error to raise."""
    kind = type("Refused", (web.HTTPException,), {"status_code": status})
    error: web.HTTPException = kind(
        text=json.dumps({"error": message}),
        content_type="application/json",
        headers={"X-Error-Code": code, "X-Error-Message": message},
    )
    return error


def account(request: web.Request) -> str | None:
    """Name the account of the token, None where there is none.

    Raises:
        web.HTTPException: 401, the token is unknown.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        return None
    accounts = request.app[STATE].accounts
    if token not in accounts:
        raise refuse(401, "", "Invalid credentials in Authorization header")
    return accounts[token]


def writer(request: web.Request, owner: str) -> str:
    """Name the account, which must own what it writes to."""
    name = account(request)
    if name is None:
        raise refuse(401, "", "Invalid username or password.")
    if name != owner:
        raise refuse(403, "", f"You don't have the rights to write to the namespace {owner}")
    return name


def repository(request: web.Request) -> Repository:
    """Find the repository of a path; what the account may not see does not exist for it."""
    owner, name = request.match_info["owner"], request.match_info["name"]
    kind = _KINDS[request.match_info.get("kind", "models")]
    found = request.app[STATE].repositories.get((kind, f"{owner}/{name}"))
    asking = account(request)
    if found is None or (found.private and asking != owner):
        raise refuse(401 if asking is None else 404, "RepoNotFound", "Repository not found")
    return found


def readable(request: web.Request) -> Repository:
    """Find the repository of a path whose contents the account may read."""
    found = repository(request)
    if found.gated and account(request) != request.match_info["owner"]:
        raise refuse(403, "GatedRepo", f"Access to {found.id} is restricted")
    return found


def revision(request: web.Request, found: Repository) -> str:
    """Find the commit of a path."""
    name = request.match_info.get("revision", "main")
    oid = found.resolve(name)
    if oid is None:
        raise refuse(404, "RevisionNotFound", f"Invalid rev id: {name}")
    return oid
