"""Training rows come in random order where the labels are made class by class.

Source: Bengio, "Practical recommendations for gradient-based training", arXiv 1206.5533 §2.2: examples in random order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, calls, judged, last_name, uses_random_order


@check(family="static", cost="free")
def sorted_training(candidate: Candidate) -> Outcome | None:
    """Look for labels made with `repeat_interleave` or `np.repeat` in a program that puts nothing in random order."""
    return judged(candidate, _find, "DataLoader(train, shuffle=True), or a permutation before the split")


def _find(source: Source) -> Iterator[Finding]:
    if uses_random_order(source) or not any(calls(f, "backward") for f in source.scopes()):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            name = ast.unparse(node.targets[0]).lower()
            makes_blocks = (
                last_name(node.value.func) == "repeat_interleave" or source.full(node.value.func) == "numpy.repeat"
            )
            if makes_blocks and any(word in name for word in ("label", "target", "class")):
                yield node, f"{ast.unparse(node)[:60]} makes rows class by class, and nothing shuffles them"
