"""Build the network of a bundle as a stranger would: its own class, its own arguments, its weights read strictly."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import traceback
from pathlib import Path

import torch
from safetensors.torch import load_model

EXPLAINER = Path("/opt/ml-intern/probes")
"""Where the evaluator mounts what explains errors, if it was given it."""


class UnfitError(Exception):
    """The bundle does not keep its contract; the message says how, `code` which part of it."""

    def __init__(self, message: str, code: str = "unfit") -> None:
        super().__init__(message)
        self.code = code


def load(bundle: Path) -> tuple[torch.nn.Module, object]:
    """Build the network of the bundle and give it with the module that defines it.

    Raises:
        UnfitError: a file or a name is missing.
    """
    for name in ("config.json", "modeling.py", "model.safetensors"):
        if not (bundle / name).is_file():
            raise UnfitError(f"the bundle has no {name}")
    config = json.loads((bundle / "config.json").read_text("utf-8"))
    sys.path.append(str(bundle))
    spec = importlib.util.spec_from_file_location("modeling", bundle / "modeling.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["modeling"] = module
    spec.loader.exec_module(module)
    missing = [name for name in (config["architecture"], "predict") if not hasattr(module, name)]
    if missing:
        raise UnfitError(f"modeling.py does not define {' and '.join(missing)}")
    network = construct(module, config)
    load_model(network, str(bundle / "model.safetensors"), strict=True, device="cpu")
    return network.eval(), module


def construct(module: object, config: dict) -> torch.nn.Module:
    """Instantiate the class that the configuration names; its initial weights follow the random state."""
    return getattr(module, config["architecture"])(**config["arguments"])


def _by_probes(error: BaseException, bundle: Path) -> str | None:
    """Let the explanation of the checks speak, with operands and layer; None where it is not mounted."""
    sys.path.insert(0, str(EXPLAINER.parent))
    try:
        return importlib.import_module("probes.explain").explain(error, f"{bundle}/")
    except (ImportError, AttributeError):  # not mounted, or the bundle has a module of this name
        return None
    finally:
        del sys.path[0]


def explained(error: BaseException, bundle: Path) -> dict:
    """Say what went wrong, with the frames inside the bundle that led to it."""
    if isinstance(error, UnfitError):
        return {"error": str(error), "code": error.code}
    return {"error": _condensed(error, bundle), "code": "raised"}


def _condensed(error: BaseException, bundle: Path) -> str:
    if (told := _by_probes(error, bundle)) is not None:
        return told
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(bundle)][-4:]
    where = "".join(f"\n  {Path(f.filename).name}:{f.lineno} in {f.name}: {f.line}" for f in own)
    return f"{type(error).__name__}: {str(error)[:500]}{where}"
