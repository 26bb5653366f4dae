"""A matrix that is symmetric in every row of the data is so in every batch that trains: both axes are reordered.

Source: Ernst et al., "The Daikon system for dynamic detection of likely invariants" (2007).
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.recording import notes_of


@check(family="loop", cost="dear", needs=("forward", "loss", "run"))
def kept_symmetry(candidate: Candidate) -> Outcome | None:
    """Look at the batches that the loss was given in training."""
    count = notes_of(candidate).one_sided
    if not count:
        return None
    return failed(
        f"a matrix that is symmetric in every row of the data is not in {count} of the batches that train",
        where=candidate.place(candidate.module.train),
        advice="reorder nodes in rows and columns alike: adjacency[:, order][:, :, order]",
    )
