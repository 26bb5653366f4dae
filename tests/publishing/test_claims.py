"""A published model is believed claim by claim: what was changed after publishing is found, and named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_intern.core.chain import chain
from ml_intern.core.errors import ToolError
from ml_intern.core.facts import ContractChecked, Evaluated, FileRead, Kept, Score
from ml_intern.publishing.claims import read_provenance, static_claims
from ml_intern.publishing.folder import FolderDestination
from ml_intern.publishing.ledger import Entry, Progress, ledger, over_seeds, progress
from ml_intern.publishing.push import stage
from ml_intern.publishing.record import gather
from publishing.samples import (
    CONTRACT,
    DATASET,
    PROSE,
    RUN,
    SCORE,
    TRAINED,
    VERIFIED,
    build_sample,
    evaluated,
    journal,
    sample_record,
)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A staged publication, as it would be pushed."""
    bundle, folder = build_sample(tmp_path / "bundle"), tmp_path / "publication"
    stage(
        folder,
        bundle=bundle,
        record=sample_record(bundle),
        prose=PROSE,
        repository="local/flowers",
        destination=FolderDestination(tmp_path / "hub" / "models"),
    )
    return folder


def failures(folder: Path) -> list[str]:
    provenance, claim = read_provenance(folder)
    claims = [claim, *(static_claims(folder, provenance) if provenance else [])]
    return [claim.name for claim in claims if claim.verdict == "failed"]


