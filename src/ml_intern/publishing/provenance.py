"""The facts behind a card, for machines."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from ml_intern.publishing.bundle import Bundle
from ml_intern.publishing.card import dataset_reference
from ml_intern.publishing.record import ModelRecord

FORMAT = 1
"""Version of the layout of `provenance.json`."""


def provenance(record: ModelRecord, bundle: Bundle) -> bytes:
    """Write `provenance.json`: the same for the same facts, so that publishing twice changes nothing."""
    reference = dataset_reference(record.dataset.dataset)
    contract = record.contract
    if contract is not None and contract.dataset is not None:
        contract = replace(contract, dataset=dataset_reference(contract.dataset))
    public = replace(record, contract=contract, dataset=replace(record.dataset, dataset=reference))
    bundled = {"digest": bundle.digest, "files": dict(sorted(bundle.files.items()))}
    document = {"format": FORMAT, "bundle": bundled, **asdict(public)}
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
