"""Right networks of many kinds, none of which any check accuses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from planted_bugs import BUGS, Bug, bugs, write

from verification.judging import judged

BLIND, FRESH = BUGS.parent / "blind", BUGS.parent / "fresh" / "correct"
UPRIGHT = BUGS.parent / "upright" / "correct"
RIGHT = sorted((Path(__file__).parent / "right").glob("*.py"))
SPARED = {
    # weights of classes, a linear layer with outputs in [0, 1], columns of ids, customers
    "churn": ["initial-loss", "logits-range", "data-contract", "groups"],
    "clip": ["row-pairing"],
    "ctc": ["memorised-metric"],
    "flow": ["data-contract", "data-use"],  # noise that the loop adds, test rows read after training
    "forecast": ["optimizer-use", "row-pairing", "answer-in-input"],  # one cycle of the learning rate
    "lesions": ["oracle-loss", "evaluation-oracle", "groups"],  # 255 is no class
    "moe_lm": ["optimizer-use"],  # parts of a batch
    "ner": ["evaluation-oracle"],  # the F1 of entities
    "ppo": ["loss-scaling", "trained-metric", "memorised-metric"],  # a deviation over n - 1 rows, a reward
    "sasrec": ["overlap"],  # short histories that are equal by chance
    "translate": ["answer-in-input", "memorised-metric", "trained-metric"],
}
"""Right programs, and checks that once accused some of them."""
FOUND_BY = {
    "convnext_drop_in_eval": "eval-determinism",
    "dlrm_same_column": "input-use",
    "dqn_no_squeeze": "loss-shapes",
    "arrows_se_over_batch": "batch-independence",
    "churn_double_sigmoid": "logits-range",
    "churn_split_by_row": "groups",
    "clip_pairs_broken": "row-pairing",
    "ctc_blank_is_last": "memorised-metric",
    "ctc_repeats_not_merged": "memorised-metric",
    "forecast_target_overlaps": "answer-in-input",
    "lesions_mask_not_turned": "data-use",
    "lesions_union_is_sum": "evaluation-oracle",
    "moe_lm_zero_grad_inside": "optimizer-use",
    "ner_loss_without_softmax": "optimizer-use",
    "ppo_loss_is_sum": "loss-scaling",
    "ppo_surrogate_sign": "trained-metric",
    "sasrec_test_is_val": "overlap",
    "translate_decoder_sees_answer": "answer-in-input",
}
OWN_BUGS = (
    Bug(
        program="ner",
        name="loss_without_softmax",
        what="a likelihood of logits, which falls below zero",
        right="return F.cross_entropy(",
        wrong="return F.nll_loss(",
    ),
    Bug(
        program="ppo",
        name="loss_is_sum",
        what="a sum over the rows",
        right="(value - returns).square().mean()",
        wrong="(value - returns).square().sum()",
    ),
    Bug(
        program="sasrec",
        name="test_is_val",
        what="the test part is the validation part",
        right='"test": TensorDataset(s[:, 1:-1], only_last(s[:, 2:]))',
        wrong='"test": TensorDataset(s[:, :-2], only_last(s[:, 1:-1]))',
    ),
)
"""Sums and copies that the same checks must still find beside what they spare."""


@pytest.mark.sandbox
def test_no_check_accuses_a_right_network(sandbox_python: Path) -> None:
    told = judged(RIGHT, sandbox_python)

    open_ends = {
        (name, check): what
        for name, results in told.items()
        for check, what in results.items()
        if what[0] not in {"pass", "not_applicable"}
    }
    assert (open_ends, len(told)) == ({}, len(RIGHT))
    assert [name for name, results in told.items() if results["dead-parameters"][0] != "pass"] == []
    assert len(RIGHT) >= 22


@pytest.mark.sandbox
def test_what_a_check_once_mistook_for_a_bug_is_spared_and_bugs_that_once_survived_are_found(
    sandbox_python: Path, tmp_path: Path
) -> None:
    for bug in (*bugs(BLIND / "bugs.json"), *OWN_BUGS):
        (tmp_path / f"{bug.program}_{bug.name}.py").write_text(bug.planted(BLIND / "correct"), "utf-8")
    write(tmp_path)
    right = [BLIND / "correct" / f"{name}.py" for name in SPARED]
    written = {file.stem: file for file in tmp_path.rglob("*.py")}
    wrong = [written[name] for name in FOUND_BY]

    told = judged([*right, *wrong], sandbox_python, SPARED | {name: [check] for name, check in FOUND_BY.items()})

    found = {name: told[f"{name}.py"][check][0] for name, check in FOUND_BY.items()}
    assert found == dict.fromkeys(FOUND_BY, "fail")
    spared = {(name, check): said for name in SPARED for check, said in told[f"{name}.py"].items()}
    assert {place: said for place, said in spared.items() if said[0] not in {"pass", "not_applicable"}} == {}
    assert [spared["lesions", check][0] for check in SPARED["lesions"]] == ["pass"] * 3


def judged_beside(
    planted: Mapping[str, Bug], spared: Mapping[str, list[str]], programs: Path, folder: Path, sandbox_python: Path
) -> tuple[Mapping[str, str], Mapping[tuple[str, str], list[str]]]:
    """Give the verdict of each check on the bug planted for it, and what the checks say of right `programs`."""
    wrong = {check: folder / f"{bug.program}_{bug.name}.py" for check, bug in planted.items()}
    for check, bug in planted.items():
        wrong[check].write_text(bug.planted(programs), "utf-8")
    only = {**spared, **{file.stem: [check] for check, file in wrong.items()}}
    told = judged([*(programs / f"{name}.py" for name in spared), *wrong.values()], sandbox_python, only)
    found = {check: told[file.name][check][0] for check, file in wrong.items()}
    return found, {(name, check): told[f"{name}.py"][check] for name, checks in spared.items() for check in checks}


SPARED_FRESH = {
    "forecast": ["data-contract"],  # the network takes mean and deviation of each window out, and puts them back
    "molecule": ["data-use", "memorised-metric"],  # rows alike in one tensor of several, a scale kept beside the rows
    # noise that is drawn in evaluation too, inputs between 0 and 1, bits that are floats, a loss with a weight
    "vae": ["eval-determinism", "batch-independence", "dead-parameters", "overlap", "optimizer-use"],
}
FRESH_BUGS = {
    "data-contract": Bug(
        program="forecast",
        name="not_normalised",
        what="windows in the units of the data",
        right="x = (past - mean) / std",
        wrong="x = past",
    ),
    "eval-determinism": Bug(
        program="vae",
        name="dropout_in_evaluation",
        what="dropout that is always on",
        right="eps = torch.randn_like(std)",
        wrong="eps = F.dropout(torch.randn_like(std))",
    ),
    "overlap": Bug(
        program="vae",
        name="test_overlaps",
        what="the test part holds the validation part",
        right='"test": TensorDataset(x[1000:])',
        wrong='"test": TensorDataset(x[900:])',
    ),
}


@pytest.mark.sandbox
def test_programs_in_forms_that_no_check_had_met_are_spared_and_their_bugs_found(
    sandbox_python: Path, tmp_path: Path
) -> None:
    found, spared = judged_beside(FRESH_BUGS, SPARED_FRESH, FRESH, tmp_path, sandbox_python)

    assert {place: said for place, said in spared.items() if said[0] not in {"pass", "not_applicable"}} == {
        ("vae", "batch-independence"): spared["vae", "batch-independence"]
    }
    assert spared["vae", "batch-independence"][:2] == [
        "inconclusive",
        "the network draws random numbers, other ones for a sample alone",
    ]
    assert found == dict.fromkeys(FRESH_BUGS, "fail")


SPARED_UPRIGHT = {
    "gcn_nodes": ["evaluation-oracle"],  # one graph, whose nodes are the rows
    "graph_gin": ["data-use", "trained-metric"],  # the loop scores the validation part by itself
    "multitask": ["feature-leak"],  # a size stands last in each row
    "offline_dqn": ["output-use", "overlap"],  # a target network, transitions that come again
    "two_tower": ["batch-use", "memorised-metric"],  # what is known is for scoring, a first loss of 0
    "wavenet": ["answer-in-input"],  # each place is asked for the next
}
UPRIGHT_BUGS = {
    "answer-in-input": Bug(
        program="wavenet",
        name="same_window",
        what="each place is asked for what it is given",
        right="self.series[r:r + 1, i + 1:i + WINDOW + 1]",
        wrong="self.series[r:r + 1, i:i + WINDOW]",
    ),
    "data-use": Bug(
        program="graph_gin",
        name="trains_on_val",
        what="the loop trains on the validation part",
        right='loader = DataLoader(splits["train"], batch_size=batch_size',
        wrong='loader = DataLoader(splits["val"], batch_size=batch_size',
    ),
    "evaluation-oracle": Bug(
        program="gcn_nodes",
        name="hidden_nodes_count",
        what="nodes without a label count as wrong",
        right="scored = batch[2] != IGNORE",
        wrong="scored = batch[2] >= IGNORE",
    ),
    "output-use": Bug(
        program="offline_dqn",
        name="learns_nothing",
        what="the value that should learn is cut off",
        right="F.smooth_l1_loss(taken, target.detach())",
        wrong="F.smooth_l1_loss(taken.detach(), target.detach())",
    ),
}


@pytest.mark.sandbox
def test_ordinary_habits_of_right_programs_are_spared_and_bugs_beside_them_found(
    sandbox_python: Path, tmp_path: Path
) -> None:
    found, spared = judged_beside(UPRIGHT_BUGS, SPARED_UPRIGHT, UPRIGHT, tmp_path, sandbox_python)

    assert found == dict.fromkeys(UPRIGHT_BUGS, "fail")
    assert {place: said for place, said in spared.items() if said[0] not in {"pass", "not_applicable"}} == {}
