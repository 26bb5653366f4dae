"""Load a bundle as a stranger would and predict every row of the hidden inputs; no labels are here."""

from __future__ import annotations

import json
import math
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# Read by `datasets` when it is imported.
os.environ |= {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": "/tmp/huggingface"}
sys.path.append(str(Path(__file__).parent))

import numpy as np
import torch
from datasets import Dataset
from examine import ROWS, examine, read_config, self_test
from leaving import leave
from loading import UnfitError, explained, load
from masks import MASK, MOST_PIXELS, read, written

# what a bundle calls its own modules is its business
sys.path.pop()
for own in ("examine", "leaving", "loading", "masks"):
    del sys.modules[own]

BATCH = 64
CHECKED = 96
"""Rows predicted a second time, in another order and in batches of other sizes."""

SMALL_BATCHES = (1, 5, 2, 11)
CHUNK = 200
"""Predictions in one line of the report."""

FEW_PIXELS = 0.01
"""Share of a mask's pixels that sums in another order may tip."""

LARGEST_CLASS = 255
LONGEST = 4000
"""Characters of a generated text; longer ones are not scored."""

Classes = dict[str, int] | Callable[[object], str]
"""The number of each class; empty in a regression; or what reads an answer that is a text or a mask."""


def main() -> None:
    """Answer the request on standard input with chunks of predictions and one last line."""
    request = json.load(sys.stdin)
    bundle = Path(request["bundle"])
    descriptor = int(os.environ["ML_INTERN_REPORT_FD"])
    # The code of the bundle is not ours and may raise anything: what nobody catches is reported on its way out.
    sys.excepthook = lambda kind, error, trace: _tell(descriptor, explained(error, bundle))
    for answer in _predictions(request, bundle):
        _tell(descriptor, answer)
    leave()


def _tell(descriptor: int, answer: dict) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8", closefd=False) as stream:
        stream.write(json.dumps(answer) + "\n")


def _predictions(request: dict, bundle: Path) -> Iterator[dict]:
    dataset = Dataset.from_parquet(str(Path(request["inputs"]) / "final.parquet"), cache_dir="/tmp/huggingface")
    network, module = load(bundle)
    readers = {"generation": _text, "segmentation": _mask}
    classes = readers.get(request["task"]) or {name: n for n, name in enumerate(request["classes"])}
    predicted: list[float | str] = []
    chances: list[list[float]] = []
    with torch.no_grad():
        for start in range(0, len(dataset), BATCH):
            rows = [dataset[n] for n in range(start, min(start + BATCH, len(dataset)))]
            predicted += _ask(module.predict, network, rows, classes)
            if request["classes"] and hasattr(module, "predict_proba"):
                chances += _ask_chances(module.predict_proba, network, rows, len(classes))
        _require_independence(module.predict, network, dataset, predicted, classes)
    for start in range(0, len(predicted), CHUNK):
        yield {"predictions": predicted[start : start + CHUNK]}
    for start in range(0, len(chances), CHUNK):
        yield {"chances": chances[start : start + CHUNK]}
    if request.get("examine"):
        yield {"examined": _examined(request["examine"], network, module, bundle, dataset, predicted, classes)}
    yield {"rows": len(predicted)}


def _examined(
    asked: dict,
    network: torch.nn.Module,
    module: object,
    bundle: Path,
    dataset: Dataset,
    predicted: list[float | str],
    classes: Classes,
) -> dict[str, float]:
    rows = [dataset[n] for n in range(min(ROWS, len(dataset)))]

    def ask() -> list[float | str]:
        with torch.no_grad():
            return _ask(module.predict, network, rows, classes)

    if asked["inputs"]:
        self_test(network, asked["inputs"], Path(asked["made"]) / "selftest.safetensors")
    return examine(network, module, read_config(bundle), predicted[: len(rows)], ask, asked["seed"])


def _ask_chances(predict_proba: object, network: torch.nn.Module, rows: Sequence[dict], classes: int) -> list:
    """Ask for the probability of each class; each row of the answer is (classes,) and sums to one.

    Raises:
        UnfitError: the answer is anything else.
    """
    answer = predict_proba(network, [dict(row) for row in rows])
    table = np.asarray(answer.tolist() if hasattr(answer, "tolist") else answer, dtype=float)  # (rows, classes)
    if table.shape != (len(rows), classes):
        raise UnfitError(f"predict_proba must return {classes} probabilities a row, got the shape {table.shape}")
    if not np.isfinite(table).all() or table.min() < 0 or abs(table.sum(1) - 1).max() > 1e-3:
        raise UnfitError("predict_proba must return probabilities: none negative, each row summing to 1; use softmax")
    return table.round(9).tolist()


def _ask(predict: object, network: torch.nn.Module, rows: Sequence[dict], classes: Classes) -> list[float | str]:
    # A copy for each call, so that a `predict` that changes its rows cannot tell itself about them later.
    answer = predict(network, [dict(row) for row in rows])
    if hasattr(answer, "tolist"):
        answer = list(answer) if callable(classes) else answer.tolist()
    if not isinstance(answer, Sequence) or isinstance(answer, str):
        raise UnfitError(f"predict must return a list with one value a row, got {type(answer).__name__}")
    if len(answer) != len(rows):
        raise UnfitError(f"predict returned {len(answer)} values for {len(rows)} rows; it must return one a row")
    return [_plain(value, classes) for value in answer]


def _plain(value: object, classes: Classes) -> float | str:
    """Give a class number, or a number in a regression, or a text or mask; names become class numbers."""
    if callable(classes):
        return classes(value)
    is_scalar = isinstance(value, np.generic) or (isinstance(value, torch.Tensor) and value.numel() == 1)
    value = value.item() if is_scalar else value
    if classes and isinstance(value, str):
        if value not in classes:
            raise UnfitError(f"predict returned the class {value[:80]!r}, which the data set does not have")
        return classes[value]
    wanted = "a class index (int) or a class name (str)" if classes else "a finite number (float)"
    allowed = int if classes else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed) or not math.isfinite(value):
        raise UnfitError(f"predict returned {str(value)[:80]!r} ({type(value).__name__}) for a row instead of {wanted}")
    if classes and not 0 <= value < len(classes):
        raise UnfitError(f"predict returned the class index {value}; the classes are 0 to {len(classes) - 1}")
    return value if classes else float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UnfitError(
            f"predict returned {str(value)[:80]!r} ({type(value).__name__}) for a row instead of a text (str)"
        )
    if len(value) > LONGEST:
        raise UnfitError(f"predict returned a text of {len(value)} characters; at most {LONGEST} are scored")
    return value.encode("utf-8", "replace").decode("utf-8")


