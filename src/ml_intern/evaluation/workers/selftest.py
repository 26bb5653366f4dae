"""Load a published bundle and compare what it computes with the outputs that were stored when it was published."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

import torch
from examine import soundness, tensors_of
from loading import explained, load
from safetensors.torch import load_file

# what a bundle calls its own modules is its business
sys.path.pop()
for own in ("examine", "loading"):
    del sys.modules[own]


def main() -> None:
    """Answer the request on standard input with one line."""
    request = json.load(sys.stdin)
    bundle = Path(request["bundle"])
    descriptor = int(os.environ["ML_INTERN_REPORT_FD"])
    # The code of the bundle is not ours and may raise anything: what nobody catches is reported on its way out.
    sys.excepthook = lambda kind, error, trace: _tell(descriptor, explained(error, bundle))
    figures = soundness(load_file(str(bundle / "model.safetensors")))
    network, _ = load(bundle)
    _tell(descriptor, {**figures, **_compared(network, request["stored"])})


def _tell(descriptor: int, answer: dict) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8", closefd=False) as stream:
        stream.write(json.dumps(answer) + "\n")


def _compared(network: torch.nn.Module, stored: str | None) -> dict[str, float]:
    """Give the largest difference, relative to 1 + the largest expected value; -1 where shapes differ."""
    if stored is None:
        return {}
    tensors = load_file(stored)
    inputs = [tensors[f"input.{n}"] for n in range(sum(name.startswith("input.") for name in tensors))]
    expected = [tensors[f"output.{n}"] for n in range(sum(name.startswith("output.") for name in tensors))]
    with torch.no_grad():
        outputs = tensors_of(network(*inputs))
    if [o.shape for o in outputs] != [e.shape for e in expected]:
        return {"outputs": float(len(expected)), "difference": -1.0}
    difference = max(
        (_difference(o, e) for o, e in zip(outputs, expected, strict=True)),
        default=0.0,
    )
    return {"outputs": float(len(expected)), "difference": difference}


def _difference(output: torch.Tensor, expected: torch.Tensor) -> float:
    output, expected = output.double(), expected.double()
    if not bool(torch.isfinite(output).all()):
        return 1e300
    return float((output - expected).abs().max() / (1 + expected.abs().max())) if expected.numel() else 0.0


if __name__ == "__main__":
    main()
