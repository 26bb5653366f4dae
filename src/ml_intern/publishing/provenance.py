"""The facts behind a card, for machines: written beside it, and read again by whoever verifies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import cast

from pydantic import TypeAdapter, ValidationError

from ml_intern.publishing.bundle import Bundle
from ml_intern.publishing.card import dataset_reference
from ml_intern.publishing.prose import Prose
from ml_intern.publishing.record import ModelRecord

FORMAT = 2
"""Version of the layout of `provenance.json`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What `provenance.json` says.

    `files` maps every published file but itself to its SHA-256, `bundle_files` those of the bundle alone; `document`
    is the whole as JSON values.
    """

    record: ModelRecord
    prose: Prose
    files: Mapping[str, str]
    bundle_files: Mapping[str, str]
    bundle_digest: str
    document: Mapping[str, object]


def provenance(record: ModelRecord, bundle: Bundle, *, prose: Prose, files: Mapping[str, str]) -> bytes:
    """Write `provenance.json`: the same for the same facts, so that publishing twice changes nothing.

    Args:
        record: what was proven.
        bundle: what was evaluated.
        prose: what the language model wrote for the card.
        files: every file that is published beside this one, with its SHA-256.
    """
    reference = dataset_reference(record.dataset.dataset)
    contract = record.contract
    if contract is not None and contract.dataset is not None:
        contract = replace(contract, dataset=dataset_reference(contract.dataset))
    asked = {**record.preparation, **({"dataset": reference} if "dataset" in record.preparation else {})}
    public = replace(record, contract=contract, dataset=replace(record.dataset, dataset=reference), preparation=asked)
    document = {
        "format": FORMAT,
        "files": dict(sorted(files.items())),
        "bundle": {"digest": bundle.digest, "files": dict(sorted(bundle.files.items()))},
        "prose": asdict(prose),
        **asdict(public),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def read(content: bytes) -> Provenance:
    """Read what `provenance` wrote.

    Raises:
        ValueError: it is damaged, or of another format; the message says which.
    """
    document: object = json.loads(content)
    if not isinstance(document, dict) or cast("dict[str, object]", document).get("format") != FORMAT:
        raise ValueError(f"it has another format than {FORMAT}; publish again with this version")
    values = cast("dict[str, object]", document)
    try:
        bundled = _BUNDLED.validate_python(values.get("bundle"))
        return Provenance(
            record=_RECORD.validate_python(values),
            prose=_PROSE.validate_python(values.get("prose")),
            files=_FILES.validate_python(values.get("files")),
            bundle_files=_FILES.validate_python(bundled.get("files")),
            bundle_digest=str(bundled.get("digest")),
            document=values,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


_RECORD = TypeAdapter(ModelRecord)
_PROSE = TypeAdapter(Prose)
_FILES = TypeAdapter(dict[str, str])
_BUNDLED = TypeAdapter(dict[str, object])
