"""Look at a loaded network: are its weights sound and trained, and do its predictions come from it at all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from loading import construct

ROWS = 64
"""Rows that are predicted again with other weights."""

TRIALS = 3
SEEDS = (0, 1, 42, 1234, 1337)
"""Seeds that scripts are fond of; the training's own stands before them."""

OTHER_SEEDS = (271_828, 314_159)


def examine(
    network: torch.nn.Module, module: object, config: dict, predicted: list, ask: Callable[[], list], seed: int | None
) -> dict[str, float]:
    """Give figures by name; every one is finite.

    Args:
        network: loaded, in evaluation mode; its weights are the same afterwards.
        module: defines the class of the network.
        config: of the bundle.
        predicted: what the loaded network predicts for the rows that `ask` asks for.
        ask: predicts these rows again with whatever weights the network has; raises what `predict` raises.
        seed: of the training, where it had one.
    """
    figures = {**soundness(network.state_dict()), **_change(network, module, config, seed)}
    return {**figures, "ignored_weights": float(_ignores_weights(network, predicted, ask))}


def soundness(state: dict[str, torch.Tensor]) -> dict[str, float]:
    """Count elements, values that are not finite, and matrices of a single value."""
    floating = [t.float() for t in state.values() if t.is_floating_point() and t.numel()]
    matrices = [t for t in floating if t.dim() > 1 and t.numel() > 1]
    return {
        "elements": float(sum(t.numel() for t in floating)),
        "not_finite": float(sum(int((~torch.isfinite(t)).sum()) for t in floating)),
        "matrices": float(len(matrices)),
        "constant_matrices": float(sum(bool((t == t.flatten()[0]).all()) for t in matrices)),
    }


def _change(network: torch.nn.Module, module: object, config: dict, seed: int | None) -> dict[str, float]:
    """Compare with fresh instances: with those of usual seeds, and with what every instance begins with."""
    trained = {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}
    if not trained:
        return {}
    first, second = (_fresh(module, config, seed) for seed in OTHER_SEEDS)
    fixed = [name for name in trained if name in first and torch.equal(first[name], second[name])]
    distances = [_distance(trained, _fresh(module, config, s)) for s in dict.fromkeys([seed or 0, *SEEDS])]
    return {
        "relative_change": min(distances),
        "fixed_tensors": float(len(fixed)),
        "fixed_unchanged": float(sum(torch.equal(trained[name], first[name]) for name in fixed)),
    }


def _fresh(module: object, config: dict, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return {name: p.detach() for name, p in construct(module, config).named_parameters()}


def _distance(trained: dict[str, torch.Tensor], fresh: dict[str, torch.Tensor]) -> float:
    """Give the norm of the difference over that of the fresh weights."""
    change = sum(float(((t - fresh[name]).double() ** 2).sum()) for name, t in trained.items() if name in fresh)
    size = sum(float((fresh[name].double() ** 2).sum()) for name in trained if name in fresh)
    ratio = math.sqrt(change / size) if size > 0 else math.sqrt(change)
    return ratio if math.isfinite(ratio) else 1e300


def _ignores_weights(network: torch.nn.Module, predicted: list, ask: Callable[[], list]) -> bool:
    """Whether the predictions stay the same when every weight is replaced by noise of its own size."""
    kept = {name: p.detach().clone() for name, p in network.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    try:
        return all(not _differs(predicted, _with_noise(network, kept, generator, ask)) for _ in range(TRIALS))
    finally:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(kept[name])


def _with_noise(
    network: torch.nn.Module, kept: dict[str, torch.Tensor], generator: torch.Generator, ask: Callable[[], list]
) -> list:
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.is_floating_point():
                noise = torch.randn(parameter.shape, generator=generator)  # as the parameter
                scale = 2 * float(kept[name].float().abs().mean()) or 0.1
                parameter.copy_(noise.to(parameter.dtype) * scale)
    try:
        return ask()
    # the code of the bundle may raise anything on weights that it was never meant for: it does not ignore them
    except Exception:  # noqa: BLE001
        return []


def _differs(before: list, after: list) -> bool:
    if len(before) != len(after):
        return True
    return any(
        a != b if isinstance(a, str) else abs(a - b) > 1e-6 * max(1e-6, abs(a), abs(b))
        for a, b in zip(before, after, strict=True)
    )


def self_test(network: torch.nn.Module, inputs: list[dict], file: Path) -> None:
    """Store inputs drawn at random and what the network answers, so that anybody can compare."""
    from safetensors.torch import save_file  # noqa: PLC0415 - what verifying does not need

    given = [drawn(one, n) for n, one in enumerate(inputs)]
    with torch.no_grad():
        outputs = tensors_of(network(*given))
    tensors = {f"input.{n}": t for n, t in enumerate(given)} | {f"output.{n}": t for n, t in enumerate(outputs)}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: t.contiguous() for name, t in tensors.items()}, str(file), {"torch": torch.__version__})
    file.chmod(0o644)  # the library leaves it to its owner alone


def drawn(described: dict, place: int) -> torch.Tensor:
    """Draw two rows: numbers from the standard normal distribution, or whole ones below `high`."""
    generator = torch.Generator().manual_seed(place)
    shape = (2, *described["shape"])
    if described["dtype"] == "int64":
        return torch.randint(0, described["high"], shape, generator=generator)
    return torch.randn(shape, generator=generator)


def tensors_of(answer: object) -> list[torch.Tensor]:
    """Give the tensors of what `forward` returned, in order."""
    if isinstance(answer, torch.Tensor):
        return [answer]
    values = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list | tuple) else []
    return [tensor for value in values for tensor in tensors_of(value)]


def read_config(bundle: Path) -> dict:
    """Give the configuration of the bundle."""
    return json.loads((bundle / "config.json").read_text("utf-8"))
