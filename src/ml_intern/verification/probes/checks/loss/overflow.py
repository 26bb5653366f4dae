"""A confident and wrong prediction has a finite loss and finite gradients.

Source: PyTorch documentation of log_softmax: log(softmax(x)) in two steps is "slower and numerically unstable".
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.oracle import CLASS_ORACLES, ideal


@check(family="loss", cost="cheap", needs=("forward", "loss", "oracle-loss"))
def overflow(candidate: Candidate) -> Outcome | None:
    """Ask the loss about logits of 300."""
    if candidate.contract.oracle not in {*CLASS_ORACLES, "binary_logit"}:
        return not_applicable("only for logits")
    batch = candidate.batch(4)
    output = ideal(candidate, batch, sharp=300.0, wrong=True).requires_grad_()
    loss = candidate.loss(output, batch)
    loss.backward()
    if bool(loss.isfinite()) and bool(output.grad.isfinite().all()):
        return None
    return failed(
        f"for a wrong prediction with a logit of 300 the loss is {loss.item():.3g}, or its gradient is not finite",
        where=candidate.place(candidate.module.compute_loss),
        advice="use cross_entropy, log_softmax or binary_cross_entropy_with_logits in place of log(softmax(x))",
    )
