from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from literature.arxiv_server import Answer, ArXiv, bomb
from literature.virtual_time import VirtualTime
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.literature.client import USER_AGENT, Absent, Client, Endpoints, Fetched
from ml_intern.literature.gate import Gate


@pytest.fixture
def client(tmp_path: Path, time: VirtualTime) -> Iterator[Client]:
    client = Client(Gate(tmp_path, clock=time.clock, sleep=time.sleep), clock=time.clock)
    yield client
    client.close()
    client.close()


def test_a_refusal_for_a_while_is_waited_for_and_then_answered(client: Client, arxiv: ArXiv, time: VirtualTime) -> None:
    arxiv.files["/html/x"] = b"here"
    arxiv.fail("/html/x", Answer(status=429, headers={"Retry-After": "20"}))

    answer = client.get(f"{arxiv.base}/html/x", limit=100)

    assert answer == Fetched(body=b"here", media_type="")
    assert time.slept == [20.0]


def test_without_a_wish_of_the_service_the_pauses_grow(client: Client, arxiv: ArXiv, time: VirtualTime) -> None:
    arxiv.files["/html/x"] = b"here"
    arxiv.fail("/html/x", Answer(status=429), Answer(status=502))

    client.get(f"{arxiv.base}/html/x", limit=100)

    assert time.slept == [5.0, 10.0]


def test_a_date_is_understood_as_a_time_to_come_again(client: Client, arxiv: ArXiv, time: VirtualTime) -> None:
    arxiv.files["/html/x"] = b"here"
    arxiv.fail("/html/x", Answer(status=503, headers={"Retry-After": "Fri, 15 Jan 2027 08:00:30 GMT"}))

    client.get(f"{arxiv.base}/html/x", limit=100)

    assert time.slept == [30.0]


@pytest.mark.parametrize("wish", ["300", "9" * 400])
def test_a_long_refusal_is_told_with_the_time_and_nothing_more_is_sent(client: Client, arxiv: ArXiv, wish: str) -> None:
    arxiv.fail("/html/x", Answer(status=429, headers={"Retry-After": wish}))

    for _ in range(2):
        with pytest.raises(ToolError, match=r"Try again after \d\d:\d\d:\d\d UTC"):
            client.get(f"{arxiv.base}/html/x", limit=100)
    assert arxiv.paths == ["/html/x"]


def test_a_service_that_keeps_refusing_is_left_alone_after_three_attempts(client: Client, arxiv: ArXiv) -> None:
    arxiv.fail("/html/x", *[Answer(status=429, headers={"Retry-After": "1"})] * 9)

    with pytest.raises(ToolError, match="Try again after"):
        client.get(f"{arxiv.base}/html/x", limit=100)
    assert len(arxiv.asked) == 3


def test_a_service_that_keeps_failing_gives_nothing_for_now(client: Client, arxiv: ArXiv) -> None:
    arxiv.fail("/html/x", *[Answer(status=500)] * 3)

    answer = client.get(f"{arxiv.base}/html/x", limit=100)

    assert answer == Absent(reason="the service answers 500, 3 times", lasting=False)


def test_what_is_not_there_is_not_asked_for_again(client: Client, arxiv: ArXiv) -> None:
    answer = client.get(f"{arxiv.base}/html/x", limit=100)

    assert answer == Absent(reason="the service answers 404", lasting=True)
    assert len(arxiv.asked) == 1


@pytest.mark.parametrize("answer", [Answer(body=bytes(3_000_000)), bomb(50_000_000)])
def test_a_body_over_the_limit_is_refused_also_when_it_was_small_on_the_wire(
    client: Client, arxiv: ArXiv, answer: Answer
) -> None:
    arxiv.fail("/html/x", answer)

    assert client.get(f"{arxiv.base}/html/x", limit=2_000_000) == Absent(reason="it is larger than 2 MB", lasting=True)


def test_a_broken_transfer_is_tried_again(client: Client, arxiv: ArXiv) -> None:
    arxiv.files["/html/x"] = b"here"
    arxiv.fail("/html/x", Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"}))

    assert client.get(f"{arxiv.base}/html/x", limit=100) == Fetched(body=b"here", media_type="")


def test_a_redirect_within_the_host_is_followed_through_the_gate(
    client: Client, arxiv: ArXiv, time: VirtualTime
) -> None:
    arxiv.files["/pdf/x"] = b"here"
    arxiv.fail("/pdf/x.pdf", Answer(status=301, headers={"Location": "/pdf/x"}))

    assert client.get(f"{arxiv.base}/pdf/x.pdf", limit=100) == Fetched(body=b"here", media_type="")
    assert time.slept == [3.1]


@pytest.mark.parametrize("target", ["http://127.0.0.1:9/pdf/x", "https://example.com/x", "file:///etc/passwd"])
def test_a_redirect_to_another_host_is_not_followed(client: Client, arxiv: ArXiv, target: str) -> None:
    arxiv.fail("/pdf/x", Answer(status=302, headers={"Location": target}))

    answer = client.get(f"{arxiv.base}/pdf/x", limit=100)

    assert isinstance(answer, Absent)
    assert "another host" in answer.reason


def test_redirects_in_a_circle_end(client: Client, arxiv: ArXiv) -> None:
    arxiv.fail("/pdf/x", *[Answer(status=302, headers={"Location": "/pdf/x"})] * 9)

    assert client.get(f"{arxiv.base}/pdf/x", limit=100) == Absent(reason="it redirects more than 3 times", lasting=True)


def test_an_unreachable_service_is_said_to_be_unreachable(client: Client, arxiv: ArXiv) -> None:
    nobody = arxiv.base.rpartition(":")[0] + ":1"

    with pytest.raises(ToolError, match="seems to be offline"):
        client.get(f"{nobody}/html/x", limit=100)


def test_a_request_says_who_asks_and_carries_no_credential(
    client: Client, arxiv: ArXiv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    arxiv.fail("/html/x", Answer(headers={"Set-Cookie": "seen=1"}))
    client.get(f"{arxiv.base}/html/x", limit=100)

    sent = arxiv.headers[0]

    assert sent["User-Agent"] == USER_AGENT
    assert {name.lower() for name in sent} == {"host", "accept", "accept-encoding", "connection", "user-agent"}
    assert "hf_secret" not in str(sent)


def test_the_public_addresses_are_used_unless_another_is_set() -> None:
    public, own = Endpoints.of(None), Endpoints.of("http://127.0.0.1:8000/")

    assert (public.api, public.html) == ("https://export.arxiv.org/api/query", "https://arxiv.org/html")
    assert (own.api, own.pdf) == ("http://127.0.0.1:8000/api/query", "http://127.0.0.1:8000/pdf")


@pytest.mark.parametrize(
    ("base", "is_arxiv"),
    [(None, True), ("https://arxiv.org", True), ("https://export.arxiv.org", True), ("http://notarxiv.org", False)],
)
def test_the_hosts_of_arxiv_are_known_by_name(base: str | None, is_arxiv: bool) -> None:
    assert Endpoints.of(base).is_arxiv is is_arxiv


@pytest.mark.parametrize("base", ["arxiv.org", "file:///tmp", "http://", "http://host:port"])
def test_an_address_that_is_none_is_for_the_person_to_mend(base: str) -> None:
    with pytest.raises(ConfigError, match="ML_INTERN_ARXIV"):
        Endpoints.of(base)
