"""Measure how far weights lie from other files of weights; none of the candidate's code runs here."""

from __future__ import annotations

import json
import math
import os
import sys

from safetensors import safe_open


def main() -> None:
    """Answer the request on standard input with one line: a relative change for each file."""
    request = json.load(sys.stdin)
    changes = [_change(request["own"], file, pairs) for file, pairs in request["others"]]
    with os.fdopen(int(os.environ["ML_INTERN_REPORT_FD"]), "w", encoding="utf-8") as stream:
        stream.write(json.dumps({"changes": changes}) + "\n")


def _change(own: str, other: str, pairs: list[list[str]]) -> float:
    """Give the norm of the difference over that of `other`, over pairs of tensors of equal shapes."""
    change = size = 0.0
    with safe_open(own, "pt") as tuned, safe_open(other, "pt") as base:
        for name, of_base in pairs:
            was = base.get_tensor(of_base).double()
            change += float(((tuned.get_tensor(name).double() - was) ** 2).sum())
            size += float((was**2).sum())
    ratio = math.sqrt(change / size) if size > 0 else math.sqrt(change)
    return ratio if math.isfinite(ratio) else 1e300


if __name__ == "__main__":
    main()
