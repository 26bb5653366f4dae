"""What happens when a service does not answer as it should."""

from __future__ import annotations

import socket

import pytest

from llm.conversations import KEY, PROBE, START, Waits, model_at, nobody
from llm.server import Answer, Service
from ml_intern.core.errors import ConfigError, ModelError
from ml_intern.llm import failures
from ml_intern.llm.failures import Failure
from ml_intern.llm.model_name import ModelName, Wire
from ml_intern.llm.providers import ProviderModel

WIRES: tuple[Wire, ...] = ("chat", "responses", "anthropic", "google")
DONE = Answer(text="Done.")
BUSY = Answer(status=429, text="slow down", code="rate_limit_error", headers={"retry-after": "7"})
BROKEN = Answer(status=500, text="oops", code="server_error")
OVERLOADED = Answer(status=529, text="overloaded", code="overloaded_error")


@pytest.mark.parametrize("wire", WIRES)
def test_a_service_that_is_busy_or_broken_is_asked_again_when_it_says_or_later_each_time(wire: Wire) -> None:
    waits = Waits()
    with Service([BUSY, BROKEN, OVERLOADED, DONE]) as service:
        reply = model_at(service, wire, sleep=waits).complete(START, [PROBE], on_text=nobody)

    assert reply.text == "Done."
    assert waits.seconds == [7.0, 4.0, 16.0]
    assert len({asked.body for asked in service.asked}) == 1


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "broken", [Answer(text="The loss is", drop=True), Answer(text="The loss is", finish=None)], ids=["drop", "no end"]
)
def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(wire: Wire, broken: Answer) -> None:
    heard: list[str] = []
    with Service([broken, DONE]) as service:
        reply = model_at(service, wire).complete(START, [PROBE], on_text=heard.append)

    assert reply.text == "Done."
    assert "".join(heard) == "The loss is\n[the answer broke off; asking again]\nDone."


def test_whoever_reads_along_is_told_once_for_each_answer_that_broke_off() -> None:
    heard: list[str] = []
    with Service([Answer(text="The", drop=True), BROKEN, DONE]) as service:
        model_at(service).complete(START, [PROBE], on_text=heard.append)

    assert "".join(heard) == "The\n[the answer broke off; asking again]\nDone."


def test_an_error_in_the_middle_of_a_stream_is_an_error() -> None:
    with Service([Answer(text="The", fault="worker died")]) as service, pytest.raises(ModelError, match="worker died"):
        model_at(service).complete(START, [PROBE], on_text=nobody)

    assert len(service.asked) == failures.MAX_TRIES


@pytest.mark.parametrize("wire", WIRES)
def test_tries_are_bounded_and_the_error_says_what_was_said(wire: Wire) -> None:
    with Service([BUSY]) as service, pytest.raises(ModelError) as error:
        model_at(service, wire).complete(START, [PROBE], on_text=nobody)

    assert len(service.asked) == failures.MAX_TRIES
    assert "takes no more requests after 4 tries (HTTP 429): slow down. Resume the run in 7 s" in str(error.value)


def test_a_service_that_asks_to_wait_for_long_ends_the_run_at_once() -> None:
    later = Answer(status=429, text="tomorrow", headers={"retry-after": "3600"})
    waits = Waits()
    with Service([later]) as service, pytest.raises(ModelError, match="Resume the run in 3600 s"):
        model_at(service, sleep=waits).complete(START, [PROBE], on_text=nobody)

    assert (len(service.asked), waits.seconds) == (1, [])


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_concerns_the_person_and_is_not_shown(wire: Wire, status: int) -> None:
    refusal = Answer(status=status, text=f"key {KEY} is wrong", code="authentication_error")
    with Service([refusal]) as service, pytest.raises(ConfigError) as error:
        model_at(service, wire).complete(START, [PROBE], on_text=nobody)

    assert f"refused the key in ML_INTERN_ENDPOINT_KEY (HTTP {status}): key *** is wrong" in str(error.value)
    assert KEY not in str(error.value)
    assert "--model rules" in str(error.value)
    assert len(service.asked) == 1


@pytest.mark.parametrize("wire", WIRES)
def test_an_unknown_model_concerns_the_person(wire: Wire) -> None:
    unknown = Answer(status=404, text="no such model", code="not_found_error")
    with Service([unknown]) as service, pytest.raises(ConfigError, match=r"does not serve '.*' \(HTTP 404\): no such"):
        model_at(service, wire).complete(START, [PROBE], on_text=nobody)


@pytest.mark.parametrize("wire", WIRES)
def test_a_conversation_that_is_too_long_is_named_as_such(wire: Wire) -> None:
    text = "prompt is too long: this model's maximum context length is 4096 tokens"
    answer = Answer(status=400, text=text, code="invalid_request_error")
    with Service([answer]) as service, pytest.raises(ModelError, match=r"conversation is too long for .* 4096 tokens"):
        model_at(service, wire).complete(START, [PROBE], on_text=nobody)

    assert len(service.asked) == 1


@pytest.mark.parametrize("wire", ["chat", "anthropic", "google"])
def test_an_answer_that_the_service_withholds_is_an_error_that_says_so(wire: Wire) -> None:
    withheld = Answer(finish="content_filter")
    with Service([withheld]) as service, pytest.raises(ModelError, match=r"withheld its answer"):
        model_at(service, wire).complete(START, [PROBE], on_text=nobody)

    assert len(service.asked) == 1


def test_a_service_that_is_not_there_is_tried_again_and_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: every connection is refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        name = ModelName(provider="endpoint", model="m", wire="chat", base_url=address)
        waits = Waits()
        with pytest.raises(ModelError, match=f"Check that {address} can be reached"):
            ProviderModel(name, sleep=waits).complete(START, [PROBE], on_text=nobody)

    assert waits.seconds == [1.0, 4.0, 16.0]


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "Invalid 'tools[0].function.name'", "rejected"),
        (400, "API key not valid. Please pass a valid API key.", "key"),
        (400, "Your credit balance is too low", "no_credit"),
        (402, "Payment required", "no_credit"),
        (408, "timeout", "busy"),
        (413, "request too large", "too_long"),
        (422, "unprocessable", "rejected"),
        (429, "You exceeded your current quota, please check your plan", "no_credit"),
        (502, "bad gateway", "broken"),
    ],
)
def test_a_status_is_judged_together_with_its_words(status: int, text: str, kind: failures.Kind) -> None:
    assert failures.kind_of(status, text) == kind


@pytest.mark.parametrize("kind", ["key", "unknown_model", "too_long", "no_credit", "withheld", "rejected"])
def test_what_will_not_pass_is_not_asked_again(kind: failures.Kind) -> None:
    assert failures.pause(Failure(kind=kind, text="no"), tries=1) is None


def test_no_test_of_language_models_reaches_another_machine() -> None:
    with pytest.raises(AssertionError, match=r"looked up the machine 'models\.example\.org'"):
        socket.create_connection(("models.example.org", 80))
    with socket.socket() as outside, pytest.raises(AssertionError, match=r"a test connected to '203\.0\.113\.1'"):
        outside.connect(("203.0.113.1", 80))
