"""A card's numbers are facts, its metadata load, and no text of others can break out of its place."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.card import problems
from ml_intern.core.errors import ToolError
from ml_intern.core.facts import Base, Column, ContractChecked, Departed, FileRead, Kept, Package, PackagesInstalled
from ml_intern.core.followed import PaperCompared, PaperPoint, PointCompared
from ml_intern.core.gated import NetworkChecked, SmokeRun, Waived
from ml_intern.publishing.bundle import Bundle
from ml_intern.publishing.card import render
from ml_intern.publishing.lint import lint
from ml_intern.publishing.prose import Prose, check
from ml_intern.publishing.provenance import provenance, read
from ml_intern.publishing.record import ModelRecord, gather
from ml_intern.publishing.snippet import extract
from publishing.samples import (
    DATASET,
    PROSE,
    RUN,
    SENTENCE,
    TRAINED,
    VERIFIED,
    build_sample,
    evaluated,
    images,
    journal,
    sample_record,
    sample_records,
)

HEADINGS = [
    "Intended use",
    "Evaluation",
    "How to use",
    "How it was made",
    "What was asked, and departures from it",
    "Data",
    "Limits",
    "Provenance",
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return build_sample(tmp_path_factory.mktemp("card") / "bundle")


def proof(record: ModelRecord, bundle: Bundle) -> bytes:
    return provenance(record, bundle, prose=PROSE, files={"README.md": "0" * 64, **bundle.files})


def test_a_card_says_how_far_the_training_moved_the_weights_and_from_what(bundle: Bundle) -> None:
    base = Base(name="org/base", revision="abc", digest="e" * 64, change=0.03125, shared=1200, elements=1300)
    record = sample_record(bundle)
    tuned = replace(record, evaluated=replace(record.evaluated, base=base, examined={"relative_change": 0.875}))

    card = render(tuned, PROSE, bundle=bundle, repository="ada/net")

    assert "| relative change against a fresh network | 0.8750 |" in card
    assert "| base model | org/base |" in card
    assert "| relative change against the base | 0.0312 |" in card
    assert "\nbase_model: org/base\n" in card
    document = read(proof(tuned, bundle))
    assert document.record.evaluated.base == base
    assert [one for one in lint(card, document) if not one.resolved and one.where.startswith("the text")] == []
    assert "relative change" not in render(record, PROSE, bundle=bundle, repository="ada/net")


def test_a_card_with_f1_says_which_of_the_two_classes_is_positive(bundle: Bundle) -> None:
    record = sample_record(bundle, dataset=replace(DATASET, classes=("ham", "spam")))
    f1 = replace(record.evaluated.scores[0], metric="f1")
    scored = replace(record, evaluated=replace(record.evaluated, scores=(*record.evaluated.scores, f1)))

    said = "Of the two classes, spam is the positive one"
    assert said in render(scored, PROSE, bundle=bundle, repository="ada/net")
    assert said not in render(record, PROSE, bundle=bundle, repository="ada/net")


def card(bundle: Bundle, prose: Prose = PROSE, **changes: Any) -> str:
    record = replace(sample_record(bundle), **changes)
    return render(record, prose, bundle=bundle, repository="alice/flowers")


def metadata(text: str) -> dict[str, Any]:
    """Read the front matter as the client does."""
    read: Any = ModelCard(text).data
    return dict(read.to_dict())


def test_the_metadata_load_with_the_client_and_state_the_scored_values(bundle: Bundle) -> None:
    text = card(bundle)
    loaded = metadata(text)
    index = loaded.pop("model-index")

    assert loaded == {
        "license": "mit",
        "library_name": "pytorch",
        "pipeline_tag": "tabular-classification",
        "tags": ["ml-intern", "pytorch", "classification"],
        "datasets": ["meadow/flowers"],
        "metrics": ["accuracy"],
    }
    (result,) = index[0]["results"]
    assert result["metrics"] == [
        {"type": "accuracy", "value": 0.8765, "name": "accuracy on a part that training never saw"}
    ]
    assert result["dataset"] == {
        "type": "meadow/flowers",
        "name": "meadow/flowers",
        "split": "final",
        "revision": "a" * 40,
    }
    assert problems(text) == ([], [])


def numbers(tree: object) -> list[float]:
    """Find every number in a tree of facts, in texts too."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", json.dumps(tree))]


