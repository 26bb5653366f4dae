"""Hold what a swept paper says against the network and the settings that were used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from ml_intern.core.contract import named_alike
from ml_intern.core.events import Record
from ml_intern.core.facts import Departed, NetworkVerified, Trained
from ml_intern.core.folds import facts
from ml_intern.core.followed import PaperCompared, PaperPoint, PaperSwept, PointCompared

_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "patch size": ("patch", "patch_size"),
    "depth": ("depth", "layers", "num_layers", "n_layers", "n_layer", "blocks", "num_blocks", "num_hidden_layers"),
    "width": ("dim", "width", "hidden", "hidden_dim", "hidden_size", "d_model", "embed_dim", "n_embd"),
    "heads": ("heads", "num_heads", "n_heads", "n_head", "nhead", "num_attention_heads"),
    "feed-forward size": ("mlp_dim", "mlp", "ff_dim", "d_ff", "ffn_dim", "dim_feedforward", "intermediate_size"),
}
"""How the argument of a network that a point speaks of may be called."""
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "batch size": ("batch_size", "batch"),
    "learning rate": ("learning_rate", "lr"),
    "warm-up": ("warmup_steps", "warmup"),
    "epochs": ("epochs",),
    "weight decay": ("weight_decay", "wd"),
}


def compared(records: Sequence[Record], network: NetworkVerified, trained: Trained) -> PaperCompared | None:
    """Judge each point of the paper that was swept last; None where none was."""
    swept = facts(records, PaperSwept)
    if not swept:
        return None
    points = tuple(_judged(point, network, trained) for point in swept[-1].points)
    return PaperCompared(train_call_id=trained.call_id, paper=swept[-1].paper, points=points)


def _judged(point: PaperPoint, network: NetworkVerified, trained: Trained) -> PointCompared:
    ours = _ours(point.name, network, trained)
    if not ours or not point.values:
        return PointCompared(point=point, ours=ours, verdict="open")
    same = any(_equal(value, ours) for value in point.values)
    return PointCompared(point=point, ours=ours, verdict="same" if same else "differs")


def _ours(name: str, network: NetworkVerified, trained: Trained) -> str:
    """Give our value of a point; empty where no argument or setting says it."""
    if name == "optimizer":
        return trained.optimizer.lower()
    given: Mapping[str, object] = trained.hyperparameters
    if name in _ARGUMENTS:
        given = cast("dict[str, object]", json.loads(network.arguments))
    names = _ARGUMENTS.get(name, _SETTINGS.get(name, ()))
    return next((str(given[key]) for key in names if key in given), "")


def _equal(value: str, ours: str) -> bool:
    try:
        return abs(float(value) - float(ours)) <= 1e-9 * max(1.0, abs(float(value)))
    except ValueError:
        return value == ours


def render(made: PaperCompared | None, departures: Sequence[Departed]) -> str:
    """Say where the paper says otherwise and no departure gives the reason; empty where nowhere."""
    unsaid = [
        one
        for one in (made.points if made else ())
        if one.verdict == "differs" and not any(named_alike(d.point, one.point.name) for d in departures)
    ]
    if made is None or not unsaid:
        return ""
    said = "; ".join(
        f"{one.point.name}: the paper {', '.join(one.point.values)} (section {one.point.anchor}), ours {one.ours}"
        for one in unsaid
    )
    return f"\n{made.paper} says otherwise: {said}. Record a `departure` with the reason for each; the card shows both."
