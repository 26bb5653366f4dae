"""Random numbers differ from step to step: no fixed seed in `forward` or in the loop that trains.

Source: PyTorch documentation, "Reproducibility": seed once, at the start of the program.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Loop, Source, calls, constant, inside, judged

_SEEDS = ("manual_seed", "seed_everything", "set_seed")


@check(family="static", cost="free")
def fixed_noise(candidate: Candidate) -> Outcome | None:
    """Look for a constant seed in `forward` and beside `backward()` in a loop."""
    return judged(candidate, _find, "seed once at the start of the program")


def _find(source: Source) -> Iterator[Finding]:
    for scope in source.scopes():
        if getattr(scope, "name", "") == "forward":
            for call in _constant_seeds(scope):
                yield call, "forward seeds with a constant: dropout and noise are the same in every step"
        for loop in [n for n in inside(scope) if isinstance(n, Loop)]:
            inner = [n for n in inside(loop) if isinstance(n, Loop)]
            if calls(loop, "backward") and not any(calls(one, "backward") for one in inner):
                for call in _constant_seeds(loop):
                    yield call, "the loop seeds with a constant: every step sees the same random numbers"


def _constant_seeds(node: ast.AST) -> list[ast.Call]:
    return [call for call in calls(node, *_SEEDS) if call.args and isinstance(constant(call.args[0]), int)]
