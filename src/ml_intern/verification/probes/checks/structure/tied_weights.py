"""Input embedding and output layer share one weight where the paper ties them.

Source: Press and Wolf, "Using the output embedding to improve language models", arXiv 1608.05859.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from torch import nn


@check(family="structure", cost="free", needs=("forward",))
def tied_weights(candidate: Candidate) -> Outcome | None:
    """Change an embedding at an id that no input has, and see whether the logits move."""
    if not candidate.claims.tied:
        return not_applicable("no claim of tied weights")
    network = candidate.build().eval()
    tables = [m for m in network.modules() if isinstance(m, nn.Embedding)]
    inputs = candidate.inputs(2)
    ids = next((given for given in inputs if not given.is_floating_point()), None)
    if not tables or ids is None:
        return not_applicable("no embedding")
    inputs = [torch.full_like(given, int(ids.min())) if given is ids else given for given in inputs]
    before = candidate.run(network, inputs)[0]
    for table in tables:
        unused = [row for row in range(table.num_embeddings) if row != int(ids.min())]
        if not unused or table.num_embeddings != before.shape[-1]:
            continue
        with torch.no_grad():
            table.weight[unused[-1]] += 1.0
        if not torch.equal(candidate.run(network, inputs)[0], before):
            return None
    return failed(
        "the output layer has a weight of its own, claimed is that it shares the embedding's",
        where=candidate.forward_place,
        advice="self.head.weight = self.embedding.weight, after initialisation",
    )
