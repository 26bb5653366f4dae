"""Load weights in a process of its own and say whether they are finite and were trained at all.

Runs inside the sandbox: `python weights.py /output/model.safetensors`; one line of JSON goes to the report channel.
It is started while the file is still being made: the end of standard input says that it is there.
"""

from __future__ import annotations

import json
import os
import sys

import numpy
from safetensors import safe_open

LISTED = 5
OF_NUMPY = {"F16", "F32", "F64"}
"""Kinds of floating-point numbers that need no torch, whose import takes longer than everything else here."""


def inspect(path):
    """Look at each floating-point tensor: non-finite values, and whether all values are one and the same."""
    bad, constant, matrices, floating = [], 0, 0, 0
    with safe_open(path, framework="np") as file:
        for name in sorted(file.keys()):
            kind = file.get_slice(name).get_dtype()
            if not kind.startswith(("F", "BF")):
                continue
            values = file.get_tensor(name) if kind in OF_NUMPY else widened(path, name)
            if values.size == 0:
                continue
            floating += 1
            if not numpy.isfinite(values).all():
                bad.append(name)
            if values.ndim > 1 and values.size > 1:
                matrices += 1
                constant += bool((values == values.flat[0]).all())
    return {"floating": floating, "bad": len(bad), "named": bad[:LISTED], "matrices": matrices, "constant": constant}


def widened(path, name):
    """Give a tensor of a kind that numpy does not know as one of float32."""
    import torch  # noqa: F401, PLC0415 - safetensors needs it for these kinds only

    with safe_open(path, framework="pt") as file:
        return file.get_tensor(name).float().numpy()


def main():
    """Report on the file named by the first argument."""
    sys.stdin.buffer.read()
    channel = int(os.environ["ML_INTERN_REPORT_FD"])
    with os.fdopen(channel, "w", encoding="utf-8") as report:
        report.write(json.dumps(inspect(sys.argv[1])) + "\n")


main()
