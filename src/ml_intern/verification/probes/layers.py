"""Look into a network: its layers with shapes, parameters and operations, and how far gradients reach.

Started as `python -I …/probes/layers.py`; request, channel and nonce are as in `forward.py`. With a reference the
outputs are compared, too. A picture of the gradients goes to /output where matplotlib is installed.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

_HOME = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, _HOME)

import torch  # noqa: E402 - after the path
from probes import explain, parity, serving  # noqa: E402
from probes.candidate import Candidate, listed  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

_PICTURE = Path("/output/gradients.png")


def look(candidate: Candidate) -> list[dict]:
    """Give a row for each layer without layers of its own and each that holds parameters, in the order of calls."""
    network = candidate.build()
    inputs = candidate.inputs(batch=2)
    shapes = _shapes(network, inputs)
    flops = _operations(network, [given[:1] for given in inputs])
    norms = _gradients(network, inputs)
    counted: set[int] = set()
    rows = []
    for name, shape in shapes.items():
        module = network.get_submodule(name)
        own = [p for p in module.parameters(recurse=not list(module.children())) if id(p) not in counted]
        counted.update(id(p) for p in own)
        rows.append({
            "layer": name or "(itself)",
            "kind": type(module).__name__,
            "output": shape,
            "parameters": sum(p.numel() for p in own),
            "flops": flops.get(name, 0),
            "gradient": norms.get(name),
        })  # fmt: skip
    return rows


def _shapes(network: nn.Module, inputs: list[torch.Tensor]) -> dict[str, str]:
    """Call the network once and note what came out of its layers."""
    seen: dict[str, str] = {}

    def note(name: str):
        def hook(module: nn.Module, given: object, output: object) -> None:
            seen.setdefault(name, " ".join(str(tuple(tensor.shape)) for tensor in listed(output)[:2]))

        return hook

    with ExitStack() as stack, torch.no_grad():
        for name, module in network.named_modules():
            if not list(module.children()) or list(module.parameters(recurse=False)):
                handle = module.register_forward_hook(note(name))
                stack.callback(handle.remove)
        network.eval()(*inputs)
    return seen


def _operations(network: nn.Module, inputs: list[torch.Tensor]) -> dict[str, int]:
    """Count a multiplication and an addition as two, for a batch of one, by layer; "" is the whole."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(*inputs)
    root = type(network).__name__
    counts = {name: sum(by.values()) for name, by in counter.get_flop_counts().items()}
    named = {name.removeprefix(f"{root}."): count for name, count in counts.items() if name != root}
    return {**named, "": counts.get("Global", 0)}


def _gradients(network: nn.Module, inputs: list[torch.Tensor]) -> dict[str, float]:
    """Give the norm of each layer's gradient after one backward pass of randomly weighed outputs."""
    torch.manual_seed(0)
    network.train().zero_grad(set_to_none=True)
    outputs = [output for output in listed(network(*inputs)) if output.is_floating_point()]
    sum((output * torch.randn_like(output)).sum() for output in outputs).backward()
    found: dict[str, float] = {}
    for name, module in network.named_modules():
        slopes = [p.grad for p in module.parameters(recurse=False) if p.grad is not None]
        if slopes:
            found[name] = float(torch.stack([slope.norm() for slope in slopes]).norm())
        elif any(p.requires_grad for p in module.parameters(recurse=False)):
            found[name] = 0.0
    return found


def draw(rows: list[dict]) -> bool:
    """Draw the gradients; tells whether matplotlib was there to do it."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - optional in the sandbox
    except ImportError:
        return False
    held = [row for row in rows if row["gradient"] is not None]
    figure = Figure(figsize=(8, 1 + 0.25 * len(held)), layout="constrained")
    axes = figure.subplots()
    axes.barh([row["layer"] for row in held], [max(row["gradient"], 1e-12) for row in held], log=True)
    axes.invert_yaxis()
    axes.set_xlabel("norm of the gradient, first layer on top")
    figure.savefig(_PICTURE, dpi=100)
    return True


def answer(request: dict) -> dict:
    """Carry out the request; what goes wrong in the candidate's code is told as text."""
    candidate = Candidate(request)
    try:
        rows = look(candidate)
        compared = parity.compare(candidate, request["reference"]) if request.get("reference") else ""
    except Exception as error:  # noqa: BLE001 - anything may come out of a candidate's code
        return {"problem": explain.explain(error, candidate.root, vars(candidate).get("network"))}
    return {"rows": rows, "parity": compared, "picture": draw(rows)}


def main() -> None:
    """Serve one request."""
    request, tell = serving.begin()
    serving.hide(_HOME)
    tell(answer(request))
    serving.leave()


if __name__ == "__main__":
    main()
