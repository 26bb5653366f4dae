"""Hold the constraints of a contract against what was proven: epochs, data, sizes, settings, metric, fresh weights."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast

from ml_intern.core.contract import concerns
from ml_intern.core.facts import (
    Constraint,
    ContractChecked,
    DatasetPrepared,
    Departed,
    Kept,
    NetworkVerified,
    Score,
    Trained,
)
from ml_intern.data.source import data_files, is_local
from ml_intern.evaluation.metrics import find
from ml_intern.publishing.card import dataset_reference
from ml_intern.tools._epochs import BATCH, count_epochs, number

_SIZES: Mapping[str, tuple[str, ...]] = {
    "patch": ("patch", "patch_size"),
    "depth|layers?|blocks?": ("depth", "layers", "num_layers", "n_layers", "n_layer", "blocks", "num_blocks"),
    "width|dim|hidden|embedding": ("dim", "width", "hidden", "hidden_dim", "hidden_size", "d_model", "embed_dim"),
    "heads?": ("heads", "num_heads", "n_heads", "n_head"),
    "classes": ("classes", "num_classes", "outputs"),
}
"""What a constraint is called, and how the argument of a network that it speaks of may be."""

_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "batch": BATCH,
    "learning rate|lr": ("learning_rate", "lr"),
    "seed": ("seed",),
    "weight decay": ("weight_decay",),
}
_LOADERS = ("from_pretrained", "load_state_dict", "load_file", "load_model", "hub.load", "torch.load")

Verdict: TypeAlias = Literal["kept", "broken", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a constraint is held against; `source` is the folder that the training ran from."""

    dataset: DatasetPrepared
    network: NetworkVerified
    trained: Trained
    scores: tuple[Score, ...]
    source: Path


def check(constraints: tuple[Constraint, ...], proven: Proven) -> ContractChecked:
    """Judge each constraint; what code does not understand stays open."""
    return ContractChecked(
        train_call_id=proven.trained.call_id, checks=tuple(_judged(one, proven) for one in constraints)
    )


def named_data(task: str, agreed: Sequence[Constraint], dataset: DatasetPrepared) -> tuple[Kept, ...]:
    """Judge the data that the sentence fixes by name, whatever the contract says: paths that hold data, `sklearn/…`.

    Nothing where the contract has a point on data: then that is judged. No path of this machine is told on.
    """
    if any(re.search(r"\bdata", one.name.lower()) for one in agreed):
        return ()
    words = [word.lstrip("\"'`([").rstrip("\"'`)].,;:!?") for word in task.split()]
    named = [word for word in dict.fromkeys(words) if word.startswith("sklearn/") or _holds_data(word)]
    if not named:
        return ()
    is_kept = any(name == dataset.dataset or _is_same_place(name, dataset.dataset) for name in named)
    value = " or ".join(map(dataset_reference, named))
    detail = f"{dataset_reference(dataset.dataset)} was used"
    return (Kept(name="data set", value=value, verdict="kept" if is_kept else "broken", detail=detail),)


def _holds_data(word: str) -> bool:
    path = Path(word).expanduser()
    return is_local(word) and path != Path("/") and path.exists() and bool(data_files(path))


def render(checked: ContractChecked, departures: Sequence[Departed]) -> str:
    """Say what is broken without a departure on record, and what to do about it; empty where nothing is."""
    bad = [one for one in checked.checks if one.verdict == "broken"]
    unsaid = [one for one in bad if not any(concerns(made.point, one) for made in departures)]
    if not unsaid:
        return ""
    said = "; ".join(f"{one.name} {one.value}: {one.detail}" for one in unsaid)
    return f"\nThe sentence fixed otherwise: {said}. Train again as agreed, or record a `departure` with the reason."


