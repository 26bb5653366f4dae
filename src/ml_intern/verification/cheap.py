"""The gate before a training: the forward pass, the checks of what a network claims, and what a person waived."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import get_args

from ml_intern.core.errors import ToolError
from ml_intern.core.gated import NetworkChecked
from ml_intern.core.neutral import one_line
from ml_intern.core.sandbox import Mount, SandboxBackend
from ml_intern.verification.asking import Question, ask
from ml_intern.verification.checking import (
    CheckReport,
    CheckRequest,
    CheckResult,
    checks_question,
    judge_checks,
    plugins_mount,
    seconds_of_checks,
)
from ml_intern.verification.contract import Claims, NetworkContract, Task, TensorSpec
from ml_intern.verification.forward import (
    DATA,
    TIMEOUT,
    ForwardReport,
    ForwardRequest,
    Sample,
    forward_question,
    judge_forward,
    refuse_nonsense,
    with_traceback,
)
from ml_intern.verification.meta import contract_of_shapes, positions_matter
from ml_intern.verification.registry import FAMILIES
from ml_intern.verification.source import source_digest

FAMILIES_BEFORE_TRAINING = tuple(name for name in FAMILIES if name not in {"data", "loop", "learning"})
SECONDS = 10.0
"""Of processor time after which no further check begins; small networks need about one."""

_OWN = {"task": "a kind", "causal": "true or false", "pad_id": "number", "positional": "tokens or patches:SIZE"}
"""Claims that are no fields of `Claims`, and what their values are."""
_SHOWN = 3
_EVIDENCE, _REASON = 700, 120
"""Characters of one check's evidence, and of why one could not judge."""
_KINDS = {"int": "number", "float": "number", "bool": "true or false", "str": "word", "Norm": "pre or post"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheapReport:
    """What the checks found; `text` is for the language model, `fact` is None where they gave no verdict."""

    passed: bool
    text: str
    fact: NetworkChecked | None = None


def claimed(request: ForwardRequest, claims: Mapping[str, object]) -> NetworkContract:
    """Make the contract of the shapes that are declared and of `claims`, such as {"task": "lm", "causal": True}.

    Raises:
        ToolError: a claim makes no sense.
    """
    task, pad = claims.get("task"), claims.get("pad_id")
    known = next((name for name in get_args(Task) if name == task), None)
    if task is not None and known is None:
        raise ToolError(f"claims: task {task!r} is none of {', '.join(get_args(Task))}")
    if pad is not None and type(pad) is not int:
        raise ToolError(f"claims: pad_id must be a token id, not {pad!r}")
    try:
        positional = positions_matter("tokens" if claims.get("positional") is True else claims.get("positional"))
        contract = contract_of_shapes(
            tuple(
                TensorSpec(shape=i.shape, dtype=i.dtype, low=i.low, high=i.high if i.dtype == "int64" else None)
                for i in request.inputs
            ),
            request.output_shape,
            task=known,
            causal=bool(claims.get("causal")),
            pad_id=pad,
            claims={name: value for name, value in claims.items() if name not in _OWN},
        )
    except ToolError as error:  # a file declares these in a variable META, a call does not
        raise ToolError(str(error).removeprefix("META ")) from error
    return replace(contract, positional=positional) if positional else contract


def check_before_training(
    backend: SandboxBackend,
    *,
    run: str,
    directory: Path,
    files: Mapping[str, bytes],
    request: ForwardRequest,
    contract: NetworkContract | None,
    sample: Sample | None = None,
    waived: Mapping[str, str] = MappingProxyType({}),
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[ForwardReport, CheapReport | None]:
    """Run the forward pass and, where it is right, every check that needs no training, in one sandbox.

    Asked again after a crash, the same request in the same directory attaches to its job.

    Args:
        backend: where it runs.
        run: identifier of the run, to label the sandbox.
        directory: a folder of the host that the sandbox does not see.
        files: the source, as `source_files` gives it; `request.file` is among them.
        request: what is claimed of the network.
        contract: what the checks hold it to; None for the forward pass alone, and then there is no second report.
        sample: real rows to try `predict` on.
        waived: checks that may fail, and why.
        cancelled: whether the person asked to stop.

    Raises:
        ToolError: the request itself makes no sense; nothing was started.
        SandboxError: the sandbox cannot start.
        ConfigError: a check of a plug-in cannot be found.
    """
    refuse_nonsense(files, request)
    checks = _checks(request, contract) if contract else None
    question = Question(
        program="gate.py",
        asked={"forward": forward_question(request, sample), "checks": checks and checks_question(checks)},
        directory=directory,
        files=files,
        timeout=TIMEOUT + (seconds_of_checks(checks) if checks else 0.0),
        mounts=(
            *((Mount(source=sample.data, target=DATA),) if sample else ()),
            *((plugins_mount(directory),) if checks else ()),
        ),
    )
    result, said = ask(backend, question, run=run, cancelled=cancelled)
    report = judge_forward(request, source_digest(files), result, said)
    if checks is None or report.fact is None:
        return with_traceback(directory, report), None
    found = judge_checks(result, said)
    if found.problem:
        return report, CheapReport(passed=False, text=f"The checks gave no verdict: {found.problem}")
    fact = _fact(checks, report.fact.source_digest, found, waived)
    return report, CheapReport(passed=not fact.failed, text=_told(found, fact), fact=fact)


def _checks(request: ForwardRequest, contract: NetworkContract) -> CheckRequest:
    return CheckRequest(
        file=request.file,
        contract=contract,
        class_name=request.class_name,
        arguments=request.arguments,
        families=FAMILIES_BEFORE_TRAINING,
        seconds=SECONDS,
    )


def _fact(request: CheckRequest, digest: str, report: CheckReport, waived: Mapping[str, str]) -> NetworkChecked:
    names = {
        status: tuple(r.name for r in report.results if r.status == status)
        for status in ("pass", "fail", "not_applicable", "inconclusive")
    }
    return NetworkChecked(
        file=request.file,
        class_name=request.class_name or "",
        source_digest=digest,
        contract=request.contract.to_json(),
        passed=names["pass"],
        failed=tuple(name for name in names["fail"] if name not in waived),
        not_applicable=names["not_applicable"],
        inconclusive=names["inconclusive"],
        waived={name: waived[name] for name in names["fail"] if name in waived},
        unmeasured=request.contract.claims.unknown,
        seconds=round(sum(result.seconds for result in report.results), 2),
    )


def _told(report: CheckReport, fact: NetworkChecked) -> str:
    count = len(fact.failed)
    lines = [f"Passed {len(fact.passed)} further checks."]
    if count:
        bad = [result for result in report.failures if result.name in fact.failed]
        more = f" The first {_SHOWN}:" if count > _SHOWN else ""
        lines = [
            f"{fact.class_name} ({fact.file}) FAILED {count} check{'s' if count > 1 else ''}; it may not train.{more}",
            *map(_evidence, bad[:_SHOWN]),
            f"Mend it and call check_network again. Only if the task wants exactly this: waive. {lines[0]}",
        ]
    lines += [f"Waived: {name}, because {why}." for name, why in fact.waived.items()]
    unjudged = [f"{r.name} ({one_line(r.evidence, _REASON)})" for r in report.results if r.status == "inconclusive"]
    if unjudged:
        lines.append(f"Not judged: {'; '.join(unjudged)}.")
    if fact.unmeasured:
        lines.append(f"No check measures the claims {', '.join(fact.unmeasured)}; known are {', '.join(_known())}.")
    return "\n".join(lines)


def _evidence(result: CheckResult) -> str:
    return f"- {result.name}: {one_line(result.evidence, _EVIDENCE)}"


def _known() -> Sequence[str]:
    """Name the claims that checks measure, each with what its value is."""
    kinds = {
        spec.name: _KINDS.get(str(spec.type).removesuffix(" | None"), "numbers of outputs") for spec in fields(Claims)
    }
    kinds["readout"] = "number of the token that the head reads"
    return [f"{name} ({kind})" for name, kind in {**_OWN, **kinds}.items() if name != "unknown"]
