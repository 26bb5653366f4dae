"""The small JSON of a start says what the library's does."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from typing import Any, cast

import pytest

from ml_intern.sandboxes.layout import SCRIPTS


@pytest.fixture(scope="module")
def lean() -> dict[str, Callable[[Any], Any]]:
    return cast("dict[str, Callable[[Any], Any]]", runpy.run_path(str(SCRIPTS / "lean.py")))


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -2.5e300, None, True, ""], "b": {}, "": (1, 2)},
        "é\ud800\n\x00\u2028",
        float("inf"),
        10**400,
        [],
        {3: "three"},
    ],
)
def test_what_is_written_and_read_is_what_json_writes_and_reads(
    lean: dict[str, Callable[[Any], Any]], value: object
) -> None:
    text = lean["dumps"](value)

    assert text == json.dumps(value)
    assert lean["loads"](f" {text}\n".encode()) == lean["loads"](bytearray(text.encode())) == json.loads(text)


@pytest.mark.parametrize("text", ["", "{", '{"a"', "[1,]", '"open', "word", "1 2", "[" * 100_000, b"\xff", "9" * 5000])
def test_what_is_no_json_is_an_error_of_value(lean: dict[str, Callable[[Any], Any]], text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        lean["loads"](text)


def test_what_json_has_no_form_for_is_refused(lean: dict[str, Callable[[Any], Any]]) -> None:
    with pytest.raises(TypeError, match="set is not JSON"):
        lean["dumps"]([{1}])
