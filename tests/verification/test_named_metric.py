"""The metric that a program names is compared with references; right programs of every kind of words are spared."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import cast

import pytest
from planted_bugs import BUGS, bugs

from ml_intern.verification.registry import PROBES
from verification.judging import Told, judged
from verification.metric_programs import RIGHT, WRONG, Program

BLIND = BUGS.parent / "blind"
REFERENCES = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch
from probes import references as r
from probes.references import Scored

def of(guess, truth, classes, counted=None):
    guess, truth = torch.tensor(guess), torch.tensor(truth)
    mask = torch.ones_like(truth, dtype=torch.bool) if counted is None else torch.tensor(counted)
    return Scored(scores=torch.nn.functional.one_hot(guess, classes).double(), truth=truth, counted=mask)

three = of([[0], [0], [1], [2], [1]], [[0], [1], [1], [2], [2]], 3)
binary = Scored(
    scores=torch.tensor([[[0.0, s]] for s in (-2.0, -1.0, 0.5, 1.0, 3.0)]).double(),
    truth=torch.tensor([[0], [1], [0], [1], [1]]),
    counted=torch.ones(5, 1, dtype=torch.bool),
)
rows = of([[0, 1, 1], [1, 0, 0]], [[0, 1, 0], [1, 1, 0]], 2, [[True, True, False], [True, True, True]])
even = Scored(scores=torch.zeros(2, 3, 4).double(), truth=rows.truth, counted=rows.counted)
ranks = Scored(scores=torch.tensor([[[3.0, 2.0, 1.0]], [[1.0, 2.0, 3.0]]]).double(),
               truth=torch.tensor([[1], [0]]), counted=torch.ones(2, 1, dtype=torch.bool))
out, y = torch.tensor([1.0, 2.0, 5.0]).double(), torch.tensor([1.0, 3.0, 3.0]).double()
one = torch.eye(3).double()
print(json.dumps({
    "accuracy": r.accuracy(three)[0], "balanced": r.balanced_accuracy(three)[0], "macro_f1": r.macro_f1(three)[0],
    "micro_f1": r.micro_f1(three)[0], "weighted_f1": r.weighted_f1(three)[0], "iou": r.mean_iou(three)[0],
    "dice": r.dice(three)[0], "twice": r.double_union(three), "error": r.error_rate(three)[0],
    "f1": r.f1(binary)[0], "precision": r.precision(binary)[0], "recall": r.recall(binary)[0],
    "auroc": r.auroc(binary)[0], "hard": r.auroc(r.thresholded(binary, 0.0))[0], "ap": r.average_precision(binary)[0],
    "rows": r.accuracy(rows)[:3], "among_all": r.among_all(rows, rows.right), "nats": r.log_loss(even)[0],
    "perplexity": r.perplexity(even)[0], "bits": r.bits_per_token(even)[0],
    "top": [r.top_k(ranks, k)[0] for k in (1, 2, 3)],
    "mse": r.squared_error(out, y), "mae": r.absolute_error(out, y), "rmse": r.root_errors(out, y)[0],
    "r2": r.explained(out, y), "again": [r.found_again(one, one, 1), r.found_again(one, one.roll(1, 0), 1)],
}))
"""
LIBRARY = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch
from sklearn import metrics
from probes import references as r
from probes.references import Scored
g = torch.Generator().manual_seed(0)

def made(classes):
    scores = torch.randn(200, 1, classes, generator=g).double()
    truth = torch.randint(classes, (200, 1), generator=g)
    scores.scatter_add_(-1, truth[..., None], torch.ones(200, 1, 1).double())
    return Scored(scores=scores, truth=truth, counted=torch.ones(200, 1, dtype=torch.bool))

