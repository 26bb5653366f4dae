"""Fetch from services for papers: bounded, patient with a busy one, and no credential but one that is given for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeAlias

import httpx

from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.core.version import VERSION
from ml_intern.literature.gate import LONGEST_PAUSE, Gate

USER_AGENT = f"ml-intern/{VERSION} (open-ml-intern; reads single papers, one request in three seconds)"
ATTEMPTS = 3
REDIRECTS = 3
FIRST_PAUSE = 5.0
"""Seconds after the first refusal without a Retry-After; doubled after each further one."""
DEADLINE = 180.0
"""Seconds one body may take, however steadily it drips."""


def checked(base: str, name: str) -> httpx.URL:
    """Read an address that the variable `name` holds.

    Raises:
        ConfigError: it is no http address.
    """
    try:
        url = httpx.URL(base)
    except httpx.InvalidURL as error:
        raise ConfigError(f"{name} is {base!r}: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(f"{name} is {base!r}; give an address that begins with https:// or http://")
    return url


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the parts of arXiv are."""

    api: str
    html: str
    ar5iv: str
    eprint: str
    pdf: str
    is_arxiv: bool

    @classmethod
    def of(cls, base: str | None) -> Endpoints:
        """Give the public addresses, or those below `base`.

        Raises:
            ConfigError: `base` is no http address.
        """
        if base is None:
            site = "https://arxiv.org"
            return cls(
                api="https://export.arxiv.org/api/query",
                html=f"{site}/html",
                ar5iv="https://ar5iv.labs.arxiv.org/html",
                eprint=f"{site}/e-print",
                pdf=f"{site}/pdf",
                is_arxiv=True,
            )
        url = checked(base, "ML_INTERN_ARXIV")
        base = base.rstrip("/")
        return cls(
            api=f"{base}/api/query",
            html=f"{base}/html",
            ar5iv=f"{base}/ar5iv",
            eprint=f"{base}/e-print",
            pdf=f"{base}/pdf",
            is_arxiv=f".{url.host}".endswith(".arxiv.org"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A body that arrived whole."""

    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """There is nothing to have here; `lasting` says that asking again later is useless."""

    reason: str
    lasting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    url: httpx.URL


@dataclass(frozen=True, slots=True, kw_only=True)
class _Again:
    """A passing failure; `pause` is for how long (seconds) the service should be left alone."""

    reason: str
    pause: float
    is_refusal: bool = False


OK, TOO_MANY_REQUESTS, SERVER_ERROR = 200, 429, 500
GONE = frozenset({404, 410})
_Answer: TypeAlias = Fetched | Absent | _Moved | _Again


class Client:
    """The one door to a service; every request passes its gate."""

    def __init__(
        self, gate: Gate, *, clock: Callable[[], float] = time.time, headers: Mapping[str, str] | None = None
    ) -> None:
        self._gate = gate
        self._clock = clock
        self._http = httpx.Client(
            headers={"User-Agent": USER_AGENT, **(headers or {})},
            timeout=httpx.Timeout(30.0, connect=10.0),
            follow_redirects=False,
            # a service of this machine is never behind the proxy of the environment
            mounts={"all://127.0.0.1": None, "all://localhost": None},
        )

    def close(self) -> None:
        """Close connections; safe to call twice."""
        self._http.close()

    def get(self, url: str, *, limit: int, parameters: dict[str, str] | None = None) -> Fetched | Absent:
        """Fetch `url`, at most `limit` bytes of it after decompression.

        Raises:
            ToolError: the service cannot be reached, or asks to wait longer than is worth waiting here.
        """
        place = httpx.URL(url, params=parameters) if parameters else httpx.URL(url)
        for _ in range(REDIRECTS + 1):
            answer = self._insist(place, limit)
            if not isinstance(answer, _Moved):
                return answer
            if (answer.url.scheme, answer.url.netloc) != (place.scheme, place.netloc):
                return Absent(reason=f"it redirects to another host, {answer.url.host!r}", lasting=True)
            place = answer.url
        return Absent(reason=f"it redirects more than {REDIRECTS} times", lasting=True)

    def _insist(self, url: httpx.URL, limit: int) -> Fetched | Absent | _Moved:
        """Ask up to `ATTEMPTS` times; the gate keeps the pauses between them, for every process."""
        answer: _Answer = Absent(reason="", lasting=False)
        for attempt in range(ATTEMPTS):
            answer = self._ask(url, limit, pause=FIRST_PAUSE * 2**attempt)
            if not isinstance(answer, _Again):
                return answer
        assert isinstance(answer, _Again)
        if answer.is_refusal:
            raise self._gate.closed(answer.pause)
        return Absent(reason=f"{answer.reason}, {ATTEMPTS} times", lasting=False)

    def _ask(self, url: httpx.URL, limit: int, *, pause: float) -> _Answer:
        with self._gate.turn() as stay_away:
            try:
                with self._http.stream("GET", url) as response:
                    answer = self._judge(response, limit, pause)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
                raise ToolError(
                    f"{url.host} cannot be reached ({error}); this machine seems to be offline. Papers read before"
                    " stay readable; go on without this one, or say what you would need from it."
                ) from error
            except (httpx.TransportError, httpx.DecodingError) as error:
                answer = _Again(reason=f"the transfer failed ({type(error).__name__})", pause=pause)
            if isinstance(answer, _Again):
                stay_away(answer.pause)
            return answer

    def _judge(self, response: httpx.Response, limit: int, pause: float) -> _Answer:
        status = response.status_code
        if response.has_redirect_location:
            return _moved(response)
        if status == TOO_MANY_REQUESTS or status >= SERVER_ERROR:
            asked = self._retry_after(response.headers.get("retry-after", ""))
            return _Again(
                reason=f"the service answers {status}",
                pause=pause if asked is None else asked,
                is_refusal=status == TOO_MANY_REQUESTS or asked is not None,
            )
        if status != OK:
            return Absent(reason=f"the service answers {status}", lasting=status in GONE)
        return _receive(response, limit, pause)

    def _retry_after(self, text: str) -> float | None:
        """Give the seconds that a Retry-After header asks for: a number or a date (RFC 9110 §10.2.3)."""
        if text.strip().isdecimal():
            return min(float(text), LONGEST_PAUSE)
        try:
            seconds = parsedate_to_datetime(text).timestamp() - self._clock()
        except ValueError:
            return None
        return min(max(seconds, 0.0), LONGEST_PAUSE)


def _moved(response: httpx.Response) -> _Moved | Absent:
    try:
        return _Moved(url=response.url.join(response.headers["location"]))
    except httpx.InvalidURL:
        return Absent(reason="it redirects to no valid address", lasting=True)


def _receive(response: httpx.Response, limit: int, pause: float) -> Fetched | Absent | _Again:
    deadline = time.monotonic() + DEADLINE
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > limit:
            return Absent(reason=f"it is larger than {limit / 1e6:.0f} MB", lasting=True)
        if time.monotonic() > deadline:
            return _Again(reason=f"it did not arrive within {DEADLINE:.0f} s", pause=pause)
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Fetched(body=bytes(body), media_type=media_type)
