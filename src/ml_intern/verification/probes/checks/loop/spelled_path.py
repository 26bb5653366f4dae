"""A decoder of CTC reads back what a path spells: repeats merge first, then blanks go, so double letters stay.

Source: Graves et al., "Connectionist temporal classification" (2006) §3.1: the map from paths to labellings.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed, inconclusive, not_applicable, passed
from probes.stand_ins import StandIn, keys_of

_SURE = 12.0
_HOLDS = 0.05
"""Loss below which the program's own loss takes the path for the text."""
_PERFECT = (0.0, 1.0, 100.0)


@check(family="loop", cost="moderate", needs=("forward", "loss", "evaluate"))
def spelled_path(candidate: Candidate) -> Outcome | None:
    """Score a network that gives each letter of the text, then a blank, and so on to its end."""
    specs, output = candidate.contract.batch, candidate.contract.outputs[0]
    texts = [n for n, s in enumerate(specs) if s.dtype == "int64" and len(s.shape) == 2 and s.role is None]
    sizes = [n for n, s in enumerate(specs) if s.dtype == "int64" and s.shape == ["B"]]
    is_known = candidate.contract.task == "transducer" and len(output) == 3 and output[-1] == candidate.contract.classes
    if not is_known or not candidate.is_single or not texts or len(sizes) != 1:
        return not_applicable("no text with its length beside frames of letters")
    rows = candidate.rows("val")
    text, size = rows[texts[-1]], rows[sizes[0]]
    for blank in (0, candidate.contract.classes - 1):
        path = _path(candidate, text, size, blank)
        if path is None or not float(candidate.loss(path, rows)) < _HOLDS:
            continue
        score = candidate.module.evaluate(_spelling(candidate, rows, path), candidate.splits["val"])
        if not isinstance(score, int | float | torch.Tensor):
            return inconclusive("evaluate gives no number")
        told = f"a network that spells every text, a blank after each letter, scores {float(score):.4g}"
        if any(abs(float(score) - best) < 1e-6 for best in _PERFECT):
            return passed(told)
        return failed(
            f"{told}; its loss is {float(candidate.loss(path, rows)):.2g}",
            where=candidate.place(candidate.module.evaluate),
            advice="merge letters that repeat from frame to frame, then drop blanks; in the other order double letters "
            "are lost",
        )
    return not_applicable("the loss does not take a letter and a blank in turn for the text")


def _path(candidate: Candidate, text: torch.Tensor, size: torch.Tensor, blank: int) -> torch.Tensor | None:
    """Give sure logits of letter and blank in turn, blanks at the end: (rows, frames, letters)."""
    frames = candidate.output_shapes(len(text))[0][1]
    if 2 * int(size.max()) > frames:
        return None
    best = torch.full((len(text), frames), blank)
    for row, count in enumerate(size.tolist()):
        best[row, : 2 * count : 2] = text[row, :count]
    return _SURE * torch.nn.functional.one_hot(best, candidate.contract.classes).float()


def _spelling(candidate: Candidate, rows: Tensors, path: torch.Tensor) -> StandIn:
    return StandIn(keys_of(list(candidate.model_inputs(rows))), [path])
