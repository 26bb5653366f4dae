"""Know a network that is an installed one with a configuration: nothing of its structure was written by the candidate.

Source: huggingface/transformers, `PreTrainedModel`, the base class of every model of that library.
"""

from __future__ import annotations

import sys

from torch import nn

LIBRARIES = ("transformers", "torch")
WHY = "the network is one of the installed transformers with a configuration; its structure is taken as it is"


def is_installed(network: nn.Module) -> bool:
    """Tell whether all layers but the outermost module are of the installed libraries, one of them a whole model.

    The outermost module may be the candidate's own: it passes arguments on and may add layers of torch, as long as it
    holds no parameter itself.
    """
    models = _models()
    if models is None or not any(isinstance(module, models) for module in network.modules()):
        return False
    inner = [module for module in network.modules() if module is not network]
    own = () if isinstance(network, models) else tuple(network.parameters(recurse=False))
    return not own and all(type(module).__module__.partition(".")[0] in LIBRARIES for module in inner)


def owns(network: nn.Module, name: str) -> bool:
    """Tell whether the parameter `name` lies in a model of the installed transformers."""
    parts, models = name.split("."), _models()
    return any(isinstance(network.get_submodule(".".join(parts[:n])), models) for n in range(len(parts)))


def _models() -> type[nn.Module] | None:
    """Give the base class; None where the candidate did not import the library."""
    module = sys.modules.get("transformers.modeling_utils")
    return None if module is None else module.PreTrainedModel
