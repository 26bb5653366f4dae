"""Tell from a program's own words whether its metric is better when higher."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

from probes.candidate import Candidate

_HIGHER = (
    "accuracy|accuracies|f1|auc|auroc|precision|recall|iou|dice|bleu|rouge|reward|returns?|r2|ndcg|mrr|hits?|map|psnr|ssim|"
    "correlation|share of \\w+ (?:right|correct|translated right)|intersection over union|hit rate|higher is better"
)
_LOWER = "errors?|loss|perplexity|mse|rmse|mae|nll|cer|wer|fid|bits|deviation|divergence|regret|lower is better"
_WORDS = {True: re.compile(rf"\b(?:{_HIGHER})\b"), False: re.compile(rf"\b(?:{_LOWER})\b")}


def higher_is_better(candidate: Candidate) -> bool | None:
    """Judge by docstring and name of `evaluate`, and by how the best value is sought; None where they are silent.

    Words of both kinds, and words against the search, are no answer either.
    """
    function = candidate.module.evaluate
    said = f"{inspect.getdoc(function) or ''} {function.__name__.replace('_', ' ')}".lower()
    stated = {higher for higher in (True, False) if ("higher" if higher else "lower") + " is better" in said}
    found = stated or {higher for higher, words in _WORDS.items() if words.search(said)}
    found |= set(_searches(candidate.tree))
    return found.pop() if len(found) == 1 else None


def direction_of(text: str) -> bool | None:
    """Judge a name or an expression by its words."""
    words = text.lower().replace("_", " ")
    found = {higher for higher, pattern in _WORDS.items() if pattern.search(words)}
    return found.pop() if len(found) == 1 else None


def _searches(tree: ast.Module) -> Iterator[bool]:
    """Give for each `new > best` whether more is better, unless what is new is made of a loss."""
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    losses = {ast.unparse(node.targets[0]) for node in assigned if "loss" in ast.unparse(node.value)}
    for test in (node.test for node in ast.walk(tree) if isinstance(node, ast.If)):
        if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Gt | ast.GtE | ast.Lt | ast.LtE):
            continue
        left, right = ast.unparse(test.left), ast.unparse(test.comparators[0])
        is_other = any(word in left + right for word in ("loss", "step", "epoch")) or bool({left, right} & losses)
        if ("best" in left) != ("best" in right) and not is_other:
            yield isinstance(test.ops[0], ast.Gt | ast.GtE) == ("best" in right)