def test_every_number_of_the_card_is_a_number_of_the_facts(bundle: Bundle) -> None:
    known = {*numbers(asdict(sample_record(bundle))), *numbers(dict(bundle.files)), *numbers(bundle.digest)}
    known |= {95.0, 256.0, 3.0}  # the interval's level, the name of SHA-256, the number of classes
    text = card(bundle).replace(",", "")
    stated = [(n, len(n.partition(".")[2])) for n in re.findall(r"\d+(?:\.\d+)?", text.partition("\n---\n")[2])]

    assert len(stated) > 50
    assert [n for n, digits in stated if not any(abs(float(n) - k) <= 0.5 * 10**-digits for k in known)] == []


def test_the_sections_tell_task_constraints_departures_and_data(bundle: Bundle) -> None:
    text = card(bundle)

    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    assert f"> {SENTENCE}" in text
    assert "| epochs | 3 | for 3 epochs |" in text
    assert "- **batch size**: 64. Reason: the sentence left it open" in text
    assert "| accuracy | 0.8765 | 0.7321 to 0.9432 | 0.3333 | higher |" in text
    assert "Decisions by: built-in recipes, no language model." in text
    assert "| learning_rate | 0.003 |" in text
    assert "| Rows in the part final | 40 |" in text
    assert f"| Weights | {TRAINED.weights_digest} |" in text


def test_what_the_paper_says_stands_beside_what_was_taken_and_why(bundle: Bundle) -> None:
    def point(name: str, value: str, ours: str, verdict: Literal["same", "differs", "open"]) -> PointCompared:
        said = PaperPoint(name=name, values=(value,), quotation=f"We use {value}.", anchor="4.1")
        return PointCompared(point=said, ours=ours, verdict=verdict)

    made = PaperCompared(
        train_call_id=TRAINED.call_id,
        paper="2010.11929v2",
        points=(
            point("patch size", "16", "4", "differs"),
            point("heads", "12", "3", "differs"),
            point("depth", "12", "12", "same"),
            point("warm-up", "10000", "", "open"),
        ),
    )
    departed = Departed(point="patch size", decision="4x4", reason="the images have 32 pixels")

    text = card(bundle, followed=made, departures=(departed,))

    assert "What the paper [2010.11929v2](https://arxiv.org/abs/2010.11929v2) says" in text
    assert "| patch size | 16 (section 4.1: We use 16.) | 4 | the images have 32 pixels |" in text
    assert "| heads | 12 (section 4.1: We use 12.) | 3 | no reason was recorded |" in text
    assert "| depth | 12 (section 4.1: We use 12.) | 12 | the same |" in text
    assert (
        "| warm-up | 10000 (section 4.1: We use 10000.) | not among arguments and settings | not compared by code |"
        in text
    )


def test_what_the_script_said_of_itself_stands_apart_and_never_in_the_metadata(bundle: Bundle) -> None:
    front, _, body = card(bundle)[4:].partition("\n---\n")

    assert "0.9999" not in front
    assert "**Self-reported** by the training script, not checked by anyone:\n\n| Self-reported |  |" in body
    assert body.count("0.9999") == 1


def test_a_card_without_contract_departures_or_reports_says_so(bundle: Bundle) -> None:
    text = card(bundle, contract=None, departures=(), trained=replace(TRAINED, reported={}, hyperparameters={}))

    assert "The sentence fixed no further points." in text
    assert "No departures were recorded." in text
    assert "Self-reported" not in text


def test_the_path_of_a_file_on_this_machine_is_not_published(bundle: Bundle) -> None:
    dataset = replace(DATASET, dataset="/home/alice/private/flowers.csv", revision="local")
    record = replace(sample_record(bundle), dataset=dataset)
    text = render(record, PROSE, bundle=bundle, repository="alice/flowers")

    assert "/home/alice" not in text + proof(record, bundle).decode()
    assert "| Data set | flowers.csv |" in text
    assert "datasets" not in metadata(text)


HOSTILE = (
    "```python\nimport os\n```",
    "---\nlicense: other\n---",
    "a | b\n## Evaluation\n| accuracy | 1 |",
    "<script>alert(1)</script><!--",
    "[link](javascript:x) ![](x) `code` *bold* $x$",
    "name: {yaml: [1, &a *a, !!python/object:os.system]} # '\"",
    "\u202egnp.exe\u0000\u200b\x1b[31m",
    "- item\n1. item\n> quote\n=====",
)


def everywhere(bundle: Bundle, text: str) -> str:
    """Render a card with `text` in every place that people, data or the language model fill."""
    word = text or "x"
    return card(
        bundle,
        Prose(title=word, summary=word, intended_use=word, limitations=word, license="mit"),
        sentence=text,
        brain=text,
        departures=(Departed(point=text, decision=text, reason=text),),
        dataset=replace(
            DATASET, dataset=f"x{text}", classes=(text, text), inputs=(Column(name=text, kind="text", detail=text),)
        ),
        trained=replace(TRAINED, hyperparameters={text: text}, device=text),
        network=replace(VERIFIED, arguments=json.dumps({"a": text})),
    )


