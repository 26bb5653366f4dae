"""The loss is one finite number that depends on registered parameters."""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed


@check(family="loss", cost="cheap", needs=("forward", "loss"), crash=True)
def loss(candidate: Candidate) -> Outcome | None:
    """Do one forward and backward pass on a random batch."""
    network = candidate.build().train()
    batch = candidate.batch(4)
    value = candidate.loss(network(*candidate.model_inputs(batch)), batch)
    where = candidate.place(candidate.module.compute_loss)
    if value.numel() != 1:
        return failed(
            f"the loss has the shape {tuple(value.shape)}", where=where, advice="reduce it to one number, as by .mean()"
        )
    if not bool(value.isfinite().all()):
        return failed(f"the loss of a random batch is {value.item()}", where=where, advice="look for log(0) or 0/0")
    if not value.requires_grad:
        return failed(
            "no gradient can flow from the loss",
            where=where,
            advice="remove detach, .item(), .data, argmax or no_grad on the way from the network to the loss",
        )
    if loose := _loose(value, network):
        return failed(
            f"{len(loose)} trainable tensors are used but are not in parameters(), one of shape {loose[0]}: no "
            "optimizer trains them, no file holds them",
            where=candidate.forward_place,
            advice="keep layers in nn.ModuleList or nn.ModuleDict, not in a list; tensors in nn.Parameter",
        )
    value.backward()
    return None


def _loose(value, network) -> list[tuple[int, ...]]:
    known = {id(parameter) for parameter in network.parameters()}
    pending, seen, found = [value.grad_fn], set(), []
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None and id(leaf) not in known:
            found.append(tuple(leaf.shape))
        pending += [following for following, _ in node.next_functions]
    return found
