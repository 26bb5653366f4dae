"""What tools have proven during a run, typed, so that gates, cards and reports fold over facts and not over prose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ml_intern.core.followed import PaperCompared, PaperSwept
from ml_intern.core.gated import NetworkChecked, SmokeRun, Waived

Deliverable: TypeAlias = Literal["answer", "verified_network", "trained_model", "evaluation", "published_model"]
TaskKind: TypeAlias = Literal["classification", "regression", "generation", "segmentation"]
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
class DataFinding:
    """What a check of the data found: rows that were left out, a doubt, or what was allowed with a reason."""

    check: str
    outcome: Literal["removed", "raised", "noted", "allowed"]
    rows: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPrepared:
    """A data set was read, mapped and split; the final part stays outside every training sandbox.

    `digest` is the SHA-256 over the parts written; `rows` counts rows per part (`search`, `selection`, `final`).
    `split` says how they were cut, `removed` counts rows left out by the reason; both are empty in old journals, and
    selection's labels were visible then.
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
    split: str = ""
    removed: Mapping[str, int] = field(default_factory=dict[str, int])
    findings: tuple[DataFinding, ...] = ()
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
class FileRead:
    """What the kernel saw of one file of `/data` during a training, outside of the process.

    `opened` and `read` count openings and reads; `covered` is the share of its pages that were brought into memory
    (an upper bound of what was read). None where the kernel or the file system cannot tell.
    """

    name: str
    bytes: int
    opened: int | None
    read: int | None
    covered: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteJudged:
    """Tests written for a network passed on this source, and were judged by wrong versions of it.

    `source_digest` is that of the network, `tests_digest` that of the test file and its own modules. `mutants` counts
    the wrong versions that do not break by themselves, `killed` those that the tests notice; `survivors` shows some
    of the others. `layers` are the classes and functions that were changed; empty means all.
    """

    file: str
    source_digest: str
    tests_file: str
    tests_digest: str
    tests: int
    mutants: int
    killed: int
    layers: tuple[str, ...] = ()
    survivors: tuple[str, ...] = ()
    type: Literal["suite_judged"] = "suite_judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A training job ended well and left finite weights.

    `hyperparameters` and `reported` are what the script was given and what it said of itself (self-reported);
    `steps`, `optimizer`, `last_loss` and `samples` are what the training watch saw; `recoveries` is a sentence for each
    time it went back to a healthy state. `weights_state` says which state of the training the weights are: `last`,
    `step N`, `average`, or what the script's author said of another; empty where the watch could not see it.
    `calls` counts its batches and `distinct` the samples among them that differ; 0 where that is not known.
    `unread` names hyperparameters that the script never read. `read` is what the data witness saw, empty in old
    journals; `doubts` are passages of the sources that could make up data. `sandbox` names what confined it,
    `none` where nothing did; empty in old journals.
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
    samples: int = 0
    recoveries: tuple[str, ...] = ()
    weights_state: str = ""
    unread: tuple[str, ...] = ()
    read: tuple[FileRead, ...] = ()
    doubts: tuple[str, ...] = ()
    calls: int = 0
    distinct: int = 0
    sandbox: str = ""
    type: Literal["trained"] = "trained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One metric on one split, with its bootstrap 95 % interval and the trivial baseline beside it.

    `least` and `most` bound its values; None where nothing does, or in old journals.
    """

    metric: str
    value: float
    low: float
    high: float
    baseline: float
    higher_is_better: bool
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a check saw about a model; with `refuses` it cannot be published as it is."""

    name: str
    detail: str
    refuses: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The known checkpoint that weights lie nearest to, nearer than to a fresh network: what they were tuned from.

    `revision` is its commit, empty where it has none; `digest` that of its file. `change` is the norm of the
    difference over that of the checkpoint, on the `shared` of `elements` values that both have.
    """

    name: str
    revision: str
    digest: str
    change: float
    shared: int
    elements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedScore:
    """The score of one more training that differs in its seed alone; `value` is of the metric that stands first."""

    seed: int
    weights_digest: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The runtime loaded the bundle afresh, predicted on hidden inputs and scored on hidden labels.

    The first of `scores` is the metric the contract names. `findings` is what examining the model showed,
    `examined` its figures by name, `packages` the lock of the sandbox (`name==version`), `seconds` the wall-clock
    time, `self_test_digest` that of the stored inputs and outputs, `metric_digest` that of the person's own metric
    file, `seeds` the repeated trainings; each empty or zero where there is none. `control` is the score on selection
    of the same training on permuted labels, and `control_rows` how many rows that part has; None where nobody asked.
    `base` is None where no known checkpoint is near.
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
    findings: tuple[Finding, ...] = ()
    examined: Mapping[str, float] = field(default_factory=dict[str, float])
    packages: tuple[str, ...] = ()
    seconds: float = 0.0
    self_test_digest: str = ""
    metric_digest: str = ""
    seeds: tuple[SeedScore, ...] = ()
    control: Score | None = None
    control_rows: int = 0
    base: Base | None = None
    type: Literal["evaluated"] = "evaluated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One constraint of the contract, held against what was proven; `open` where code cannot tell."""

    name: str
    value: str
    verdict: Literal["kept", "broken", "open"]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractChecked:
    """The constraints of the contract were held against one training."""

    train_call_id: str
    checks: tuple[Kept, ...]
    type: Literal["contract_checked"] = "contract_checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queried:
    """A candidate was scored on selection, whose labels nobody but the runtime sees; each query is counted."""

    call_id: str
    train_call_id: str
    bundle_digest: str
    weights_digest: str
    dataset_digest: str
    rows: int
    scores: tuple[Score, ...]
    type: Literal["queried"] = "queried"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationFailed:
    """A candidate met a part and could not be scored on it; that counts like a score.

    `code` names how, from a closed list; it is for people, and the language model is not told.
    """

    call_id: str
    train_call_id: str
    bundle_digest: str
    weights_digest: str
    dataset_digest: str
    split: str
    code: str = ""
    type: Literal["evaluation_failed"] = "evaluation_failed"


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
class Package:
    """One wheel: its file and the SHA-256 of it."""

    name: str
    version: str
    file: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagesInstalled:
    """The run's sandboxes have these packages from now on, besides those of the base they were built for.

    `layer` names the folder or image: a hash over base and packages. `packages` are all there are, not the new ones.
    """

    call_id: str
    layer: str
    base: str
    packages: tuple[Package, ...]
    type: Literal["packages_installed"] = "packages_installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A fact of a kind that the core does not know: what plugins write and their own gates read."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    type: Literal["noted"] = "noted"


Fact: TypeAlias = (
    ContractAgreed
    | ContractChecked
    | Departed
    | DatasetPrepared
    | NetworkVerified
    | Trained
    | Evaluated
    | Queried
    | EvaluationFailed
    | Published
    | PackagesInstalled
    | SuiteJudged
    | NetworkChecked
    | Waived
    | SmokeRun
    | PaperSwept
    | PaperCompared
    | Noted
)
