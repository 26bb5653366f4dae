"""Rates mean what the library means by them: the share that dropout drops, the share of a new batch in running means.

Others give the share that stays: a dropout of 0.9 leaves a tenth, a momentum of 0.99 keeps only the last batch.

Source: PyTorch documentation of `nn.BatchNorm2d`: "this momentum argument is different from one used in optimizer
classes"; Srivastava et al., "Dropout" (2014), whose p is what is kept.
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from torch import nn

_DROPPED, _NEW = 0.8, 0.9


@check(family="structure", cost="free", needs=("forward",))
def turned_rates(candidate: Candidate) -> Outcome | None:
    """Look at every dropout and every batch norm."""
    where = candidate.forward_place
    for name, module in candidate.network.named_modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) and _DROPPED <= module.p < 1:
            return failed(
                f"{name} drops {module.p:.0%} of its values",
                where=where,
                advice=f"p is what is dropped, not what is kept: {1 - module.p:.2g}",
            )
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (module.momentum or 0) >= _NEW:
            return failed(
                f"the running statistics of {name} are {module.momentum:.0%} of the last batch",
                where=where,
                advice=f"momentum is the share of the new batch: {1 - module.momentum:.2g}",
            )
    return None
