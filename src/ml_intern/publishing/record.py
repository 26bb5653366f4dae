"""Everything that was proven about one model, gathered from the journal: the only source of numbers on its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ml_intern.core.errors import ToolError
from ml_intern.core.events import Record
from ml_intern.core.facts import ContractAgreed, DatasetPrepared, Departed, Evaluated, Fact, NetworkVerified, Trained
from ml_intern.core.folds import all_facts, facts, started

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
        candidates: how many trainings this run scored on that split.
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


def gather(records: Sequence[Record], *, run: str) -> ModelRecord:
    """Follow the newest evaluation back to its training, network and data.

    Raises:
        ToolError: nothing was evaluated, or a link of the chain is missing.
    """
    begin = started(records)
    evaluations = facts(records, Evaluated)
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
    return ModelRecord(
        run=run,
        sentence=begin.task,
        brain=begin.model,
        version=begin.version,
        contract=contracts[-1] if contracts else None,
        departures=facts(records, Departed),
        dataset=_last(
            [d for d in facts(records, DatasetPrepared) if d.digest == evaluated.dataset_digest],
            "the preparation of the data that was evaluated on",
        ),
        network=_last(
            [n for n in before if isinstance(n, NetworkVerified) and n.source_digest == trained.source_digest],
            "the forward pass of the network that was trained",
        ),
        trained=trained,
        evaluated=evaluated,
        candidates=len({e.weights_digest for e in evaluations if e.split == evaluated.split}),
    )


def _last(found: Sequence[_Kind], what: str) -> _Kind:
    if not found:
        raise ToolError(f"the journal lacks {what}; repeat that step and evaluate again")
    return found[-1]
