"""`torch.load` runs no code from a file that the program did not write itself.

Since torch 2.6 that is so unless it is switched off; before, it has to be asked for.

Source: PyTorch documentation of `torch.load`, warning on `weights_only`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, constant, judged

_SAFE_SINCE = (2, 6)


@check(family="static", cost="free")
def unsafe_load(candidate: Candidate) -> Outcome | None:
    """Look for `weights_only=False`, and for its absence where the installed torch loads anything by default."""
    return judged(candidate, _find, "torch.load(file, weights_only=True), or safetensors")


def _find(source: Source) -> Iterator[Finding]:
    if "torch.save(" in source.text:
        return
    by_default = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= _SAFE_SINCE
    for call in ast.walk(source.tree):
        if isinstance(call, ast.Call) and source.full(call.func) == "torch.load":
            given = next((pair.value for pair in call.keywords if pair.arg == "weights_only"), None)
            if (given is None and not by_default) or constant(given) is False:
                yield call, f"{ast.unparse(call)[:60]} runs whatever code the file holds"
