"""A gateway on a Unix socket: what a sandbox may read from named hosts, by GET and HEAD, and nothing else.

TLS ends here, on the host: the inside speaks plain HTTP to the socket and holds no certificate and no key. There is no
CONNECT, so nothing passes that was not looked at. Each request becomes one line of JSON in a log.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import re
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urljoin, urlsplit

from ml_intern.config import Secret
from ml_intern.core.errors import ConfigError

SOCKET = "gateway"
"""Name of the socket in the folder that a sandbox sees."""
_ENTRY = re.compile(r"(?:(?P<scheme>https?)://)?(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(?P<port>\d{1,5}))?/?")
_REDIRECTS = 5
_LONGEST = 2048
"""Characters of a path with its query: what is asked for could carry data out."""
_TIMEOUT = 60.0
_CHUNK = 1 << 16
_DRAIN_SECONDS = 2.0
_DRAIN_CHUNKS = 64
_AT_ONCE = 8
_PASSED_ON = ("Accept", "Range", "If-None-Match", "If-Modified-Since", "If-Range")
_KEPT_BACK = {"connection", "keep-alive", "transfer-encoding", "set-cookie", "location", "alt-svc", "trailer"}
_MOVED = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One allowed place. Private addresses are refused unless the person named a port with it."""

    scheme: Literal["http", "https"]
    name: str
    port: int
    allows_private: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be read: hosts, bytes of one answer and of all together, and the tokens that the host adds by name."""

    hosts: tuple[Host, ...]
    largest: int = 2 << 30
    in_all: int = 20 << 30
    tokens: Mapping[str, Secret] = field(default_factory=dict[str, Secret])


class Refused(Exception):  # noqa: N818 - an answer to the inside, as HTTP has it
    """A request that is not carried out, with the status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def parse(entry: str) -> Host:
    """Read `[http://|https://]HOST[:PORT]`; without a scheme it is https.

    Raises:
        ConfigError: it is none, or holds a path.
    """
    found = _ENTRY.fullmatch(entry.strip().lower())
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port is not None and not 0 < port < 65536):
        raise ConfigError(f"{entry!r} is no host; give one as in huggingface.co or http://127.0.0.1:8000, without path")
    scheme: Literal["http", "https"] = "http" if found["scheme"] == "http" else "https"
    usual = 80 if scheme == "http" else 443
    return Host(scheme=scheme, name=found["host"], port=port or usual, allows_private=port is not None)


def address_of(host: Host) -> str:
    """Resolve a host once; the connection goes to just that address, whatever the name says a moment later.

    Raises:
        Refused: it has no address, or one that is not public and was not named with a port.
    """
    addresses = _addresses(host)
    if not host.allows_private and not all(ipaddress.ip_address(address).is_global for address in addresses):
        raise Refused(403, f"{host.name} has an address that is not public; name it with a port if that is meant")
    return addresses[0]


def _addresses(host: Host) -> list[str]:
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(host.name))]
    try:
        found = socket.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Refused(502, f"{host.name} has no address: {error}") from error
    return [str(entry[4][0]) for entry in found]