def intact(text: str) -> bool:
    body = text.partition("\n---\n")[2]
    headings = [line for line in body.splitlines() if line.startswith("#") and not line.startswith("# ")]
    columns = {line.count("|") - line.count(r"\|") for line in body.splitlines() if line.startswith("|")}
    code = extract(text)
    return (
        headings == [f"## {h}" for h in HEADINGS]
        and body.count("\n```") == 2
        and columns <= {3, 4, 5, 6}
        and code.splitlines()[-1] == "print(predict(network, rows))"
        and "<script" not in body.replace(code, "")
        and metadata(text)["license"] == "mit"
        and "\x1b" not in text
        and "\u202e" not in text
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(bundle: Bundle, text: str) -> None:
    assert intact(everywhere(bundle, text))


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from("`|<>-#*_[]()!:\n\\\"'&{}%\t ab\u2028\r\x85"), min_size=1).filter(str.strip))
def test_no_mixture_of_markup_breaks_a_card(bundle: Bundle, text: str) -> None:
    assert intact(everywhere(bundle, text))


REFUSED = {
    "It reaches an accuracy of 0.99.": "'0.99'",
    "It reaches 99%.": "'99%'",
    "It reaches 98.2 percent of it.": "'98.2 percent'",
    "About 88,1 % are right.": "'88,1 %'",
    "An accuracy of .97": "'.97'",
    "A loss of 1e-3.": "'1e-3'",
    "It reaches \uff19\uff19\uff05.": "'99%'",
    "More than 1,234.5 rows.": "'1,234.5'",
    "accuracy=0.9999": "'0.9999'",
    "Better by 12 percentage points.": "'12 percentage points'",
    "A gain of 0.8766.": "'0.8766'",
    "Right for nine hundred and ninety-eight of a thousand digits.": "'998 of a 1000'",
    "It gets 97 of every hundred.": "'97 of every 100'",
    "Ninety-nine point eight percent are right.": "'99.8 percent'",
    "It is right for 998 out of 1,000 rows.": "'998 out of 1,000'",
    "The accuracy is 0.25.": "'0.25'",
    "It reaches 94.3 % of the digits.": "'94.3 %'",
    "Accuracy 0.8765. At best 0.943.": "'0.943'",
}


@pytest.mark.parametrize(("text", "named"), REFUSED.items(), ids=REFUSED)
def test_prose_with_a_number_that_nobody_measured_is_refused_by_name(bundle: Bundle, text: str, named: str) -> None:
    with pytest.raises(ToolError, match=f"^summary states {re.escape(named)}, which the runtime did not measure"):
        check(replace(PROSE, summary=text), sample_record(bundle))