many, two = made(5), made(2)
t, p = many.labels.numpy(), many.scores.argmax(-1).flatten().numpy()
b, q = two.labels.numpy(), two.scores.argmax(-1).flatten()
s = (two.scores[..., 1] - two.scores[..., 0]).flatten().numpy()
x, y = torch.randn(50, generator=g).double(), torch.randn(50, generator=g).double()
print(json.dumps([
    [r.accuracy(many)[0], metrics.accuracy_score(t, p)],
    [r.balanced_accuracy(many)[0], metrics.balanced_accuracy_score(t, p)],
    [r.macro_f1(many)[0], metrics.f1_score(t, p, average="macro")],
    [r.micro_f1(many)[0], metrics.f1_score(t, p, average="micro")],
    [r.weighted_f1(many)[0], metrics.f1_score(t, p, average="weighted")],
    [r.mean_iou(many)[0], metrics.jaccard_score(t, p, average="macro")],
    [r.log_loss(many)[0], metrics.log_loss(t, many.scores.flatten(0, 1).softmax(-1).numpy())],
    [r.top_k(many, 3)[0], metrics.top_k_accuracy_score(t, many.scores.flatten(0, 1).numpy(), k=3)],
    [r.f1(two)[0], metrics.f1_score(b, q)], [r.precision(two)[0], metrics.precision_score(b, q)],
    [r.recall(two)[0], metrics.recall_score(b, q)], [r.auroc(two)[0], metrics.roc_auc_score(b, s)],
    [r.average_precision(two)[0], metrics.average_precision_score(b, s)],
    [r.explained(x, y), metrics.r2_score(y, x)], [r.squared_error(x, y), metrics.mean_squared_error(y, x)],
]))
"""
WORDS = """
import json, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from probes.candidate import Candidate
from probes.checks.base import StopError
from probes.metric_names import named
told = []
for code in json.load(sys.stdin):
    with tempfile.TemporaryDirectory() as root:
        Path(root, "net.py").write_text(code, "utf-8")
        try:
            name = named(Candidate({"root": root, "file": "net.py", "contract": {"claims": {}, "metric": ""}}))
            told.append([name.metric, name.k, name.plain])
        except StopError:
            told.append(None)