def change(file: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(file.read_text("utf-8"))
    edit(document)
    file.write_text(json.dumps(document), "utf-8")


def edit_card(folder: Path, old: str, new: str) -> None:
    """Change the card and make its digest fit again, as whoever means it would."""
    card = (folder / "README.md").read_text("utf-8")
    assert old in card
    (folder / "README.md").write_text(card.replace(old, new), "utf-8")
    digest = hashlib.sha256((folder / "README.md").read_bytes()).hexdigest()
    change(folder / "provenance.json", lambda d: d["files"].update({"README.md": digest}))


def test_a_publication_as_it_was_made_keeps_every_claim(published: Path) -> None:
    assert failures(published) == []


def test_every_number_of_witness_control_and_contract_resolves(tmp_path: Path) -> None:
    bundle = build_sample(tmp_path / "bundle")
    read = FileRead(name="search.parquet", bytes=11_579, opened=2, read=3, covered=0.666)
    kept = Kept(name="epochs", value="3", verdict="kept", detail="300 samples over 100 rows are 3.00 epochs")
    record = sample_record(bundle)
    full = replace(
        record,
        trained=replace(record.trained, read=(read,), doubts=("train.py line 9: it goes on",)),
        evaluated=replace(record.evaluated, control=replace(SCORE, value=0.35, low=0.2, high=0.5), control_rows=20),
        checked=ContractChecked(train_call_id="train-1", checks=(kept,)),
    )

    stage(
        tmp_path / "publication",
        bundle=bundle,
        record=full,
        prose=PROSE,
        repository="local/flowers",
        destination=FolderDestination(tmp_path / "hub" / "models"),
    )

    assert failures(tmp_path / "publication") == []


def test_one_changed_byte_of_the_weights_is_found(published: Path) -> None:
    weights = bytearray((published / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (published / "model.safetensors").write_bytes(weights)

    assert failures(published) == ["file model.safetensors"]


def test_a_file_more_and_a_file_less_are_found(published: Path) -> None:
    (published / "extra.py").write_text("")
    (published / "scaling.py").unlink()

    assert failures(published) == ["file scaling.py", "no other files"]


def test_what_a_hub_adds_by_itself_is_no_file_more(published: Path) -> None:
    (published / ".gitattributes").write_text("*.safetensors filter=lfs\n")

    assert failures(published) == []


def test_a_changed_card_is_found_by_its_digest(published: Path) -> None:
    (published / "README.md").write_text((published / "README.md").read_text("utf-8") + "\n", "utf-8")

    assert failures(published) == ["file README.md", "card, word for word"]


@pytest.mark.parametrize(
    ("old", "new", "failed"),
    [
        ("| 0.8765 |", "| 0.9765 |", ["card, the table of scores, accuracy", "card, other numbers"]),
        # the upper end of the interval is a number of the ledger, but not in this place
        ("| 0.8765 |", "| 0.9432 |", ["card, the table of scores, accuracy"]),
        ("value: 0.8765", "value: 0.9432", ["card, the metadata, accuracy"]),
        ("| optimizer steps | 120 |", "| optimizer steps | 121 |", ["card, other numbers"]),
        # a whole number that some fact has too
        ("for 3 epochs and", "for 5 epochs and", []),
        ("d" * 64, "e" * 64, ["card, other numbers"]),
    ],
)
def test_a_number_that_was_changed_together_with_its_digest_resolves_to_no_entry(
    published: Path, old: str, new: str, failed: list[str]
) -> None:
    edit_card(published, old, new)

    assert failures(published) == [*failed, "card, word for word"]


def test_a_card_of_another_version_is_compared_by_its_numbers_alone(published: Path) -> None:
    edit_card(published, "ml-intern 0.1.0", "ml-intern 0.0.9")
    change(published / "provenance.json", lambda d: d.update({"version": "0.0.9"}))

    assert failures(published) == []


def test_words_with_a_number_that_nobody_measured_are_found_even_where_the_provenance_has_them(
    published: Path,
) -> None:
    edit_card(published, "It is small.", "It is 99.7 % accurate.")
    change(
        published / "provenance.json",
        lambda d: d["prose"].update({"summary": "A linear classifier.\n\nIt is 99.7 % accurate."}),
    )

    assert failures(published) == ["card, other numbers", "card, word for word"]


def test_the_provenance_of_another_model_is_found(published: Path, tmp_path: Path) -> None:
    other = published / "provenance.json"
    change(other, lambda d: d["trained"].update({"weights_digest": "0" * 64}))

    assert failures(published) == ["provenance is of this model", "card, word for word"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 2}'])
def test_a_provenance_that_cannot_be_read_is_a_failure_and_no_crash(published: Path, content: str) -> None:
    (published / "provenance.json").write_text(content)

    assert failures(published) == ["provenance"]


def test_a_link_in_a_publication_is_a_failure(published: Path) -> None:
    (published / "link.py").symlink_to("/etc/hostname")

    assert "files" in failures(published)


def test_the_linter_refuses_a_card_before_it_is_pushed(tmp_path: Path) -> None:
    bundle = build_sample(tmp_path / "bundle")
    record = sample_record(bundle)
    # an entry that is not the evaluation's own: the card would say what the ledger does not
    torn = replace(record, ledger=tuple(replace(entry, value=0.5) for entry in record.ledger))

    with pytest.raises(ToolError, match="which no entry has"):
        stage(
            tmp_path / "publication",
            bundle=bundle,
            record=torn,
            prose=PROSE,
            repository="local/flowers",
            destination=FolderDestination(tmp_path / "hub" / "models"),
        )


def test_the_ledger_has_an_entry_for_each_number_with_what_it_hangs_on(tmp_path: Path) -> None:
    bundle = build_sample(tmp_path / "bundle")
    seeded = replace(TRAINED, hyperparameters={"seed": "7"}, device="cuda: H100")
    scored = replace(evaluated(bundle), packages=("torch==2.13.0",), seconds=4.0)
    records = journal(CONTRACT, DATASET, VERIFIED, seeded, scored, scored)

    (entry,) = ledger(records)

    assert (entry.id, entry.value, entry.seeds, entry.gpu_seconds) == ("evaluate-1/accuracy", 0.8765, (7,), 12.5)
    assert set(entry.digests) == {"bundle", "source", "script", "weights", "data", "environment"}
    assert (entry.seq, entry.journal) == (5, chain(records[:6]))
    assert gather(records, run=RUN).ledger == (entry,)


def test_the_digest_of_a_journal_changes_with_any_event_before_and_with_none_after(tmp_path: Path) -> None:
    records = journal(CONTRACT, DATASET, VERIFIED, TRAINED)
    altered = journal(CONTRACT, DATASET, VERIFIED, replace(TRAINED, steps=121))

    assert chain(records[:4]) == chain(altered[:4])
    assert chain(records) != chain(altered)


def candidates(tmp_path: Path, *values: float) -> tuple[Entry, ...]:
    bundle = build_sample(tmp_path / "bundle")

    def scored(n: int, value: float) -> Evaluated:
        score: Score = replace(SCORE, value=value, low=value - 0.02, high=value + 0.02)
        return replace(evaluated(bundle), call_id=f"evaluate-{n}", scores=(score,))

    return ledger(journal(DATASET, VERIFIED, TRAINED, *(scored(n, value) for n, value in enumerate(values))))


def test_only_a_gain_beyond_the_noise_counts_as_progress(tmp_path: Path) -> None:
    counted = progress(candidates(tmp_path, 0.80, 0.81, 0.815, 0.86, 0.85))

    assert counted == Progress(candidates=5, gains=1, false_gains=2)


def test_the_interval_over_seeds_is_students(tmp_path: Path) -> None:
    first = replace(SCORE, value=0.8)

    assert over_seeds(first, [0.9]) == pytest.approx((0.85, 0.85 - 12.706 * 0.05, 0.85 + 12.706 * 0.05))
    assert over_seeds(first, [0.8, 0.8]) == pytest.approx((0.8, 0.8, 0.8))


def test_the_interval_over_seeds_ends_where_the_metric_does() -> None:
    share = replace(SCORE, value=0.8, least=0.0, most=1.0)

    assert over_seeds(share, [0.9]) == pytest.approx((0.85, 0.2147, 1.0), abs=1e-4)
