"""Load weights in a process of its own and say whether they are finite and were trained at all.

Runs inside the sandbox: `python weights.py /output/model.safetensors`; one line of JSON goes to the report channel.
"""

from __future__ import annotations

import json
import os
import sys

import torch
from safetensors import safe_open

LISTED = 5


def inspect(path):
    """Look at each floating-point tensor: non-finite values, and whether all values are one and the same."""
    bad, constant, matrices, floating = [], 0, 0, 0
    with safe_open(path, framework="pt") as file:
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            if not tensor.is_floating_point() or tensor.numel() == 0:
                continue
            floating += 1
            tensor = tensor.float()
            if not bool(torch.isfinite(tensor).all()):
                bad.append(name)
            if tensor.dim() > 1 and tensor.numel() > 1:
                matrices += 1
                constant += bool((tensor == tensor.flatten()[0]).all())
    return {"floating": floating, "bad": len(bad), "named": bad[:LISTED], "matrices": matrices, "constant": constant}


def main():
    """Report on the file named by the first argument."""
    channel = int(os.environ["ML_INTERN_REPORT_FD"])
    with os.fdopen(channel, "w", encoding="utf-8") as report:
        report.write(json.dumps(inspect(sys.argv[1])) + "\n")


main()
