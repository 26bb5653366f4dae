"""Embeddings that the paper normalises have norm 1.

Source: Radford et al., arXiv 2103.00020, figure 3; Chen et al., arXiv 2002.05709 §2.1.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, close
from probes.checks.base import Outcome, check, failed, not_applicable


@check(family="invariances", cost="cheap", needs=("forward",))
def unit_norm(candidate: Candidate) -> Outcome | None:
    """Measure the last axis of the outputs that are claimed to be normalised."""
    claimed = candidate.claims.unit_norm
    if not claimed:
        return not_applicable("no claim of unit norm")
    outputs = candidate.run(candidate.warm, candidate.inputs(4))
    for place in claimed:
        if place >= len(outputs):
            return not_applicable(f"there is no output {place}")
        norm = outputs[place].norm(dim=-1)
        if not close(norm, torch.ones_like(norm), 1e-3):
            return failed(
                f"output {place} has norms from {norm.min():.3g} to {norm.max():.3g}, claimed is 1",
                where=candidate.forward_place,
                advice="F.normalize(x, dim=-1)",
            )
    return None
