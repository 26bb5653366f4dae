"""What the words call a sum over the nodes of a graph grows with every copy of the graph, by the same each time.

Source: Gilmer et al., "Neural message passing for quantum chemistry", arXiv 1704.01212 §5: an energy is extensive.
"""

from __future__ import annotations

import ast
import re
from types import SimpleNamespace

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed, not_applicable, passed

_WORDS = re.compile(r"\bis (?:a |the )?sum (?:over|of) (?:all |its |the )*(?:atoms|nodes)\b|\b(?:is|are) extensive\b")
_AVERAGE = re.compile(
    r"\b(?:mean|average|per) (?:over |of |energy )?(?:atoms?|nodes?)\b|\bintensive\b|\bper.(?:atom|node)\b"
)
_COPIES = 3


@check(family="invariances", cost="cheap", needs=("forward",))
def additive_readout(candidate: Candidate) -> Outcome | None:
    """Put one, two and three copies of a small graph beside each other, and mask the rest."""
    specs = candidate.contract.inputs
    sizes = {spec.role: spec.shape[-1] for spec in specs if spec.role}
    nodes = sizes.get("adjacency")
    said = _said(candidate)
    is_asked = _WORDS.search(said) is not None and _AVERAGE.search(said) is None
    if not is_asked or not isinstance(nodes, int) or sizes.get("padding_mask") != nodes or nodes < 2 * _COPIES:
        return not_applicable("no words of a sum over the nodes of a masked graph")
    if candidate.contract.outputs[0] not in (["B"], ["B", 1]):
        return not_applicable("the output is no number a graph")
    given = candidate.inputs(4, seed=7)
    made = [candidate.run(candidate.warm, _copies(specs, given, nodes, n))[0] for n in range(1, _COPIES + 1)]
    grown, again = made[1] - made[0], made[2] - made[1]
    if grown.abs().max() > 1e-4 * (1 + made[0].abs().max()) and bool(
        (grown - again).abs().max() < 1e-2 * grown.abs().max()
    ):
        return passed("each copy adds the same")
    return failed(
        f"copies of a graph give {', '.join(f'{float(one.flatten()[0]):.4g}' for one in made)}, and the program calls "
        "what it predicts a sum over the nodes",
        where=candidate.forward_place,
        advice="sum the contributions of the nodes that are present; do not divide by their number",
    )


def _said(candidate: Candidate) -> str:
    names = {"build_model", "load_raw", "compute_loss", type(candidate.network).__name__}
    documented = [n for n in candidate.tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name in names]
    return " ".join(ast.get_docstring(node) or "" for node in (candidate.tree, *documented)).lower()


def _copies(specs: list[SimpleNamespace], given: Tensors, nodes: int, count: int) -> Tensors:
    """Repeat the first nodes of each graph `count` times, without links between the copies."""
    size = nodes // _COPIES
    made = []
    for spec, tensor in zip(specs, given, strict=True):
        copied = torch.zeros_like(tensor)
        for start in range(0, count * size, size):
            here = slice(start, start + size)
            if spec.role == "adjacency":
                copied[:, here, here] = tensor[:, :size, :size]
            else:
                copied[:, here] = tensor[:, :size]
        made.append(copied)
    return made
