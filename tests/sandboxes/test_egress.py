"""The egress gateway lets GET and HEAD to named hosts through, and nothing else; the upstream is a loopback server."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from ml_intern.cli import main
from ml_intern.config import Secret
from ml_intern.core.errors import ConfigError
from ml_intern.core.events import ToolFinished
from ml_intern.core.sandbox import Mount, SandboxBackend, SandboxSpec
from ml_intern.journal.sqlite import SqliteJournal
from ml_intern.sandboxes.connected import Connected
from ml_intern.sandboxes.egress import SOCKET, Gateway, Host, Policy, Refused, address_of, parse, policy_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Upstream(BaseHTTPRequestHandler):
    """A small Hub: a file behind a redirect, a redirect that leads away, and what was asked of it."""

    asked: ClassVar[list[tuple[str, str, dict[str, str]]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.command, self.path, dict(self.headers)))
        moved = {"/away": "http://127.0.0.1:9/x", "/m/resolve/main/config.json": "/stored", "/round": "/round"}
        if (place := moved.get(self.path.partition("?")[0].replace(COMMIT, "main"))) is not None:
            self.send_response(302)
            self.send_header("Location", place)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Etag", '"abc"')
            self.send_header("X-Linked-Size", "8")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = b"x" * 5000 if self.path == "/large" else b'{"a": 1}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "a=b")
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_HEAD = do_POST = do_GET  # noqa: N815 - names of the base class

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def upstream() -> Iterator[str]:
    Upstream.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def gateway(upstream: str, tmp_path: Path) -> Iterator[Gateway]:
    policy = replace(policy_of([f"http://{upstream}", "localhost"], None), largest=4096)
    gateway = Gateway(tmp_path / ("a" * 90) / "egress", policy, tmp_path / "egress.jsonl")
    gateway.start()
    yield gateway
    gateway.close()
    gateway.close()


def ask(
    tmp_path: Path, method: str, host: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[int, str, dict[str, str]]:
    """Speak HTTP over the socket, as the inside does; gives status, body and headers."""
    connection = http.client.HTTPConnection(host)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = tmp_path / ("a" * 90) / "egress"
    short = tmp_path / "s"
    short.unlink(missing_ok=True)
    short.symlink_to(folder)
    connection.sock.connect(str(short / SOCKET))
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text.strip(), {name.lower(): value for name, value in answer.getheaders()}


def test_a_named_host_is_read_and_each_request_is_a_line(gateway: Gateway, upstream: str, tmp_path: Path) -> None:
    given = {"Authorization": "Bearer mine", "Cookie": "c=d", "Range": "bytes=0-3"}

    status, text, headers = ask(tmp_path, "GET", upstream, "/data?a=b", given)

    line = json.loads((tmp_path / "egress.jsonl").read_text("utf-8"))
    seen = Upstream.asked[0][2]
    assert (status, text, "set-cookie" in headers) == (200, '{"a": 1}', False)
    assert {name: seen.get(name) for name in ("Authorization", "Cookie", "Range")} == {
        "Authorization": None,
        "Cookie": None,
        "Range": "bytes=0-3",
    }
    assert {name: line[name] for name in ("method", "host", "path", "status", "size")} == {
        "method": "GET",
        "host": upstream,
        "path": "/data?a=b",
        "status": 200,
        "size": 8,
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "CONNECT", "OPTIONS"])
def test_nothing_but_get_and_head_passes(gateway: Gateway, upstream: str, tmp_path: Path, method: str) -> None:
    status, text, _ = ask(tmp_path, method, upstream, "/")

    assert (status, text) == (405, "only GET and HEAD pass")
    assert Upstream.asked == []


@pytest.mark.parametrize(
    ("host", "path", "status", "says"),
    [
        ("example.com", "/", 403, "example.com is not allowed"),
        ("127.0.0.1:9", "/", 403, "is not allowed"),
        ("localhost", "/", 403, "not public"),
        ("UPSTREAM", "/away", 403, "127.0.0.1:9 is not allowed"),
        ("UPSTREAM", "/round", 502, "more than 5 redirects"),
        ("UPSTREAM", "/large", 502, "5000 bytes"),
        ("UPSTREAM", "/?" + "d" * 3000, 400, "1 to 2048 characters"),
        ("UPSTREAM", "http://127.0.0.1:9/", 400, "begins with /"),
    ],
)
def test_what_is_not_allowed_says_why(
    gateway: Gateway, upstream: str, tmp_path: Path, host: str, path: str, status: int, says: str
) -> None:
    found = ask(tmp_path, "GET", host.replace("UPSTREAM", upstream), path)

    assert (found[0], says in found[1]) == (status, True), found
    assert json.loads((tmp_path / "egress.jsonl").read_text("utf-8"))["refused"] == found[1]


def test_a_request_with_a_body_is_refused(gateway: Gateway, upstream: str, tmp_path: Path) -> None:
    for header in ({"Content-Length": "9"}, {"Transfer-Encoding": "chunked"}):
        assert ask(tmp_path, "GET", upstream, "/", header)[:2] == (400, "a request has no body")


def test_what_a_redirect_said_of_a_file_comes_with_the_file(gateway: Gateway, upstream: str, tmp_path: Path) -> None:
    status, text, headers = ask(tmp_path, "GET", upstream, "/m/resolve/main/config.json")

    assert (status, text, headers["x-repo-commit"]) == (200, '{"a": 1}', COMMIT)


def test_the_bytes_of_all_answers_are_bounded(upstream: str, tmp_path: Path) -> None:
    policy = Policy(hosts=(parse(f"http://{upstream}"),), in_all=10)
    gateway = Gateway(tmp_path / ("a" * 90) / "egress", policy, tmp_path / "egress.jsonl")
    gateway.start()

    first = ask(tmp_path, "GET", upstream, "/")
    with pytest.raises(http.client.IncompleteRead):
        ask(tmp_path, "GET", upstream, "/")
    gateway.close()

    assert first[0] == 200


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("HuggingFace.co", Host(scheme="https", name="huggingface.co", port=443, allows_private=False)),
        ("https://a.b:8443/", Host(scheme="https", name="a.b", port=8443, allows_private=True)),
        ("http://10.0.0.1:80", Host(scheme="http", name="10.0.0.1", port=80, allows_private=True)),
    ],
)
def test_hosts_are_read(entry: str, host: Host) -> None:
    assert parse(entry) == host


@pytest.mark.parametrize("entry", ["", "*", "*.com", "a/b", "https://u@a.b", "a:0", "a:99999", "ftp://a", "a b"])
def test_what_is_no_host_is_an_error_of_the_person(entry: str) -> None:
    with pytest.raises(ConfigError, match="is no host"):
        parse(entry)


@pytest.mark.parametrize("name", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "localhost"])
def test_addresses_that_are_not_public_need_a_port(name: str) -> None:
    with pytest.raises(Refused, match="not public"):
        address_of(parse(name))


def test_the_token_is_for_the_hub_alone() -> None:
    policy = policy_of(["huggingface.co", "example.com"], Secret("hf_secret"))

    assert [*policy.tokens] == ["huggingface.co"]
    assert "hf_secret" not in repr(policy)


CLIENTS = {
    "urllib": "import urllib.request\nurllib.request.urlopen('https://UPSTREAM/data').read()",
    "httpx2": "import httpx2\nhttpx2.get('http://UPSTREAM/data').content",
}


@pytest.mark.sandbox
def test_real_clients_inside_read_through_the_gateway_and_cannot_write(
    gateway: Gateway, upstream: str, backend: SandboxBackend, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("workspace", "guard")]
    for folder in folders:
        folder.mkdir()
    spec = SandboxSpec(
        run="egress",
        mounts=(
            Mount(source=folders[0], target="/workspace", writable=True),
            Mount(source=folders[1], target="/opt/ml-intern/guard"),
        ),
    )
    sandbox = Connected(backend, tmp_path / ("a" * 90) / "egress").open(spec)

    def run(code: str) -> str:
        done = sandbox.execute(code.replace("UPSTREAM", upstream), timeout=120, on_output=lambda text: None)
        return done.value or done.error or ""

    read = {name: run(code) for name, code in CLIENTS.items()}
    hub = run(
        "import os\nos.environ['HF_ENDPOINT'] = 'https://UPSTREAM'\n"
        "from huggingface_hub import hf_hub_download\nopen(hf_hub_download('m', 'config.json')).read()"
    )
    posted = run("import urllib.request\nurllib.request.urlopen('http://UPSTREAM/', data=b'out')")
    elsewhere = run("import urllib.request\nurllib.request.urlopen('https://example.com/')")
    direct = run("import socket\nsocket.socket(socket.AF_INET)")
    sandbox.close()

    assert read == dict.fromkeys(CLIENTS, "b'{\"a\": 1}'")
    assert hub == "'{\"a\": 1}'"
    assert "405" in posted
    assert "403" in elsewhere
    assert "PermissionError" in direct
    assert {method for method, _, _ in Upstream.asked} <= {"GET", "HEAD"}


@pytest.mark.parametrize(
    "sandbox", [pytest.param("namespaces", marks=pytest.mark.sandbox), pytest.param("docker", marks=pytest.mark.docker)]
)
def test_a_run_reads_from_the_hosts_that_the_person_named_and_its_folder_keeps_what_was_asked(
    upstream: str, sandbox: str, sandbox_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM", upstream)
    monkeypatch.setenv("ML_INTERN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ML_INTERN_SANDBOX_PYTHON", str(sandbox_python))
    tmp_path.chmod(0o755)
    brain = ("--model", "cli.scripts:reads_from_hosts", "--tool", "ml_intern.tools:PyTorchExecutor", "--json")

    status = main(["run", "Read it.", *brain, "--sandbox", sandbox, "--egress", f"http://{upstream}"])

    (folder,) = (tmp_path / "home" / "runs").iterdir()
    lines = [json.loads(line) for line in (folder / "egress.jsonl").read_text("utf-8").splitlines()]
    with SqliteJournal(folder / "run.db", writer=False) as journal:
        seen = [record.event.observation.text for record in journal if isinstance(record.event, ToolFinished)]
    assert status == 0
    assert [(line["method"], line["host"], line["status"]) for line in lines] == [
        ("GET", upstream, 200),
        ("POST", upstream, 405),
        ("GET", "example.com", 403),
    ]
    assert seen[1].endswith("→ b'{\"a\": 1}'")
    assert "only GET and HEAD pass" in seen[2]
    assert "example.com is not allowed" in seen[3]
    assert [method for method, _, _ in Upstream.asked] == ["GET"]
