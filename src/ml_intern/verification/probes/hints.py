"""Say what to try when a network fails, from the message of the error and the tensors at hand.

The messages are those of torch 2.x and einops; one that is not known gets no hint, never a guess.
"""

from __future__ import annotations

import re

from probes import hints_axes, hints_layers, hints_use
from probes.scene import Scene

__all__ = ["Scene", "hint"]

_RULES = (*hints_layers.RULES, *hints_axes.RULES, *hints_use.RULES)


def hint(message: str, scene: Scene) -> str:
    """Give one sentence on what to try, or an empty text."""
    for pattern, answer in _RULES:
        if match := re.search(pattern, message):
            said = answer.format(*match.groups()) if isinstance(answer, str) else answer(match, scene)
            if said:
                return said
    return ""