def _mask(value: object) -> str:
    table = np.asarray(value.cpu() if isinstance(value, torch.Tensor) else value)
    if table.ndim != 2 or table.dtype.kind not in "iub" or table.size == 0:
        raise UnfitError(
            f"predict returned {type(value).__name__} of {table.dtype} with the shape {table.shape} for a row instead "
            "of a mask: whole numbers, (height, width)"
        )
    if table.size > MOST_PIXELS or table.min() < 0 or table.max() > LARGEST_CLASS:
        raise UnfitError(
            f"predict returned a mask of {table.size} pixels from {table.min()} to {table.max()}; at most "
            f"{MOST_PIXELS} pixels are scored, and classes go from 0 to {LARGEST_CLASS}"
        )
    return written(table)


def _require_independence(
    predict: object, network: torch.nn.Module, dataset: Dataset, predicted: list[float | str], classes: Classes
) -> None:
    """Predict some rows again among other neighbours.

    Raises:
        UnfitError: more answers changed than rounding explains.
    """
    order = random.Random(0).sample(range(len(dataset)), min(CHECKED, len(dataset)))
    again: list[float | str] = []
    turn = 0
    while len(again) < len(order):
        numbers = order[len(again) : len(again) + SMALL_BATCHES[turn % len(SMALL_BATCHES)]]
        again += _ask(predict, network, [dataset[n] for n in numbers], classes)
        turn += 1
    before = [predicted[n] for n in order]
    is_choice = bool(classes)
    changed = sum(not _agree(a, b, is_choice) for a, b in zip(before, again, strict=True))
    # Sums in another order may tip a tie between two classes, or two words, now and then.
    if changed > (len(order) // 50 if is_choice else 0):
        raise UnfitError(
            f"the prediction of a row depends on the other rows of its batch or on earlier calls: {changed} of "
            f"{len(order)} rows changed when they were predicted again in smaller batches. Compute every row by "
            "itself: no statistics over the batch, no randomness, no memory.",
            code="depends_on_other_rows",
        )


def _agree(first: float | str, second: float | str, is_choice: bool) -> bool:
    if isinstance(first, str) and MASK.match(first):
        masks = read(first), read(second)
        return masks[0].shape == masks[1].shape and float((masks[0] != masks[1]).mean()) <= FEW_PIXELS
    return first == second if is_choice else abs(first - second) <= 1e-3 * max(1e-6, abs(first), abs(second))


if __name__ == "__main__":
    main()