@pytest.mark.parametrize(
    "text",
    [
        "Accuracy 0.8765, or 0.88, or 0.9.",
        "Accuracy 87.65 %, about 88 percent.",
        "Between 0.7321 and 0.943, against 33% for chance.",
        "With 10 classes, 3 epochs, 9 parameters and 1,500 rows, ResNet-18 like.",
        "Dropout 0.25 as asked; learning rate 0.003.",
        "Intervals are 95 % confidence intervals.",
        "After arXiv:2010.11929 and https://arxiv.org/abs/1706.03762v7.",
        "Written for torch 2.13.0.",
        "One of ten classes; two of the 10 experts; at this point five hundred and twelve tokens.",
        "Right for about eighty-eight percent, nearly 9 in 10.",
    ],
)
def test_prose_may_repeat_facts_rounded_and_name_whole_numbers(bundle: Bundle, text: str) -> None:
    check(replace(PROSE, summary=text), sample_record(bundle))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"license": "My license\n"}, "no license identifier"),
        ({"title": "t" * 121}, "121 characters"),
        ({"limitations": "  "}, "limitations must have"),
        ({"summary": "s" * 4001}, "summary must have"),
    ],
)
def test_prose_of_the_wrong_form_is_refused(bundle: Bundle, change: dict[str, str], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        check(replace(PROSE, **change), sample_record(bundle))


def test_the_record_follows_the_newest_evaluation_to_its_training_and_network(bundle: Bundle) -> None:
    later = replace(VERIFIED, arguments='{"classes": 4}')
    other = replace(TRAINED, call_id="train-2")
    records = journal(DATASET, VERIFIED, TRAINED, other, evaluated(bundle), later)

    record = gather(records, run=RUN)
    assert (record.network, record.trained, record.candidates) == (VERIFIED, TRAINED, 1)


@pytest.mark.parametrize("missing", [2, 3, 4, 5], ids=["data", "network", "training", "evaluation"])
def test_a_missing_link_is_named(bundle: Bundle, missing: int) -> None:
    records = sample_records(bundle)
    del records[missing + 1]

    with pytest.raises(ToolError, match=r"evaluate"):
        gather(records, run=RUN)


def test_provenance_has_the_facts_and_is_the_same_each_time(bundle: Bundle) -> None:
    record = sample_record(bundle)
    document = json.loads(proof(record, bundle))

    assert proof(record, bundle) == proof(record, bundle)
    assert document["bundle"] == {"digest": bundle.digest, "files": bundle.files}
    assert document["evaluated"]["scores"][0]["value"] == 0.8765
    assert document["trained"]["reported"] == {"accuracy": 0.9999}


def test_the_example_makes_a_row_of_the_kinds_the_network_reads(bundle: Bundle) -> None:
    text = card(bundle, dataset=images())

    assert "rows = [{'picture': Image.new('RGB', (28, 32))}]" in extract(text)
    assert 'snapshot_download("alice/flowers", revision="main")' in extract(text)


def test_the_example_of_a_folder_names_the_folder(bundle: Bundle, tmp_path: Path) -> None:
    text = render(sample_record(bundle), PROSE, bundle=bundle, repository="local/flowers", folder=tmp_path)

    assert f"folder = {str(tmp_path)!r}" in extract(text)
    assert "huggingface_hub" not in extract(text)


def test_packages_that_were_installed_stand_on_the_card_and_in_the_provenance(bundle: Bundle) -> None:
    package = Package(name="timm", version="1.0.26", file="timm-1.0.26-py3-none-any.whl", digest="ab" * 32)
    installed = PackagesInstalled(call_id="i", layer="l", base="b", packages=(package,))
    later = replace(installed, packages=())
    record = gather(journal(DATASET, VERIFIED, installed, TRAINED, evaluated(bundle), later), run=RUN)

    text = render(record, PROSE, bundle=bundle, repository="local/net")

    assert "Needs torch, safetensors, huggingface_hub, timm==1.0.26 and what" in text
    assert f"| timm 1.0.26 | {'ab' * 32} |" in text
    assert json.loads(provenance(record, bundle, prose=PROSE, files={}))["installed"] == [asdict(package)]


def test_the_card_shows_how_the_contract_was_held_and_what_the_training_read(bundle: Bundle) -> None:
    kept = Kept(name="epochs", value="3", verdict="kept", detail="300 samples over 100 rows are 3.00 epochs")
    read = FileRead(name="search.parquet", bytes=4096, opened=1, read=5, covered=1.0)

    text = card(
        bundle,
        checked=ContractChecked(train_call_id=TRAINED.call_id, checks=(kept,)),
        trained=replace(TRAINED, read=(read,), doubts=("train.py line 9: make_blobs makes data up",)),
    )

    assert "| epochs | 3 | for 3 epochs | kept: 300 samples over 100 rows are 3.00 epochs |" in text
    assert "search.parquet: 4,096 bytes, opened 1 times, read 5 times, a share of 1.00 at most" in text
    assert "train.py line 9: make" in text


def test_what_a_network_was_held_to_and_what_was_waived_stand_on_the_card(bundle: Bundle) -> None:
    checked = NetworkChecked(
        file="network.py",
        class_name="Net",
        source_digest=VERIFIED.source_digest,
        contract='{"task": "lm", "causal": [{"input": 0}], "inputs": [], "claims": {"depth": 6, "norm": null}}',
        passed=("forward", "padding"),
        failed=(),
        not_applicable=("loss",),
        inconclusive=(),
        waived={"causality": "the paper looks ahead"},
    )
    smoked = SmokeRun(call_id="t", script_digest=TRAINED.script_digest, steps=7, seconds=2.0, reached_end=True)
    agreed = Waived(check="causality", reason="the paper looks ahead")
    record = gather(journal(DATASET, agreed, VERIFIED, checked, smoked, TRAINED, evaluated(bundle)), run=RUN)

    text = render(record, PROSE, bundle=bundle, repository="local/net")

    assert "| Held to | task lm; causal yes; depth 6 |" in text
    assert "| Passed | forward, padding |" in text
    assert "| Failed and waived | causality |" in text
    assert "| Smoke run of the script | 7 steps to its end |" in text
    assert "**causality** may fail: the paper looks ahead" in text