class Gateway:
    """Serves `folder/gateway` from `start` until `close`; `log` gets one line of JSON a request."""

    def __init__(self, folder: Path, policy: Policy, log: Path) -> None:
        self.policy = policy
        self._folder = folder
        self._log = log
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._passed = 0
        self._server: _Server | None = None

    def start(self) -> None:
        """Listen; a socket that an earlier process left is replaced."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / SOCKET).unlink(missing_ok=True)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:  # by the descriptor: the path of a run may be longer than an address of a socket can be
            self._server = _Server(f"/proc/self/fd/{folder}/{SOCKET}", self)
        finally:
            os.close(folder)
        (self._folder / SOCKET).chmod(0o666)  # the user inside is another; who may reach the folder decides
        threading.Thread(target=self._server.serve_forever, name="egress", daemon=True).start()

    def close(self) -> None:
        """Stop; safe to call twice."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            (self._folder / SOCKET).unlink(missing_ok=True)

    def find(self, url: str) -> Host:
        """Give the allowed place that `url` (scheme, host, port) names.

        Raises:
            Refused: there is none.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or (80 if parts.scheme == "http" else 443)
        except ValueError as error:
            raise Refused(400, "the address cannot be read") from error
        for host in self.policy.hosts:
            if (host.scheme, host.name, host.port) == (parts.scheme, (parts.hostname or "").rstrip("."), port):
                return host
        allowed = ", ".join(host.name for host in self.policy.hosts)
        raise Refused(403, f"{parts.netloc} is not allowed; these hosts are: {allowed}")

    def named(self, authority: str) -> str:
        """Give scheme and authority for what the inside put into `Host`, which says no scheme."""
        name, _, port = authority.lower().partition(":")
        for host in self.policy.hosts:
            if host.name == name and port in {"", str(host.port), "80", "443"}:
                return f"{host.scheme}://{host.name}:{host.port}"
        return f"https://{authority}"

    def count(self, size: int) -> bool:
        """Count bytes that were passed in; false when it was too much."""
        with self._lock:
            self._passed += size
            return self._passed <= self.policy.in_all

    @contextlib.contextmanager
    def slot(self) -> Generator[None]:
        """Wait for one of few places."""
        with self._slots:
            yield

    def note(self, **line: object) -> None:
        """Write one line of the log."""
        text = json.dumps({"at": round(time.time(), 3), **line}) + "\n"
        with self._lock, self._log.open("a", encoding="utf-8") as file:
            file.write(text)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, path: str, gateway: Gateway) -> None:
        self.gateway = gateway
        super().__init__(path, _Request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that went away is no error of this process."""


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT

    @property
    def _gateway(self) -> Gateway:
        return cast("_Server", self.server).gateway

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is not GET or HEAD, or no HTTP at all."""
        del explain
        status = 405 if code == 501 else code
        self._refuse(status, "only GET and HEAD pass" if status == 405 else message or "bad request")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing here; `Gateway.note` does."""

    def address_string(self) -> str:
        return "sandbox"

    def _serve(self) -> None:
        self.close_connection = True
        gateway = self._gateway
        try:
            url = gateway.named(self.headers.get("Host", "")) + self._checked_path()
            with gateway.slot(), contextlib.closing(self._fetch(url)) as answer:
                self._pass_on(answer)
        except Refused as refusal:
            self._refuse(refusal.status, str(refusal))
        except (OSError, http.client.HTTPException) as error:
            self._refuse(502, f"{type(error).__name__}: {error}")

    def _checked_path(self) -> str:
        if not self.path.startswith("/") or len(self.path) > _LONGEST:
            raise Refused(400, f"a path has 1 to {_LONGEST} characters and begins with /")
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            raise Refused(400, "a request has no body")
        return self.path

    def _fetch(self, url: str) -> _Answer:
        """Ask for `url`, following redirects to allowed hosts."""
        earlier: dict[str, str] = {}
        for _ in range(_REDIRECTS + 1):
            answer = self._ask(url)
            if answer.status not in _MOVED or (place := answer.response.getheader("Location")) is None:
                return _Answer(answer.response, answer.connection, {**earlier, **answer.headers}, url)
            # what a first answer says of a file (its commit, its digest) the place where the file lies does not know
            earlier.update({name: value for name, value in answer.headers.items() if name.lower().startswith("x-")})
            answer.close()
            url = urljoin(url, place)
            if urlsplit(url).scheme not in {"http", "https"}:
                raise Refused(403, "it redirects to what is no web address")
        raise Refused(502, f"more than {_REDIRECTS} redirects")

    def _ask(self, url: str) -> _Answer:
        gateway = self._gateway
        host = gateway.find(url)
        connection = connect(host)
        parts = urlsplit(url)
        headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
        headers |= {"User-Agent": "ml-intern", "Accept-Encoding": "identity"}
        if host.scheme == "https" and (token := gateway.policy.tokens.get(host.name)) is not None:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(self.command, target or "/", headers=headers)
            return _Answer(response := connection.getresponse(), connection, dict(response.getheaders()), url)
        except BaseException:
            connection.close()
            raise

    def _pass_on(self, answer: _Answer) -> None:
        policy, size = self._gateway.policy, answer.response.length or 0
        if size > policy.largest:
            raise Refused(502, f"the answer has {size} bytes; {policy.largest} are allowed")
        self._note(answer.status, url=answer.url, size=answer.response.length)  # first: what passes is in the log
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _KEPT_BACK:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        passed = 0
        while self.command == "GET" and (data := answer.response.read(_CHUNK)):
            passed += len(data)
            if passed > policy.largest or not self._gateway.count(len(data)):
                self._note(answer.status, refused=f"the answer was cut off after {passed} bytes: too many")
                return
            self.wfile.write(data)

    def _refuse(self, status: int, reason: str) -> None:
        self.close_connection = True
        body = f"{reason}\n".encode()
        self._note(status, refused=reason)
        with contextlib.suppress(OSError):
            # clients show the line of the status, and not every one the body
            self.send_response_only(status, "".join(c if " " <= c <= "~" else "?" for c in reason))
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body if self.command != "HEAD" else b"")
            self._drain()

    def _drain(self) -> None:
        """Read on and forget it: a client that still sends its body would otherwise see no answer but a broken pipe."""
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(_DRAIN_SECONDS)
        for _ in range(_DRAIN_CHUNKS):
            if not self.connection.recv(_CHUNK):
                break

    def _note(self, status: int, **more: object) -> None:
        asked = getattr(self, "path", "")[:_LONGEST]
        host = self.headers.get("Host", "") if hasattr(self, "headers") else ""
        self._gateway.note(method=str(self.command), host=host[:255], path=asked, status=status, **more)


class _Answer:
    """A response, the connection that must be closed after it, its headers, and where it came from in the end."""

    def __init__(
        self,
        response: http.client.HTTPResponse,
        connection: http.client.HTTPConnection,
        headers: Mapping[str, str],
        url: str,
    ) -> None:
        self.response, self.connection, self.headers, self.url = response, connection, headers, url
        self.status = response.status

    def close(self) -> None:
        self.response.close()
        self.connection.close()


def connect(host: Host) -> http.client.HTTPConnection:
    """Connect to the one address of `host` that was looked at.

    Raises:
        Refused: its address is not allowed.
        OSError: nobody answers there, or its certificate is not its own.
    """
    plain = socket.create_connection((address_of(host), host.port), timeout=_TIMEOUT)
    connection = http.client.HTTPConnection(host.name, host.port, timeout=_TIMEOUT)
    try:
        is_plain = host.scheme == "http"
        connection.sock = (
            plain if is_plain else ssl.create_default_context().wrap_socket(plain, server_hostname=host.name)
        )
    except BaseException:
        plain.close()
        raise
    return connection


def policy_of(entries: Sequence[str], token: Secret | None) -> Policy:
    """Give the policy for the hosts that a person named; the Hub's token goes to the Hub alone.

    Raises:
        ConfigError: one is no host.
    """
    tokens = {"huggingface.co": token} if token is not None else {}
    return Policy(hosts=tuple(parse(entry) for entry in entries), tokens=tokens)
