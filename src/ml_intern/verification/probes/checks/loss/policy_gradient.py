"""The loss of a policy makes actions with an advantage likelier, and stops where the ratio is clipped.

Source: Sutton and Barto, "Reinforcement learning" (2018) §13.1; Schulman et al., "Proximal policy optimization",
arXiv 1707.06347, equation 7: the ratio is new over old, the smaller of both surrogates counts.
"""

from __future__ import annotations

import inspect
import math
import re

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable

_ROWS = 16
_CLIPS = re.compile(r"clip|clamp", re.IGNORECASE)
_FAR = 1.0
"""By how much the logarithm of the ratio is off where it counts as clipped."""
_NAMES = {"action": "action", "advantage": "advantage|\\badv\\b", "old": "old.*log|log.*old|behaviou?r.*log"}


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def policy_gradient(candidate: Candidate) -> Outcome | None:
    """Read the slope in the logit of each action taken, at equal logits, for advantages of both signs."""
    names = [spec.name or "" for spec in candidate.contract.batch]
    places = {
        kind: next((n for n, name in enumerate(names) if re.search(words, name, re.IGNORECASE)), None)
        for kind, words in _NAMES.items()
    }
    logits, specs = candidate.contract.outputs[0], candidate.contract.batch
    if places["action"] is not None and specs[places["action"]].dtype != "int64":
        return not_applicable("actions are no choices")
    if places["action"] is None or places["advantage"] is None or len(logits) != 2 or not isinstance(logits[1], int):
        return not_applicable("no batch of actions with advantages, and logits of actions")
    sign = torch.ones(_ROWS)
    sign[::2] = -1
    where = candidate.place(candidate.module.compute_loss)
    slope = _slope(candidate, places, sign, torch.zeros(_ROWS))
    if bool((slope * sign > 0).all()):
        return failed(
            "the loss falls when actions with a positive advantage become rarer",
            where=where,
            advice="minimise -(ratio * advantage), the ratio being exp(new - old log-probability)",
        )
    if places["old"] is None or not _CLIPS.search(inspect.getsource(candidate.module.compute_loss)):
        return None
    beyond = _slope(candidate, places, sign, -_FAR * sign)  # ratios that went where the advantage wants them, too far
    short = _slope(candidate, places, sign, _FAR * sign)
    if bool((beyond.abs() > 0.1 * short.abs()).any()):
        return failed(
            "the loss still pulls at actions whose ratio is beyond the clip, where nothing is to be gained",
            where=where,
            advice="-torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)",
        )
    return None


def _slope(candidate: Candidate, places: dict, sign: torch.Tensor, behind: torch.Tensor) -> torch.Tensor:
    """Give the slope in the logit of the action of each row; behind: what the old log-probability is more by."""
    batch = candidate.batch(_ROWS, seed=5)
    actions = candidate.contract.outputs[0][1]
    batch[places["action"]] = torch.arange(_ROWS) // 2 % actions
    batch[places["advantage"]] = sign.clone()
    if places["old"] is not None:
        batch[places["old"]] = behind - math.log(actions)
    outputs = [torch.zeros(shape) for shape in candidate.output_shapes(_ROWS)]
    outputs[0].requires_grad_()
    loss = candidate.loss(tuple(outputs) if len(outputs) > 1 else outputs[0], batch)
    (slope,) = torch.autograd.grad(loss, outputs[0])
    return slope.gather(1, batch[places["action"]][:, None]).squeeze(1)
