"""What tools have proven during a run, typed, so that gates, cards and reports fold over facts and not over prose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Deliverable: TypeAlias = Literal["answer", "verified_network", "trained_model", "evaluation", "published_model"]
TaskKind: TypeAlias = Literal["classification", "regression"]
Location: TypeAlias = Literal["hub", "folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A point the sentence fixes, with the words it comes from."""

    name: str
    value: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAgreed:
    """The sentence turned into what will be judged; frozen for the run (design §5)."""

    objective: str
    deliverables: tuple[Deliverable, ...]
    constraints: tuple[Constraint, ...] = ()
    dataset: str | None = None
    metric: str | None = None
    plan: tuple[str, ...] = ()
    type: Literal["contract_agreed"] = "contract_agreed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """A decision that differs from the sentence, or settles what it left open; shown on the card."""

    point: str
    decision: str
    reason: str
    type: Literal["departed"] = "departed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a data set; `kind` is a plain word: image, text, integer, number, label, list, other."""

    name: str
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPrepared:
    """A data set was read, mapped and split; the final part stays outside every training sandbox.

    `digest` is the SHA-256 over the parts written; `rows` counts rows per part (`search`, `selection`, `final`).
    """

    dataset: str
    revision: str
    digest: str
    task: TaskKind
    inputs: tuple[Column, ...]
    target: str
    classes: tuple[str, ...]
    rows: Mapping[str, int]
    seed: int
    type: Literal["dataset_prepared"] = "dataset_prepared"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkVerified:
    """One exact source passed the dummy forward pass.

    `source_digest` covers the file and every module of the workspace it imports. `arguments` is the JSON object
    of the constructor's keyword arguments. Shapes are written like `(2, 3, 32, 32)`.
    """

    file: str
    class_name: str
    arguments: str
    source_digest: str
    input_shapes: tuple[str, ...]
    output_shape: str
    parameters: int
    type: Literal["network_verified"] = "network_verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A training job ended well and left finite weights.

    `hyperparameters` and `reported` are what the script was given and what it said of itself (self-reported);
    `steps`, `optimizer` and `last_loss` are what the training watch saw.
    """

    call_id: str
    source_digest: str
    script_digest: str
    weights_digest: str
    dataset_digest: str
    hyperparameters: Mapping[str, str]
    reported: Mapping[str, float]
    steps: int
    optimizer: str
    last_loss: float | None
    seconds: float
    device: str
    type: Literal["trained"] = "trained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One metric on one split, with its bootstrap 95 % interval and the trivial baseline beside it."""

    metric: str
    value: float
    low: float
    high: float
    baseline: float
    higher_is_better: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The runtime loaded the bundle afresh, predicted on hidden inputs and scored on hidden labels.

    The first of `scores` is the metric the contract names.
    """

    call_id: str
    train_call_id: str
    bundle_digest: str
    weights_digest: str
    dataset_digest: str
    split: str
    rows: int
    scores: tuple[Score, ...]
    environment: Mapping[str, str]
    type: Literal["evaluated"] = "evaluated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The bundle was pushed, fetched again and found equal. `revision` is the commit."""

    repository: str
    revision: str
    url: str
    location: Location
    bundle_digest: str
    type: Literal["published"] = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A fact of a kind that the core does not know: what plugins write and their own gates read."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    type: Literal["noted"] = "noted"


Fact: TypeAlias = (
    ContractAgreed | Departed | DatasetPrepared | NetworkVerified | Trained | Evaluated | Published | Noted
)
