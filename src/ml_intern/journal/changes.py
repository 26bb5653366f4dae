"""Say how two snapshots differ, as a unified diff where both contents are text."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ml_intern.journal.tree import Kept, Tree

Kind: TypeAlias = Literal["added", "removed", "changed"]

_LONGEST = 1 << 20
"""Bytes of a file that is compared line by line."""
_MOST_LINES = 4_000
"""Lines of a file that is compared with another: the time grows with the product."""
_NOTHING = "/dev/null"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of one name. `lines` are those of a unified diff, or one that says sizes and digests."""

    name: str
    kind: Kind
    lines: tuple[str, ...]


def changes(before: Tree, after: Tree, content: Callable[[str], bytes]) -> Iterator[Change]:
    """Give what differs, in the order of names.

    Args:
        before: the older tree.
        after: the newer tree.
        content: gives the bytes that have a SHA-256.
    """
    for name in sorted({*before.files, *after.files, *before.links, *after.links}):
        old, new = _of(before, name), _of(after, name)
        if old != new:
            yield Change(name=name, kind=_kind(old, new), lines=tuple(_lines(name, old, new, content)))


def _of(tree: Tree, name: str) -> Kept | str | None:
    return tree.files.get(name) or tree.links.get(name)


def _kind(old: Kept | str | None, new: Kept | str | None) -> Kind:
    return "added" if old is None else "removed" if new is None else "changed"


def _lines(name: str, old: Kept | str | None, new: Kept | str | None, content: Callable[[str], bytes]) -> Iterator[str]:
    was, now = _text(old, content), _text(new, content)
    if was is None or now is None or not _comparable(was, now):
        yield f"{name}: {_described(old)} → {_described(new)}"
        return
    first, second = _NOTHING if old is None else f"a/{name}", _NOTHING if new is None else f"b/{name}"
    if was == now:
        yield f"{name}: {_described(old)} → {_described(new)}"
    elif not was or not now:
        yield from _whole(first, second, was, now)
    else:
        yield from difflib.unified_diff(was, now, first, second, lineterm="")


def _whole(first: str, second: str, was: list[str], now: list[str]) -> Iterator[str]:
    """Write a diff with an empty side, of any length."""
    sign, lines = ("+", now) if now else ("-", was)
    yield f"--- {first}"
    yield f"+++ {second}"
    yield f"@@ -{_range(was)} +{_range(now)} @@"
    yield from (f"{sign}{line}" for line in lines)


def _range(lines: list[str]) -> str:
    return f"{1 if lines else 0},{len(lines)}"


def _comparable(was: list[str], now: list[str]) -> bool:
    return not was or not now or max(len(was), len(now)) <= _MOST_LINES


def _text(kept: Kept | str | None, content: Callable[[str], bytes]) -> list[str] | None:
    """Give the lines, or None for what is no text."""
    if kept is None:
        return []
    if isinstance(kept, str) or kept.size > _LONGEST:
        return None
    data = content(kept.digest)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    # not splitlines: a form feed or a line separator is part of a line
    return None if "\0" in text else text.removesuffix("\n").split("\n") if text else []


def _described(kept: Kept | str | None) -> str:
    match kept:
        case None:
            return "nothing"
        case str(target):
            return f"link to {target}"
        case Kept(digest=digest, size=size, executable=executable):
            return f"{size:,} bytes {digest[:12]}{', executable' if executable else ''}"
