"""What the files of a published model say of themselves, each claim with a verdict; nothing is run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal, TypeAlias, cast

from ml_intern.core.errors import ToolError
from ml_intern.core.safetensors import check_weights
from ml_intern.core.version import VERSION
from ml_intern.publishing.bundle import CONFIG, WEIGHTS, Bundle, digest_of, file_digest, file_names
from ml_intern.publishing.card import render
from ml_intern.publishing.ledger import of_evaluation
from ml_intern.publishing.lint import CardNumber, lint
from ml_intern.publishing.provenance import Provenance, read
from ml_intern.publishing.push import CARD, PROVENANCE

VerdictOf: TypeAlias = Literal["passed", "failed", "not checkable"]

_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

ATTRIBUTES = ".gitattributes"
"""The one file that a Hub adds by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim of a published model and what became of it; `detail` says how it was checked, or why it was not."""

    name: str
    verdict: VerdictOf
    detail: str


def judged(name: str, problem: str, fine: str) -> Claim:
    """Give a claim that failed where there is a problem."""
    return Claim(name=name, verdict="failed" if problem else "passed", detail=problem or fine)


def read_provenance(folder: Path) -> tuple[Provenance | None, Claim]:
    """Read `provenance.json`; without it nothing else can be checked."""
    try:
        return read((folder / PROVENANCE).read_bytes()), judged("provenance", "", f"{PROVENANCE} is readable")
    except (OSError, ValueError) as error:
        return None, judged("provenance", f"{PROVENANCE} cannot be read: {error}", "")


def static_claims(folder: Path, provenance: Provenance) -> list[Claim]:
    """Check files, provenance, layout of the weights and every number on the card."""
    return [
        *_files(folder, provenance),
        judged("provenance is of this model", "; ".join(_mismatches(folder, provenance)), "its parts fit each other"),
        _layout(folder),
        *_card(folder, provenance),
        _rendered(folder, provenance),
    ]


def _files(folder: Path, provenance: Provenance) -> Iterator[Claim]:
    try:
        names = set(file_names(folder))
    except ToolError as error:
        yield judged("files", str(error), "")
        return
    for name, digest in provenance.files.items():
        found = file_digest(folder / name) if name in names else ""
        problem = "" if found == digest else f"its SHA-256 is {found}, not {digest}" if found else "it is missing"
        yield judged(f"file {name}", problem, f"SHA-256 {digest[:16]}…")
    added = sorted(names - set(provenance.files) - {PROVENANCE, ATTRIBUTES})
    yield judged("no other files", f"not among the published ones: {', '.join(added)}" if added else "", "none")


def _mismatches(folder: Path, provenance: Provenance) -> Iterator[str]:
    """Say where the parts of the provenance contradict each other or the files."""
    record = provenance.record
    weights = provenance.files.get(WEIGHTS)
    if any(provenance.files.get(name) != digest for name, digest in provenance.bundle_files.items()):
        yield "the evaluated bundle has other files"
    if digest_of(provenance.bundle_files) != provenance.bundle_digest:
        yield "the digest of the bundle is not that of its files"
    if record.evaluated.bundle_digest != provenance.bundle_digest:
        yield "another bundle was evaluated"
    if not weights == record.evaluated.weights_digest == record.trained.weights_digest:
        yield "other weights were trained or evaluated"
    if record.evaluated.dataset_digest != record.dataset.digest:
        yield "it was evaluated on other data"
    entries = of_evaluation(record.ledger, record.evaluated)
    if any(entry.digests.get("weights") != weights for entry in entries) or not entries:
        yield "the entries of the ledger are of other weights"
    yield from _config_mismatches(folder, provenance)


def _config_mismatches(folder: Path, provenance: Provenance) -> Iterator[str]:
    record = provenance.record
    try:
        config: object = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        config = {}
    said = cast("dict[str, object]", config) if isinstance(config, dict) else {}
    if said.get("run") != record.run or said.get("architecture") != record.network.class_name:
        yield f"{CONFIG} is of another run or network"


def _layout(folder: Path) -> Claim:
    try:
        check_weights(folder, WEIGHTS)
    except (ToolError, OSError) as error:
        return judged("weights are safetensors", str(error), "")
    return judged("weights are safetensors", "", "the header is sound and the tensors fill the file")


def _card(folder: Path, provenance: Provenance) -> Iterator[Claim]:
    """Give a claim for each score on the card, and one for all other numbers."""
    try:
        numbers = lint((folder / CARD).read_text("utf-8"), provenance)
    except (OSError, ValueError) as error:
        yield judged("card", f"{CARD} cannot be read: {error}", "")
        return
    scores = [number for number in numbers if number.entry]
    others = [number for number in numbers if not number.entry]
    for number in scores:
        problem = "" if number.resolved else f"the card says {number.words!r}, which is not what the ledger has"
        yield judged(f"card, {number.where}", problem, f"{number.words} is entry {number.entry}")
    yield judged("card, other numbers", _unresolved(others), f"all {len(others)} resolve to recorded facts")


def _unresolved(numbers: list[CardNumber]) -> str:
    wrong = [number for number in numbers if not number.resolved]
    return "; ".join(f"{number.words!r} in {number.where} resolves to nothing" for number in wrong[:5])


def _rendered(folder: Path, provenance: Provenance) -> Claim:
    """Write the card again from the recorded facts: word for word the same, but for the example's own address."""
    name = "card, word for word"
    if provenance.record.version != VERSION:
        why = f"written by version {provenance.record.version}; this is {VERSION}, which words cards its own way"
        return Claim(name=name, verdict="not checkable", detail=why)
    try:
        found = (folder / CARD).read_text("utf-8")
        bundle = Bundle(folder=folder, files=provenance.bundle_files, digest=provenance.bundle_digest)
        place = None if "snapshot_download(" in found else folder
        again = render(provenance.record, provenance.prose, bundle=bundle, repository="a/b", folder=place)
    except (OSError, ValueError, ToolError) as error:
        return judged(name, f"it cannot be written again: {error}", "")
    lines = zip_longest(_CODE.sub("", found).splitlines(), _CODE.sub("", again).splitlines(), fillvalue="nothing")
    differs = next((f"{now[:100]!r} stands where {then[:100]!r} belongs" for now, then in lines if now != then), "")
    return judged(name, differs, "what code writes from the recorded facts is this card")
