"""Columns that share one table of embeddings have rows of their own in it.

A table with exactly as many rows as all columns have values together was made for offsets; where the columns ask for
the same rows, value 2 of one is taken for value 2 of another, and the rest of the table is never read.

Source: the offsets of `torch.nn.EmbeddingBag`, and of tables for tabular data (arXiv 2106.11959, code).
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from torch import nn


@check(family="data", cost="cheap", needs=("forward", "splits"))
def shared_table(candidate: Candidate) -> Outcome | None:
    """Watch which rows of each table the training part asks for."""
    train = candidate.rows("train")
    if len(train) < len(candidate.contract.batch):
        return not_applicable("rows of the data are not yet what model_inputs takes: the loop makes the rest")
    asked: list[tuple[nn.Embedding, torch.Tensor]] = []

    def watch(module: nn.Module, given: tuple) -> None:
        asked.append((module, given[0].detach().clone()))

    network = candidate.build().eval()
    for module in network.modules():
        if isinstance(module, nn.Embedding):
            module.register_forward_pre_hook(watch)
    inputs = list(candidate.model_inputs(train))
    candidate.run(network, inputs)
    tables = [given for given in inputs if given.dtype == torch.int64 and given.ndim == 2 and given.shape[1] > 1]
    for table, rows in asked:
        made_for = next((g for g in tables if g.shape == rows.shape and _sizes(g) == table.num_embeddings), None)
        if made_for is not None and len(rows.unique()) < 0.8 * table.num_embeddings:
            return failed(
                f"a table with a row for each of the {table.num_embeddings} values of {rows.shape[1]} columns is asked "
                f"for {len(rows.unique())} rows only: the columns share them",
                where=candidate.forward_place,
                advice="add to each column the number of values of those before it",
            )
    return None if asked and tables else not_applicable("no table of embeddings is shared by columns")


def _sizes(given: torch.Tensor) -> int:
    """Give how many values the columns have together; given: (rows, columns)."""
    return int((given.amax(0) + 1).sum())
