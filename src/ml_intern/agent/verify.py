"""Verify a published model from its own files: put claims of the files, a sandbox and a second evaluation together."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from ml_intern.agent.reevaluate import evaluation_claims
from ml_intern.config import Settings
from ml_intern.core.chain import chain
from ml_intern.core.errors import ConfigError, JournalError, MLInternError
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.evaluation.selfcheck import TOLERANCE, self_check
from ml_intern.journal.runs import DATABASE
from ml_intern.journal.sqlite import SqliteJournal
from ml_intern.publishing.claims import Claim, judged, read_provenance, static_claims
from ml_intern.publishing.hub import download
from ml_intern.publishing.provenance import Provenance
from ml_intern.publishing.push import SELF_TEST

Verdict: TypeAlias = Literal["passed", "failed", "could not be checked"]

LOADS = "loads"
SANDBOX = "loads, self-test, evaluation"
"""The claim that stands for all that need a sandbox, where it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What became of every claim of a published model."""

    reference: str
    claims: tuple[Claim, ...]

    @property
    def failed(self) -> tuple[Claim, ...]:
        """The claims that do not hold."""
        return tuple(claim for claim in self.claims if claim.verdict == "failed")

    @property
    def verdict(self) -> Verdict:
        """What to say of the whole: where the model could not even be loaded, nothing was verified."""
        if self.failed:
            return "failed"
        names = {claim.name for claim in self.claims}
        return "passed" if LOADS in names and SANDBOX not in names else "could not be checked"


def verify(
    reference: str, *, settings: Settings, sandbox: Callable[[], SandboxBackend], data: Path | None = None
) -> Verification:
    """Check a published model on any machine, from its repository alone.

    Args:
        reference: a folder, or `namespace/name` on a Hub, with `@revision` behind it where wanted.
        settings: token and endpoint of the Hub, and where runs are kept.
        sandbox: gives the backend that loads the model; asked once, after the files were checked.
        data: folder or file with the data set, where it is neither public nor bundled.

    Raises:
        ConfigError: there is no such folder or repository.
    """
    with tempfile.TemporaryDirectory(prefix="ml-intern-verify-") as scratch:
        folder = _folder(reference, settings, Path(scratch))
        provenance, readable = read_provenance(folder)
        if provenance is None:
            return Verification(reference=reference, claims=(readable,))
        claims = [readable, *static_claims(folder, provenance), _signature(), _journal(provenance, settings)]
        claims += _run(folder, provenance, settings, sandbox, data, Path(scratch))
    return Verification(reference=reference, claims=tuple(claims))


def _folder(reference: str, settings: Settings, scratch: Path) -> Path:
    local = Path(reference).expanduser()
    if local.is_dir():
        return local.resolve()
    if reference.startswith(("/", "./", "../", "~")):
        raise ConfigError(f"there is no folder {reference}")
    name, _, revision = reference.partition("@")
    try:
        return download(name, revision or "main", settings, into=scratch / "repository")
    except MLInternError as error:
        raise ConfigError(f"{reference} is no folder here, and on the Hub: {error}") from error


def _signature() -> Claim:
    return Claim(
        name="signature",
        verdict="not checkable",
        detail="nothing is signed: who writes weights, ledger and card anew, all of them fitting each other, is found "
        "only by the evaluation below or by who keeps the journal",
    )


def _journal(provenance: Provenance, settings: Settings) -> Claim:
    """Compare the ledger with the run's journal, where this machine has it."""
    name, run = "journal", provenance.record.run
    database = settings.runs / run / DATABASE
    if "/" in run or run.startswith(".") or not database.exists():
        return Claim(name=name, verdict="not checkable", detail=f"the journal of run {run} is not on this machine")
    try:
        with SqliteJournal(database, writer=False) as journal:
            records = list(journal)
    except JournalError as error:
        return judged(name, str(error), "")
    entries = provenance.record.ledger
    wrong = [entry.id for entry in entries if chain(records[: entry.seq + 1]) != entry.journal]
    return judged(
        name,
        f"entries are not those of the journal: {', '.join(wrong)}" if wrong else "",
        f"the digests of {len(entries)} entries are those of the run's journal",
    )


def _run(
    folder: Path,
    provenance: Provenance,
    settings: Settings,
    sandbox: Callable[[], SandboxBackend],
    data: Path | None,
    scratch: Path,
) -> Iterator[Claim]:
    """Load the model in a sandbox and evaluate it again; what needs a sandbox is not checkable without one."""
    bundle = _copy(folder, provenance.bundle_files, scratch / "bundle")
    if bundle is None:
        yield Claim(name=SANDBOX, verdict="not checkable", detail="files of the bundle are missing")
        return
    try:
        backend = sandbox()
        yield from _loads(folder, bundle, provenance, backend, scratch)
        yield from evaluation_claims(provenance, bundle, backend, settings=settings, data=data, scratch=scratch)
    except MLInternError as error:
        yield Claim(name=SANDBOX, verdict="not checkable", detail=str(error))


def _copy(folder: Path, names: Iterable[str], into: Path) -> Path | None:
    """Copy the bundle's own files, and nothing else."""
    for name in names:
        source, target = folder / name, into / name
        if ".." in Path(name).parts or Path(name).is_absolute() or source.is_symlink() or not source.is_file():
            return None
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return into


def _loads(
    folder: Path, bundle: Path, provenance: Provenance, backend: SandboxBackend, scratch: Path
) -> Iterator[Claim]:
    has_test = bool(provenance.record.evaluated.self_test_digest) and (folder / SELF_TEST).is_file()
    if has_test:
        shutil.copyfile(folder / SELF_TEST, scratch / SELF_TEST)
    found = self_check(
        backend,
        run="verify",
        directory=scratch / "selfcheck",
        bundle=bundle,
        stored=scratch / SELF_TEST if has_test else None,
    )
    if isinstance(found, str):
        yield judged(LOADS, f"it does not load in a sandbox: {found}", "")
        return
    yield judged(LOADS, "", "its own class takes the weights, strictly, in a sandbox without network")
    yield judged("weights are sound", _unsound(dict(found)), "all are finite and no network of constants")
    if not has_test:
        yield Claim(name="self-test", verdict="not checkable", detail="no inputs and outputs were stored")
        return
    difference = found.get("difference", -1.0)
    yield judged(
        "self-test",
        "" if 0 <= difference <= TOLERANCE else f"its outputs differ from the stored ones by {difference:.3g}",
        "bit-equal outputs" if difference == 0 else f"outputs equal up to {difference:.1g}",
    )


def _unsound(found: dict[str, float]) -> str:
    if found.get("not_finite"):
        return f"{found['not_finite']:.0f} values are not finite"
    if 0 < found.get("matrices", 0) <= found.get("constant_matrices", 0):
        return "every matrix holds a single value"
    return ""
