"""Answer one question from the index: `python -I answer.py`, a request as JSON on stdin, a report of one line.

The request has `question`, `limit`, `page`; and, of packages that a run added, the folder `unpacked` and the place of
their `index`, which is built where it is missing; both may be null. A question that is the dotted name of an entry
gives that entry, else the entries that fit best. `built` says whether the environment has an index.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # -I leaves it out

from lookup import Index, Row

OWN = Path(sys.prefix) / "share" / "ml-intern" / "docs.sqlite"
"""Where the environment and the image keep the index of their packages."""
_PAGE = 5_000
"""Characters of one page of an entry."""
_SHOWN_SIGNATURE, _MOST_MEMBERS = 700, 120
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.\w+)*")


def answer(request: dict[str, object]) -> dict[str, object]:
    """Give `built`, and either `entry` with its page or `hits`."""
    layer = Path(str(request["index"])) if request["index"] else None
    if layer is not None and not layer.exists():
        from build import build  # noqa: PLC0415 - loads what only building needs

        build(layer, Path(str(request["unpacked"])))
    places = [place for place in (OWN, layer) if place is not None and place.exists()]
    question, limit, page = str(request["question"]).strip(), int(str(request["limit"])), int(str(request["page"]))
    report: dict[str, object] = {"built": OWN.exists(), "entry": None, "hits": []}
    found_in: list[list[Row]] = []
    for place in places:
        with closing(Index(place)) as index:
            if _DOTTED.fullmatch(question) and (found := index.entry(question)) is not None:
                return {**report, "entry": _whole(found, question, index, page)}
            found_in.append(index.search(question, limit))
    # scores of two indexes cannot be compared, so that the best of each come first
    hits = [row for rank in zip_longest(*found_in) for row in rank if row is not None]
    return {**report, "hits": [_short(row) for row in hits[:limit]]}


def _short(row: Row) -> dict[str, object]:
    signature = row.signature
    if len(signature) > _SHOWN_SIGNATURE:
        signature = f"{signature[:_SHOWN_SIGNATURE]}…"
    return {**_place(row), "signature": signature, "text": row.summary}


def _whole(row: Row, asked: str, index: Index, page: int) -> dict[str, object]:
    members = index.members(row.name) if row.kind in {"module", "class"} else []
    more = f" and {len(members) - _MOST_MEMBERS} more" if len(members) > _MOST_MEMBERS else ""
    parts = [
        row.doc or "(no documentation)",
        f"Inherits from {', '.join(row.bases)}." if row.bases else "",
        f"Has: {', '.join(members[:_MOST_MEMBERS])}{more}" if members else "",
    ]
    text = "\n\n".join(filter(None, parts))
    pages = [text[start : start + _PAGE] for start in range(0, len(text), _PAGE)]
    number = min(page, len(pages))
    shown = {"signature": row.signature, "text": pages[number - 1], "page": number, "pages": len(pages)}
    return {**_place(row), **shown, "asked": asked}


def _place(row: Row) -> dict[str, object]:
    return {
        "name": row.name,
        "kind": row.kind,
        "package": row.package,
        "version": row.version,
        "file": row.file,
        "line": row.line,
    }


if __name__ == "__main__":
    told = json.dumps(answer(json.load(sys.stdin)))
    os.write(int(os.environ["ML_INTERN_REPORT_FD"]), told.encode() + b"\n")
