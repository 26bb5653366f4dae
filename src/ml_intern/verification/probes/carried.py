"""Read errors that only carry another one: of a loader's worker, a replica, a spawned process, a compiled graph."""

from __future__ import annotations

import re
from collections.abc import Callable

from probes.describing import crop

BEGIN, END = "[explained there]\n", "[end]\n"
"""Around an explanation that a worker process adds to the text of its error."""

_CAUSES = (
    re.compile(r"(?s)Original Traceback .*\n(\w[\w.]*(?:Error|Exception|Interrupt)[^\n]*)"),
    re.compile(r"(?s)-- Process \d+ terminated .*\n(\w[\w.]*(?:Error|Exception|Interrupt|Diverged)[^\n]*)"),
    re.compile(r"""got (\w*(?:Error|Exception)\(.*?\))\n"""),
)
_FAKE = re.compile(r"FakeTensor\(\.\.\., (?:device='(\w+)', )?size=\(([^)]*)\)(?:, dtype=torch\.(\w+))?")
"""How a compiler writes the operands of an operation that failed while it was traced."""


def explanation(error: BaseException) -> str:
    """Give what the process where it happened said of it, or an empty text."""
    _, begun, rest = text_of(error).rpartition(BEGIN)
    return rest.partition(END)[0].rstrip() if begun else ""


def cause(error: BaseException) -> str:
    """Give type and message of the error behind this one, or an empty text where it stands for itself."""
    found = [match[1] for pattern in _CAUSES if (match := pattern.search(text_of(error)))]
    return found[0] if found else ""


def place(error: BaseException, is_own: Callable[[str], bool], shown: Callable[[str], str]) -> list[str]:
    """Give the last line of the candidate in the text, and the operands that a compiler met there."""
    text = text_of(error)
    places = re.findall(r'File "([^"]+)", line (\d+), in (\S+)\n\s*([^\n]*)', text)
    own = [entry for entry in places if is_own(entry[0])]
    if not own:
        return []
    file, line, function, code = own[-1]
    lines = [crop(f"there at {shown(file)}:{line} in {function}: {code.strip()}", 200)]
    if operands := [_fake(match) for match in _FAKE.finditer(text.partition("from user code")[0])]:
        lines.append(crop(f"operands there: {', '.join(operands)}", 170))
    return lines


def _fake(match: re.Match[str]) -> str:
    sizes = ", ".join(size.strip() for size in match[2].split(",") if size.strip())
    return f"{match[3] or 'float32'}[{sizes}]{f' on {match[1]}' if match[1] not in {None, 'cpu'} else ''}"


def text_of(error: BaseException) -> str:
    """Give the message as torch wrote it; messages of the candidate's own classes are not asked for."""
    known = type(error).__module__ == "builtins" or type(error).__module__.startswith("torch.")
    return "\n".join(value for value in error.args if type(value) is str) + "\n" if known else ""
