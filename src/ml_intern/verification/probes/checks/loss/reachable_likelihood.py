"""A likelihood of things that can happen can be one: some output makes what did happen certain.

A negative log-likelihood of classes or intervals has no least value above zero for a single row; where it has, two of
its terms contradict each other.

Source: the definition of a likelihood; Gensheimer and Narasimhan, "nnet-survival" (2019), for discrete intervals.
"""

from __future__ import annotations

import ast
import re

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed

_WORDS = re.compile(r"log.?likelihood|\bnll\b", re.IGNORECASE)
_CLASSES = re.compile(r"sigmoid|softmax|cross_entropy")
_OTHER = re.compile(r"smooth|poisson|lgamma|gaussian|crf|entropy_?(?:weight|bonus|coef)", re.IGNORECASE)
"""What keeps a right likelihood from being 1."""
_ROWS, _STEPS = 24, 150
_RATE = 0.1
_LEAST = 0.2


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def reachable_likelihood(candidate: Candidate) -> Outcome | None:
    """Descend in the outputs alone, for rows of every kind at once."""
    contract = candidate.contract
    function = next(
        (n for n in candidate.tree.body if isinstance(n, ast.FunctionDef) and n.name == "compute_loss"), None
    )
    said = (ast.get_docstring(function) or "") if function else ""
    others = contract.batch[len(contract.inputs) :]
    is_of_classes = _CLASSES.search(candidate.text) and not _OTHER.search(candidate.text)
    if not _WORDS.search(said) or not is_of_classes or not others or any(o.dtype == "float32" for o in others):
        return not_applicable("the loss is not said to be a likelihood of classes")
    if not candidate.is_single:
        return not_applicable("more than one output")
    batch = candidate.batch(_ROWS, seed=6)
    output = torch.zeros(candidate.output_shapes(_ROWS)[0], requires_grad=True)
    for _ in range(_STEPS):
        loss = candidate.loss(output, batch)
        (slope,) = torch.autograd.grad(loss, output)
        output = (output.detach() - _RATE * slope.sign()).requires_grad_()
    if loss.item() < _LEAST:
        return passed(f"outputs made for {_ROWS} rows bring it to {loss.item():.3g}")
    return failed(
        f"no outputs make the likelihood of {_ROWS} rows large: the loss ends at {loss.item():.3g}, and 0 is certainty",
        where=candidate.place(candidate.module.compute_loss),
        advice="look for a row whose own terms want opposite things: at an interval, survival and failure",
    )
