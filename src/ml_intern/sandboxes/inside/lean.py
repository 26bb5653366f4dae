"""JSON by the C parts of the module `json` alone: its import brings regular expressions and is a tenth of a start.

Takes and gives what `json.loads` and `json.dumps` do with their usual settings. A Python that lacks these parts, or has
them otherwise, gets `json` itself.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    from typing import Any, NoReturn


class _Usual:
    """The settings that the scanner asks for."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} is not JSON")


try:
    from _json import encode_basestring_ascii, make_encoder, make_scanner

    _scan = make_scanner(_Usual)
    _encode = make_encoder(None, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, True)
except (ImportError, TypeError, AttributeError):
    from json import dumps, loads
else:

    def loads(text: str | bytes) -> Any:
        """Read one value.

        Raises:
            ValueError: it is none, or too deep.
        """
        text = (text if isinstance(text, str) else text.decode()).strip(" \t\n\r")
        try:
            value, end = _scan(text, 0)
        except (StopIteration, SystemError) as error:  # the scanner finds its own error in `json.decoder` only
            raise ValueError("no JSON") from error
        except RecursionError as error:
            raise ValueError("JSON that is too deep") from error
        if end != len(text):
            raise ValueError("something stands after the JSON")
        return value

    def dumps(value: object) -> str:
        """Write one value.

        Raises:
            TypeError: it holds what JSON has no form for.
        """
        return "".join(_encode(value, 0))
