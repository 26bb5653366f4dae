"""A package index of this machine's own, with wheels that tests write."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def write_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str], *, requires: Sequence[str] = ()
) -> Path:
    """Write a pure wheel of `files`, with its list of digests."""
    information = f"{name}-{version}.dist-info"
    needed = "".join(f"Requires-Dist: {text}\n" for text in requires)
    members = {
        **files,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},{_digest(text)},{len(text.encode())}\n" for member, text in members.items())
    place = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as archive:
        for member, text in {**members, f"{information}/RECORD": f"{record}{information}/RECORD,,\n"}.items():
            archive.writestr(member, text)
    return place


def _digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@contextmanager
def index(folder: Path) -> Generator[tuple[str, list[str]]]:
    """Serve the files of `folder` as a simple index (PEP 503); gives its address and the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            project = self.path.removeprefix("/simple/").strip("/")
            files = sorted(p.name for p in folder.iterdir() if _project(p.name) == project)
            if self.path.startswith("/simple/") and files:
                self._send("".join(f'<a href="/files/{name}">{name}</a>' for name in files).encode(), "text/html")
            elif (file := folder / self.path.removeprefix("/files/")).is_file():
                self._send(file.read_bytes(), "application/octet-stream")
            else:
                self.send_error(404)

        def _send(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple/", asked
        server.shutdown()
        thread.join()


def _project(file: str) -> str:
    return file.split("-")[0].replace("_", "-").lower()
