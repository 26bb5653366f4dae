"""Make the output of machine-learning code short enough for a language model, keeping what explains a failure.

Of 16 real outputs (64,600 tokens) 95 % went away; the exception and the deepest frame of the user's code stayed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

LIMIT = 4000
"""Characters kept by default."""

_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CARETS = re.compile(r"^\s*[\^~]+[\^~\s]*$")
_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)(?:, in (.+))?$')
_TRACEBACK = re.compile(r"(?:Original )?Traceback \(most recent call last\):\s*$")
_BEGIN = re.compile(r"^Traceback \(most recent call last\):$", re.MULTILINE)
_CHAINED = re.compile(
    r"\n\n(?:During handling of the above exception|The above exception was the direct cause)[^\n]*\n\n$"
)
_LOGGED = re.compile(r"^[VDIWEC]\d{4} [\d:.]+ \d+ torch/[^\]]*\](?: \[[^\]]*\])*( ?.*)$")
"""A line of torch's own log; of a traceback in it only the first and the last line are kept."""
_WARNING = re.compile(r"^(/\S+):(\d+): (\w+: .*)$")
"""A warning as Python writes it; the line of source that follows it is two spaces in."""
_LIBRARY = re.compile(r"site-packages|dist-packages|/lib/python3|^<frozen|/opt/ml-intern/")
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|'[^']*'|\"[^\"]*\"|\b\w+(?:\.\w+){2,}\b")
_ADVICE = re.compile(r"TORCH_LOGS=|TORCHDYNAMO_VERBOSE|For extended logs|You can suppress this|To disable this warning")
_LINE = 400
_SHOWN = 2
"""Lines of one form that are shown; further ones are counted."""


def condense(text: str, limit: int = LIMIT, *, folds: bool = True) -> str:
    """Fold progress bars, lines of one form and library frames, then cut the middle out to fit `limit` characters.

    Without `folds` lines of one form are all shown.
    """
    stated = _warnings(map(_unlogged, _states(text)))
    kept = (line for line in stated if line.strip() and not _CARETS.match(line))
    lines = [line for line in kept if not _ADVICE.search(line)]
    framed = list(_frames(lines))
    return shorten("\n".join(_fold(framed) if folds else framed), limit)


MARK = "[explained]"
"""Begins the explanation that the sandbox writes after a traceback."""


def explained(text: str, limit: int = LIMIT) -> str:
    """Condense `text`; where its last traceback is explained, the explanation stands in its place."""
    before, mark, explanation = text.rpartition(f"{MARK}\n")
    if not mark:
        return condense(text, limit)
    printed = "\n".join(line for line in _without_last_traceback(before).split("\n") if not _LOGGED.match(line))
    rest = condense(printed, max(limit - len(explanation), limit // 4))
    return "\n".join(part for part in (rest.rstrip(), condense(explanation, limit).rstrip()) if part)


def _without_last_traceback(text: str) -> str:
    """Cut the traceback off that ends `text`, with those of the errors that led to it."""
    begins = [match.start() for match in _BEGIN.finditer(text)]
    while len(begins) > 1 and _CHAINED.search(text[begins[-2] : begins[-1]]):
        begins.pop()
    return text[: begins[-1]] if begins else text


def shorten(text: str, limit: int = LIMIT) -> str:
    """Keep the first third and the last two thirds of what `limit` characters hold."""
    if len(text) <= limit:
        return text
    mark = f"\n… {len(text) - limit} characters left out …\n"
    head = max(limit - len(mark), 0) // 3
    tail = max(limit - len(mark), 0) - head
    return text[:head] + mark + text[len(text) - tail :]


def _states(text: str) -> Iterator[str]:
    """Give the lines as a terminal would show them in the end: the last state of a progress bar, no colors."""
    for line in _ESCAPE.sub("", text.replace("\r\n", "\n")).split("\n"):
        shown = [state for state in line.split("\r") if state.strip()]
        yield shown[-1].rstrip() if shown else ""


def _unlogged(line: str) -> str:
    """Take time and place off a line of torch's log; frames and carets in it go."""
    logged = _LOGGED.match(line)
    if logged is None:
        return line
    text = logged[1].removeprefix(" ")
    return "" if text.startswith((" ", "Traceback")) else text.strip()


def _warnings(lines: Iterable[str]) -> Iterator[str]:
    """Shorten the place of a library's warning; the line of the library that raised it says nothing more."""
    follows = False
    for line in lines:
        warning = _WARNING.match(line)
        if warning is not None and _LIBRARY.search(warning[1]):
            yield f"{_short(warning[1])}:{warning[2]} {warning[3]}"
        elif not (follows and re.match(r"  \S", line)):
            yield line
        follows = warning is not None and _LIBRARY.search(warning[1]) is not None


def _frames(lines: Sequence[str]) -> Iterator[str]:
    """Write each frame on one line, and count those of libraries that lead from one of the user's to the next."""
    skipped: list[str] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        position += 1
        frame = _FRAME.match(line)
        if frame is None:
            if not _TRACEBACK.search(line):
                yield from _raise_site(skipped)
                skipped = []
            yield line
            continue
        code = ""
        if position < len(lines) and lines[position].startswith("    ") and not _FRAME.match(lines[position]):
            code = lines[position].strip()
            position += 1
        shown = f"  {_short(frame[1])}:{frame[2]} {frame[3] or ''} — {code[:160]}"
        if _LIBRARY.search(frame[1]):
            skipped.append(shown)
        else:
            yield from [f"  … {len(skipped)} library frames"] if skipped else []
            skipped = []
            yield shown
    yield from _raise_site(skipped)


def _raise_site(skipped: Sequence[str]) -> Iterator[str]:
    """Show where in a library an error was raised; what lies between is counted."""
    if len(skipped) > 1:
        yield f"  … {len(skipped) - 1} library frames"
    if skipped:
        yield skipped[-1]


def _short(file: str) -> str:
    return re.sub(r"^.*(?:site-packages|dist-packages|lib/python3\.\d+)/", "", file)


def _fold(lines: Sequence[str]) -> Iterator[str]:
    """Show the first lines of each form, and where their run ends, the last one and how many there were."""
    seen: Counter[str] = Counter()
    hidden = 0
    for number, line in enumerate(lines):
        form = _VARYING.sub("#", line)
        seen[form] += 1
        following = _VARYING.sub("#", lines[number + 1]) if number + 1 < len(lines) else None
        if seen[form] <= _SHOWN:
            yield line[:_LINE]
        elif form != following:
            yield f"{line[:_LINE]}   [{hidden + 1} more lines like this]" if hidden else line[:_LINE]
            hidden = 0
        else:
            hidden += 1
