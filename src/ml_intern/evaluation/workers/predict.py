"""Load a bundle as a stranger would and predict every row of the hidden inputs; no labels are here."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import random
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

# Read by `datasets` when it is imported.
os.environ |= {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": "/tmp/huggingface"}

import numpy as np
import torch
from datasets import Dataset
from safetensors.torch import load_model

BATCH = 64
CHECKED = 96
"""Rows predicted a second time, in another order and in batches of other sizes."""

SMALL_BATCHES = (1, 5, 2, 11)
CHUNK = 200
"""Predictions in one line of the report."""


class UnfitError(Exception):
    """The bundle does not keep its contract; the message says how."""


def main() -> None:
    """Answer the request on standard input with chunks of predictions and one last line."""
    request = json.load(sys.stdin)
    bundle = Path(request["bundle"])
    descriptor = int(os.environ["ML_INTERN_REPORT_FD"])
    # The code of the bundle is not ours and may raise anything: what nobody catches is reported on its way out.
    sys.excepthook = lambda kind, error, trace: _tell(descriptor, _explained(error, bundle))
    for answer in _predictions(request, bundle):
        _tell(descriptor, answer)


def _tell(descriptor: int, answer: dict) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8", closefd=False) as stream:
        stream.write(json.dumps(answer) + "\n")


def _explained(error: BaseException, bundle: Path) -> dict:
    return {"error": str(error) if isinstance(error, UnfitError) else _condensed(error, bundle)}


def _predictions(request: dict, bundle: Path) -> Iterator[dict]:
    dataset = Dataset.from_parquet(str(Path(request["inputs"]) / "final.parquet"), cache_dir="/tmp/huggingface")
    network, predict = _load(bundle)
    classes = {name: position for position, name in enumerate(request["classes"])}
    predicted: list[float] = []
    with torch.no_grad():
        for start in range(0, len(dataset), BATCH):
            rows = [dataset[n] for n in range(start, min(start + BATCH, len(dataset)))]
            predicted += _ask(predict, network, rows, classes)
        _require_independence(predict, network, dataset, predicted, classes)
    for start in range(0, len(predicted), CHUNK):
        yield {"predictions": predicted[start : start + CHUNK]}
    yield {"rows": len(predicted)}


def _load(bundle: Path) -> tuple[torch.nn.Module, object]:
    """Build the network of the bundle and give it with the bundle's `predict`.

    Raises:
        UnfitError: a file or a name is missing.
    """
    for name in ("config.json", "modeling.py", "model.safetensors"):
        if not (bundle / name).is_file():
            raise UnfitError(f"the bundle has no {name}")
    config = json.loads((bundle / "config.json").read_text("utf-8"))
    spec = importlib.util.spec_from_file_location("modeling", bundle / "modeling.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["modeling"] = module
    spec.loader.exec_module(module)
    missing = [name for name in (config["architecture"], "predict") if not hasattr(module, name)]
    if missing:
        raise UnfitError(f"modeling.py does not define {' and '.join(missing)}")
    network = getattr(module, config["architecture"])(**config["arguments"])
    load_model(network, str(bundle / "model.safetensors"), strict=True, device="cpu")
    return network.eval(), module.predict


def _ask(predict: object, network: torch.nn.Module, rows: Sequence[dict], classes: dict[str, int]) -> list[float]:
    # A copy for each call, so that a `predict` that changes its rows cannot tell itself about them later.
    answer = predict(network, [dict(row) for row in rows])
    answer = answer.tolist() if hasattr(answer, "tolist") else answer
    if not isinstance(answer, Sequence) or isinstance(answer, str):
        raise UnfitError(f"predict must return a list with one value a row, got {type(answer).__name__}")
    if len(answer) != len(rows):
        raise UnfitError(f"predict returned {len(answer)} values for {len(rows)} rows; it must return one a row")
    return [_plain(value, classes) for value in answer]


def _plain(value: object, classes: dict[str, int]) -> float:
    """Give a class number, or a number in a regression; names become class numbers."""
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


def _require_independence(
    predict: object, network: torch.nn.Module, dataset: Dataset, predicted: list[float], classes: dict[str, int]
) -> None:
    """Predict some rows again among other neighbours.

    Raises:
        UnfitError: more answers changed than rounding explains.
    """
    order = random.Random(0).sample(range(len(dataset)), min(CHECKED, len(dataset)))
    again: list[float] = []
    turn = 0
    while len(again) < len(order):
        numbers = order[len(again) : len(again) + SMALL_BATCHES[turn % len(SMALL_BATCHES)]]
        again += _ask(predict, network, [dataset[n] for n in numbers], classes)
        turn += 1
    before = [predicted[n] for n in order]
    changed = sum(not _agree(a, b, bool(classes)) for a, b in zip(before, again, strict=True))
    # Sums in another order may tip a tie between two classes now and then.
    if changed > (len(order) // 50 if classes else 0):
        raise UnfitError(
            f"the prediction of a row depends on the other rows of its batch or on earlier calls: {changed} of "
            f"{len(order)} rows changed when they were predicted again in smaller batches. Compute every row by "
            "itself: no statistics over the batch, no randomness, no memory."
        )


def _agree(first: float, second: float, is_class: bool) -> bool:
    return first == second if is_class else abs(first - second) <= 1e-3 * max(1e-6, abs(first), abs(second))


def _condensed(error: BaseException, bundle: Path) -> str:
    """Name the error and the frames inside the bundle that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(bundle)][-4:]
    where = "".join(f"\n  {Path(f.filename).name}:{f.lineno} in {f.name}: {f.line}" for f in own)
    return f"{type(error).__name__}: {str(error)[:500]}{where}"


if __name__ == "__main__":
    main()
