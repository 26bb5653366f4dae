"""Everything that was proven about one model, gathered from the journal: the only source of numbers on its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ml_intern.core.errors import ToolError
from ml_intern.core.events import Record, ToolFinished
from ml_intern.core.facts import (
    ContractAgreed,
    ContractChecked,
    DatasetPrepared,
    Departed,
    Evaluated,
    EvaluationFailed,
    Fact,
    NetworkVerified,
    Package,
    PackagesInstalled,
    Queried,
    Trained,
)
from ml_intern.core.folds import all_facts, facts, started
from ml_intern.core.followed import PaperCompared
from ml_intern.publishing.gates import Gates, gates_of
from ml_intern.publishing.ledger import Entry, ledger

_Kind = TypeVar("_Kind", bound=Fact)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """The facts of one model that belong together.

    Attributes:
        run: identifier of the run.
        sentence: the task as the person wrote it.
        brain: label of the language model, or of the recipes, that decided.
        version: of this package.
        contract: what the sentence was turned into, if it was.
        departures: decisions that differ from it or settle what it left open, oldest first.
        dataset: the data.
        network: the network that was trained.
        trained: the training the weights come from.
        evaluated: the evaluation of exactly these weights.
        candidates: how many bundles of this run met that split, failed ones too.
        queries: how many were scored on selection.
        checked: the points of the contract as code held them against this training, if it did.
        followed: what the paper that the run follows says, against this training; None where there is none.
        ledger: every number proven in this run, oldest first.
        preparation: the arguments of the call that prepared the data; who has the data prepares them again with it.
        installed: packages that were added to the sandboxes before the evaluation.
        gates: what stood before the training.
    """

    run: str
    sentence: str
    brain: str
    version: str
    contract: ContractAgreed | None
    departures: tuple[Departed, ...]
    dataset: DatasetPrepared
    network: NetworkVerified
    trained: Trained
    evaluated: Evaluated
    candidates: int
    ledger: tuple[Entry, ...] = ()
    preparation: Mapping[str, object] = field(default_factory=dict[str, object])
    installed: tuple[Package, ...] = ()
    queries: int = 0
    checked: ContractChecked | None = None
    gates: Gates = field(default_factory=Gates)
    followed: PaperCompared | None = None


def gather(records: Sequence[Record], *, run: str, weights: str = "") -> ModelRecord:
    """Follow the newest evaluation, of these weights if given, back to its training, network and data.

    Raises:
        ToolError: nothing was evaluated, or a link of the chain is missing.
    """
    begin = started(records)
    evaluations = [e for e in facts(records, Evaluated) if weights in ("", e.weights_digest)]
    if begin is None or not evaluations:
        raise ToolError("nothing was evaluated yet; evaluate the trained model, then publish it")
    evaluated = evaluations[-1]
    trained = _last(
        [t for t in facts(records, Trained) if t.call_id == evaluated.train_call_id],
        f"the training {evaluated.train_call_id} of the evaluated weights",
    )
    if trained.weights_digest != evaluated.weights_digest:
        raise ToolError(f"the evaluated weights are not those of call {trained.call_id}; evaluate again")
    proven = all_facts(records)
    before = proven[: proven.index(evaluated)]  # a network checked later was not the one evaluated
    contracts = facts(records, ContractAgreed)
    dataset = _last(
        [d for d in facts(records, DatasetPrepared) if d.digest == evaluated.dataset_digest],
        "the preparation of the data that was evaluated on",
    )
    return ModelRecord(
        run=run,
        sentence=begin.task,
        brain=begin.model,
        version=begin.version,
        contract=contracts[-1] if contracts else None,
        departures=facts(records, Departed),
        dataset=dataset,
        network=_network(before, trained),
        trained=trained,
        evaluated=evaluated,
        candidates=_candidates(records, evaluated),
        queries=len(facts(records, Queried)),
        gates=gates_of(records, trained),
        followed=_followed(records, trained),
        ledger=ledger(records),
        preparation=arguments_of(records, dataset),
        checked=_checked(records, trained),
        installed=next((f.packages for f in reversed(before) if isinstance(f, PackagesInstalled)), ()),
    )


def _followed(records: Sequence[Record], trained: Trained) -> PaperCompared | None:
    made = (one for one in reversed(facts(records, PaperCompared)) if one.train_call_id == trained.call_id)
    return next(made, None)


def arguments_of(records: Sequence[Record], fact: Fact) -> Mapping[str, object]:
    """Give the arguments of the last call that proved `fact`."""
    calls = [r.event.call for r in records if isinstance(r.event, ToolFinished) and fact in r.event.observation.facts]
    return calls[-1].arguments if calls else {}


def _network(before: Sequence[Fact], trained: Trained) -> NetworkVerified:
    passed = [n for n in before if isinstance(n, NetworkVerified) and n.source_digest == trained.source_digest]
    return _last(passed, "the forward pass of the network that was trained")


def _checked(records: Sequence[Record], trained: Trained) -> ContractChecked | None:
    held = [one for one in facts(records, ContractChecked) if one.train_call_id == trained.call_id]
    return held[-1] if held else None


def _candidates(records: Sequence[Record], evaluated: Evaluated) -> int:
    met: list[Evaluated | EvaluationFailed] = [*facts(records, Evaluated), *facts(records, EvaluationFailed)]
    return len({one.bundle_digest for one in met if one.split == evaluated.split})


def _last(found: Sequence[_Kind], what: str) -> _Kind:
    if not found:
        raise ToolError(f"the journal lacks {what}; repeat that step and evaluate again")
    return found[-1]