def _judged(constraint: Constraint, proven: Proven) -> Kept:
    for words, judge in _JUDGES.items():
        if re.search(rf"\b(?:{words})\b", constraint.name.lower()):
            is_kept, detail = judge(constraint, proven)
            verdict: Verdict = "open" if is_kept is None else "kept" if is_kept else "broken"
            return Kept(name=constraint.name, value=constraint.value, verdict=verdict, detail=detail)
    return Kept(name=constraint.name, value=constraint.value, verdict="open", detail="not checked by code")


_Judgement: TypeAlias = tuple[bool | None, str]


def _epochs(constraint: Constraint, proven: Proven) -> _Judgement:
    wanted, trained = number(constraint.value), proven.trained
    if wanted is None:
        return None, "no number"
    given = number(trained.hyperparameters.get("epochs", ""))
    if given is not None and given != wanted:
        return False, f"the training was given {given:g} epochs"
    return count_epochs(trained, proven.dataset).judge(wanted)


def _data(constraint: Constraint, proven: Proven) -> _Judgement:
    used, wanted = _plain(proven.dataset.dataset), _plain(constraint.value)
    is_kept = wanted in used or used in wanted or _plain(constraint.words) in used
    return is_kept, f"{dataset_reference(proven.dataset.dataset)} was used"


def _is_same_place(named: str, used: str) -> bool:
    """Whether both are paths of this machine, and the one that was used is the named one or lies in it."""
    if not is_local(named) or not is_local(used):
        return False
    return Path(used).expanduser().resolve().is_relative_to(Path(named).expanduser().resolve())


def _scratch(constraint: Constraint, proven: Proven) -> _Judgement:
    del constraint
    found = [name for file in sorted(proven.source.rglob("*.py")) for name in _loaders(file)]
    if found:
        return None, f"the sources call {', '.join(dict.fromkeys(found))}"
    return True, "the sandbox holds no weights and no source loads any"


def _loaders(file: Path) -> list[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return []
    called = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [name for name in called if name.endswith(_LOADERS)]


def _metric(constraint: Constraint, proven: Proven) -> _Judgement:
    wanted = find(proven.dataset, constraint.value)
    if wanted is None or not proven.scores:
        return None, "the runtime does not compute it"
    return any(score.metric == wanted for score in proven.scores), "; ".join(score.metric for score in proven.scores)


def _optimizer(constraint: Constraint, proven: Proven) -> _Judgement:
    used = proven.trained.optimizer
    return _plain(constraint.value) == _plain(used), f"{used} was used"


def _size(names: tuple[str, ...]) -> Callable[[Constraint, Proven], _Judgement]:
    def judge(constraint: Constraint, proven: Proven) -> _Judgement:
        given = cast("dict[str, object]", json.loads(proven.network.arguments))
        return _compared(constraint, names, given, "argument of the network")

    return judge


def _given(names: tuple[str, ...]) -> Callable[[Constraint, Proven], _Judgement]:
    def judge(constraint: Constraint, proven: Proven) -> _Judgement:
        return _compared(constraint, names, proven.trained.hyperparameters, "hyperparameter")

    return judge


def _compared(constraint: Constraint, names: tuple[str, ...], given: Mapping[str, object], what: str) -> _Judgement:
    wanted = number(constraint.value)
    found = {name: value for name in names if (value := number(str(given.get(name, "")))) is not None}
    if wanted is None or not found:
        return None, f"no {what} says it"
    said = ", ".join(f"{name} {value:g}" for name, value in found.items())
    return wanted in found.values(), f"{what} {said}"


_JUDGES: Mapping[str, Callable[[Constraint, Proven], _Judgement]] = {
    "epochs?": _epochs,
    "data(?: ?set)?": _data,
    "scratch|pretrained|random weights": _scratch,
    "metric": _metric,
    "optimi[sz]er": _optimizer,
    **{words: _given(names) for words, names in _SETTINGS.items()},
    **{words: _size(names) for words, names in _SIZES.items()},
}


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower().split("@", 1)[0].removeprefix("sklearn/"))
