"""A loss that the paper makes symmetric gives the same when the two sides change places.

Source: Radford et al., arXiv 2103.00020, figure 3: the mean of the losses over both axes.
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def symmetric_loss(candidate: Candidate) -> Outcome | None:
    """Exchange the first two outputs, or transpose the table of similarities."""
    if not candidate.claims.symmetric_loss:
        return not_applicable("no claim of a symmetric loss")
    batch = candidate.batch(4)
    output = candidate.build().eval()(*candidate.model_inputs(batch))
    if isinstance(output, tuple | list) and len(output) > 1 and output[0].shape == output[1].shape:
        turned = (output[1], output[0], *output[2:])
    elif not isinstance(output, tuple | list) and output.ndim == 2 and output.shape[0] == output.shape[1]:
        turned = output.T
    else:
        return not_applicable("the output has no two sides")
    one, other = candidate.loss(output, batch).item(), candidate.loss(turned, batch).item()
    if abs(one - other) > 1e-3 * abs(one) + 1e-6:
        return failed(
            f"the loss is {one:.4g}, and {other:.4g} with the two sides exchanged",
            where=candidate.place(candidate.module.compute_loss),
            advice="take the mean of the losses over rows and over columns",
        )
    return None