print(json.dumps(told))
"""
DOCUMENTS = {
    "Compute the accuracy of the model on the given dataset.": ["accuracy", None, True],
    "Accuracy of whoever answers first.": ["accuracy", None, False],
    "Return the macro-averaged F1 score.": ["macro_f1", None, True],
    "Micro F1 over entities.": ["entity_f1", None, True],
    "F1, the harmonic mean of precision and recall.": ["f1", None, False],
    "Hit rate @ 10 of the next item.": ["top_k_accuracy", 10, True],
    "Recall@5 among all captions.": ["recall_at_k", 5, True],
    "Area under the ROC curve.": ["auroc", None, True],
    "Area under the precision-recall curve.": ["average_precision", None, True],
    "Mean over classes of intersection over union.": ["mean_iou", None, True],
    "Root mean squared error.": ["rmse", None, True],
    "Perplexity: exp of the mean cross-entropy loss.": ["perplexity", None, False],
    "Coefficient of determination.": ["r2", None, True],
    "Top-1 accuracy.": ["accuracy", None, True],
    "Accuracy.\n\nArgs:\n    loss: not used\n": ["accuracy", None, True],
    "Accuracy and macro F1.": None,
    "Top-1 and top-5 accuracy.": None,
    "Accuracy, averaged per class.": None,
    "Accuracy at the best threshold.": None,
    "1 - accuracy.": None,
    "Mean of the accuracies of the batches.": None,
    "Character error rate.": None,
    "Mean average precision.": None,
    "Mean absolute percentage error.": None,
    "Mean reward.": None,
    "How good it is.": None,
}
BODIES = {
    "accuracy = right / total\n    return accuracy": ["accuracy", None, True],
    "return right / total": None,
    "return acc / total": None,
    "return float(roc_auc_score(labels, scores))": ["auroc", None, True],
    "value = f1_score(y, p, average='macro')\n    return value": ["macro_f1", None, True],
    "return mean_squared_error(y, p, squared=False)": None,
    "return math.exp(total / count)": None,
    "return 100 * accuracy": ["accuracy", None, True],
    "return score\nprint({'test_accuracy': evaluate(model, data)})": ["accuracy", None, True],
    "return score\nprint(f'mean IoU {evaluate(model, data):.3f}')": ["mean_iou", None, True],
    "return score\nresult = {'test': evaluate(model, data)}\nprint('test accuracy', result['test'])": [
        "accuracy",
        None,
        True,
    ],
    "return score\nvalue = evaluate(model, data)\nprint(f'loss {loss} RMSE {value:.3f}')": ["rmse", None, True],
    "return score\nbest_loss = evaluate(model, data)": None,
    "return score\nval_acc = evaluate(model, data)\nmacro_f1 = evaluate(model, data)": None,
}


PLANTED = {
    "churn_auroc_of_labels": "labels at a threshold",
    "clip_recall_in_batch": "the share among the rows of each batch",
    "lesions_union_is_sum": "the intersection counts twice",
    "moe_lm_perplexity_of_padding": "padding included",
    "molecules_error_in_std_units": "standardised targets",
    "ner_token_accuracy": "the accuracy of single labels",
    "sasrec_scores_of_first": "the scores at the first position",
}
"""Bugs of benchmarks/blind, whose right twins pass, and what is said of them."""


def _run(code: str, python: Path, given: object = None) -> object:
    done = subprocess.run(
        [python / "bin/python", "-W", "ignore", "-c", code, str(PROBES.parent)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def _judge(programs: dict[str, Program], folder: Path, python: Path, check: str) -> Told:
    for name, program in programs.items():
        (folder / f"{name}.py").write_text(program.source(), "utf-8")
    files = [folder / f"{name}.py" for name in programs]
    return judged(files, python, {name: [check] for name in programs})


@pytest.mark.sandbox
def test_the_references_give_what_a_calculation_by_hand_gives(sandbox_python: Path) -> None:
    told = _run(REFERENCES, sandbox_python)

    assert told == {
        # labels 0 1 1 2 2, guesses 0 0 1 2 1: classes are right 1 of 1, 1 of 2, 1 of 2 and guessed 2, 2, 1 times
        "accuracy": pytest.approx(3 / 5),
        "error": pytest.approx(2 / 5),
        "balanced": pytest.approx((1 + 1 / 2 + 1 / 2) / 3),
        "macro_f1": pytest.approx((2 / 3 + 1 / 2 + 2 / 3) / 3),
        "micro_f1": pytest.approx(3 / 5),
        "weighted_f1": pytest.approx((1 * 2 / 3 + 2 * 1 / 2 + 2 * 2 / 3) / 5),
        "iou": pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 3),
        "dice": pytest.approx((2 / 3 + 1 / 2 + 2 / 3) / 3),
        "twice": pytest.approx((1 / 3 + 1 / 4 + 1 / 3) / 3),
        # labels 0 1 0 1 1 by rising score, the last three above 0
        "f1": pytest.approx(2 * 2 / (3 + 3)),
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "auroc": pytest.approx(5 / 6),
        "hard": pytest.approx((2 / 3 + 1 / 2) / 2),
        "ap": pytest.approx((1 + 1 + 3 / 4) / 3),
        # two of two, and two of three: over all, by row, rows without a mistake
        "rows": pytest.approx([4 / 5, (1 + 2 / 3) / 2, 1 / 2]),
        "among_all": pytest.approx(4 / 6),
        "nats": pytest.approx(1.3862944),
        "perplexity": pytest.approx(4),
        "bits": pytest.approx(2),
        "top": [0, 1 / 2, 1],
        "mse": pytest.approx(5 / 3),
        "mae": pytest.approx(1),
        "rmse": pytest.approx((5 / 3) ** 0.5),
        "r2": pytest.approx(1 - 5 / (8 / 3)),
        "again": [1, 0],
    }


@pytest.mark.sandbox
def test_the_references_give_what_scikit_learn_gives(sandbox_python: Path) -> None:
    if not list((sandbox_python / "lib").glob("python3*/site-packages/sklearn")):
        pytest.skip("this environment has no scikit-learn")

    pairs = cast("list[list[float]]", _run(LIBRARY, sandbox_python))

    assert [own for own, _ in pairs] == pytest.approx([theirs for _, theirs in pairs])


@pytest.mark.sandbox
def test_a_metric_is_read_from_words_that_leave_no_doubt_and_from_no_others(sandbox_python: Path) -> None:
    documents = [f'def evaluate(model, data):\n    """{text}"""\n    return 1 / 2\n' for text in DOCUMENTS]
    bodies = [f"def evaluate(model, data):\n    {body}\n" for body in BODIES]

    told = cast("list[object]", _run(WORDS, sandbox_python, [*documents, *bodies]))

    assert dict(zip([*DOCUMENTS, *BODIES], told, strict=True)) == DOCUMENTS | BODIES


@pytest.mark.sandbox
def test_programs_that_compute_what_they_name_are_not_accused(sandbox_python: Path, tmp_path: Path) -> None:
    told = _judge(RIGHT, tmp_path, sandbox_python, "named-metric")

    said = {name: told[f"{name}.py"]["named-metric"] for name in RIGHT}
    passed = {name for name, (status, _, _) in said.items() if status == "pass"}
    assert {name: what for name, what in said.items() if what[0] not in {"pass", "not_applicable"}} == {}
    assert RIGHT.keys() - passed == {"tuned", "of_some", "two_names", "by_class", "no_reference", "span_f1"}
    assert said["mae_in_units"][1] == "MAE as named, times 12.5 on every stand-in"


@pytest.mark.sandbox
def test_a_program_that_computes_another_metric_is_told_which(sandbox_python: Path, tmp_path: Path) -> None:
    told = _judge(WRONG, tmp_path, sandbox_python, "named-metric")

    said = {name: told[f"{name}.py"]["named-metric"] for name in WRONG}
    assert {name: what for name, what in said.items() if what[0] != "fail"} == {}
    assert {name: said[name][1] for name, program in WRONG.items() if program.it_is not in said[name][1]} == {}
    assert all(" evaluate" in where for _, _, where in said.values())


@pytest.mark.sandbox
def test_metrics_of_programs_by_another_author_are_told_from_what_bugs_make_of_them(
    sandbox_python: Path, tmp_path: Path
) -> None:
    listed = {f"{bug.program}_{bug.name}": bug for bug in bugs(BLIND / "bugs.json")}
    for name in PLANTED:
        (tmp_path / f"{name}.py").write_text(listed[name].planted(BLIND / "correct"), "utf-8")
    wrong = [tmp_path / f"{name}.py" for name in PLANTED]
    right = [BLIND / "correct" / f"{name}.py" for name in sorted({listed[name].program for name in PLANTED})]

    told = judged([*right, *wrong], sandbox_python, {file.stem: ["named-metric"] for file in (*right, *wrong)})

    said = {file.stem: told[file.name]["named-metric"] for file in (*right, *wrong)}
    assert {file.stem: said[file.stem] for file in right if said[file.stem][0] != "pass"} == {}
    assert {name: said[name] for name, what in PLANTED.items() if what not in said[name][1]} == {}
    assert {said[name][0] for name in PLANTED} == {"fail"}


@pytest.mark.sandbox
def test_a_classifier_is_not_held_to_accuracy_where_it_names_another_metric(
    sandbox_python: Path, tmp_path: Path
) -> None:
    right = {name: program for name, program in RIGHT.items() if program.kind == "classes"}

    told = _judge(right, tmp_path, sandbox_python, "evaluation-oracle")

    said = {name: told[f"{name}.py"]["evaluation-oracle"][0] for name in right}
    assert {name for name, status in said.items() if status == "fail"} == set()


@pytest.mark.sandbox
def test_a_network_that_reads_the_place_in_the_batch_is_found_by_its_metric(
    sandbox_python: Path, tmp_path: Path
) -> None:
    (bug,) = (bug for bug in bugs(BLIND / "bugs.json") if bug.name == "positions_of_users")
    wrong, right = tmp_path / "wrong.py", BLIND / "correct" / "sasrec.py"
    wrong.write_text(bug.planted(BLIND / "correct"), "utf-8")

    told = judged([wrong, right], sandbox_python, {file.stem: ["evaluation-batches"] for file in (wrong, right)})

    assert [told[file.name]["evaluation-batches"][0] for file in (wrong, right)] == ["fail", "pass"]


@pytest.mark.sandbox
def test_a_value_that_depends_on_the_size_of_batches_is_accused_and_sums_and_losses_are_not(
    sandbox_python: Path, tmp_path: Path
) -> None:
    unnamed = "return sum((o.argmax(1) == t).float().mean().item() for o, t in zip(outs, ys)) / len(outs)"
    programs = {
        **{name: program for name, program in RIGHT.items() if program.kind != "tokens"},
        "mean": Program(kind="classes", told="How good it is.", body=unnamed),
        "last": Program(
            kind="numbers", told="How bad it is.", body="return (o := outs[-1] - ys[-1]).abs().mean().item()"
        ),
        "said": Program(kind="classes", told="Mean accuracy of the batches.", body=unnamed),
        "loss": Program(
            kind="tokens",
            told="Mean loss.",
            body="losses = [F.cross_entropy(o.flatten(0, 1), t.flatten(), ignore_index=0) for o, t in zip(outs, ys)]\n"
            "return sum(losses).item() / len(losses)",
        ),
    }

    told = _judge(programs, tmp_path, sandbox_python, "evaluation-batches")

    said = {name: told[f"{name}.py"]["evaluation-batches"] for name in programs}
    assert {name for name, (status, _, _) in said.items() if status == "fail"} == {"mean", "last"}
    assert said["mean"][1].startswith("a stand-in")
    assert "in batches of 16" in said["mean"][1]
    assert {name for name, (status, _, _) in said.items() if status == "inconclusive"} == set()
