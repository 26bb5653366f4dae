"""What a program says is frozen does not train, and a layer under a low-rank adapter does not either.

An adapter is known by its shape: two factors whose product is zero at first, beside a layer of the product's size.

Source: Hu et al., "LoRA", arXiv 2106.09685 §4.1: the pretrained weights receive no gradient updates.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.recording import notes_of
from torch import nn

_ADAPTER = re.compile(r"lora|low.?rank|adapter", re.IGNORECASE)
_FROZEN = re.compile(r"\b(?:frozen|freezes?|freezing)\b", re.IGNORECASE)
_PART = re.compile(r"\b(?:backbone|encoder|base|pretrained|trunk|body|own weights|embeddings?|tower)\b", re.IGNORECASE)
_OTHER = re.compile(
    r"\b(?:unfr\w+|not|never|no longer|until|first|then|teacher|target|statistics|norms?|average\w*)\b", re.IGNORECASE
)
"""Words after which something else, or only for a time, is frozen."""


@check(family="loop", cost="dear", needs=("forward", "loss", "run"))
def frozen_weights(candidate: Candidate) -> Outcome | None:
    """Compare the words, and the shapes, with the parameters that the loop changed."""
    network = candidate.build()
    under, words = dict(_under_adapters(candidate, network)), _words(candidate)
    if not under and not words:
        return not_applicable("nothing is said to be frozen, and nothing is an adapter")
    moved = set(notes_of(candidate).moved)
    for layer, weight in under.items():
        if weight in moved:
            return failed(
                f"{weight} trains beside the adapter {layer!r} that is to take its place",
                where=candidate.place(candidate.module.build_model),
                advice="requires_grad_(False) on the pretrained network before the adapters are added",
            )
    everything = {name for name, _ in network.named_parameters()}
    if words and moved == everything:
        return failed(
            f"the program says {words!r}, and training changes every parameter",
            where=candidate.place(candidate.module.build_model),
            advice="requires_grad_(False) on what stays, and give the optimizer the rest",
        )
    return None


def _under_adapters(candidate: Candidate, network: nn.Module) -> Iterator[tuple[str, str]]:
    """Give the path of each adapter, with the name of the weight beside it."""
    for path, module in network.named_modules():
        about = f"{type(module).__name__} {type(module).__doc__} {ast.get_docstring(candidate.tree)}"
        own = [p for _, p in module.named_parameters(recurse=False) if p.ndim == 2]
        for one, other in itertools.permutations(own, 2):
            if one.shape[1] != other.shape[0] or _ADAPTER.search(about) is None:
                continue
            for name, child in module.named_children():
                weight = getattr(child, "weight", None)
                if isinstance(weight, torch.Tensor) and _is_adapter(one, other, weight):
                    yield path, f"{path}.{name}.weight".removeprefix(".")


def _is_adapter(one: torch.Tensor, other: torch.Tensor, weight: torch.Tensor) -> bool:
    is_low = 2 * one.shape[1] <= min(weight.shape)
    sizes = {tuple(weight.shape), tuple(weight.shape[::-1])}
    return is_low and (one.shape[0], other.shape[1]) in sizes and not bool((one @ other).any())


def _words(candidate: Candidate) -> str:
    """Quote the sentence that calls a part of the network frozen; empty where none does."""
    names = {"build_model", type(candidate.network).__name__}
    documented = [node for node in candidate.tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    nodes = [candidate.tree, *(node for node in documented if node.name in names)]
    for text in (ast.get_docstring(node) or "" for node in nodes):
        for sentence in re.split(r"[.;:\n]", text):
            if _FROZEN.search(sentence) and _PART.search(sentence) and not _OTHER.search(sentence):
                return " ".join(sentence.split())[:120]
    return ""
