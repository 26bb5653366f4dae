"""Repeat a training with other seeds and score each, so that the luck of the training can be told from a gain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ml_intern.core.facts import Finding, SeedScore, Trained
from ml_intern.core.protocols import ToolContext
from ml_intern.core.sandbox import GPU
from ml_intern.tools._again import train_again


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """The scores of the repeats, and what must be said of those that gave none."""

    scores: tuple[SeedScore, ...] = ()
    findings: tuple[Finding, ...] = ()


def repeat(
    context: ToolContext,
    trained: Trained,
    score: Callable[[ToolContext, Trained], float | str],
    *,
    gpu: GPU,
    timeout: float,
) -> Repeated:
    """Train `context.seeds - 1` times more with the seeds that follow the training's own.

    Each repeat is a job of a folder named after this call and the seed, so that a resumed call attaches to it.

    Args:
        context: of the call that evaluates.
        trained: the training to repeat, with the sources and hyperparameters that it had.
        score: evaluates a repeat, with the context of its folder; text says why there is no score.
        gpu: as the training itself had.
        timeout: seconds for each.
    """
    own = trained.hyperparameters.get("seed", "")
    first = int(own) if own.isdigit() else 0
    scores: list[SeedScore] = []
    findings: list[Finding] = []
    for seed in range(first + 1, first + context.seeds):
        place = replace(context, call_id=f"{context.call_id}-seed-{seed}")
        again = train_again(place, trained, {"seed": seed}, gpu=gpu, timeout=timeout)
        if not isinstance(again, str) and again.weights_digest == trained.weights_digest:
            return Repeated(findings=(_UNUSED,))
        value = again if isinstance(again, str) else score(place, again)
        if isinstance(value, str) or isinstance(again, str):
            findings.append(_failed(seed, str(value)))
        else:
            scores.append(SeedScore(seed=seed, weights_digest=again.weights_digest, value=value))
    return Repeated(scores=tuple(scores), findings=tuple(findings))


_UNUSED = Finding(
    name="seed_unused",
    detail="The training script does not use the hyperparameter `seed`: trained again with another one it gives the "
    "same weights, which says nothing about noise.",
    refuses=False,
)


def _failed(seed: int, why: str) -> Finding:
    said = " ".join(why.split())[:300]
    return Finding(name="seed_failed", detail=f"The training with seed {seed} gave no score: {said}", refuses=False)
