"""Passages that could make up data are found, and honest ones are left alone."""

from __future__ import annotations

import pytest

from ml_intern.verification.doubts import doubts

DOUBTFUL = {
    "a fallback to random numbers": (
        "import datasets, torch\n"
        "try:\n    rows = datasets.Dataset.from_parquet('/data/train.parquet')\n"
        "except Exception:\n    rows = torch.randn(100, 8)\n",
        "train.py line 4: where loading fails, it goes on with made-up data",
    ),
    "a swallowed load": (
        "try:\n    rows = open('/data/x').read()\nexcept OSError:\n    rows = []\n",
        "train.py line 3: where loading fails, the script goes on",
    ),
    "a question whether the file exists": (
        "import os, numpy as np\n"
        "if os.path.exists('/data/search.parquet'):\n    x = load()\n"
        "else:\n    x = np.random.default_rng(0).normal(size=(9, 2))\n",
        "train.py line 2: where the data are missing it goes on with random numbers",
    ),
    "made data": (
        "from sklearn.datasets import make_blobs\nx, y = make_blobs(100)\n",
        "train.py line 2: make_blobs makes data up",
    ),
    "random rows in a data set": (
        "import torch\nx = torch.rand(5, 2)\nd = torch.utils.data.TensorDataset(x)\n",
        "train.py line 3: TensorDataset is given random numbers",
    ),
}


@pytest.mark.parametrize(("source", "doubt"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_passage_that_could_make_up_data_is_named_with_its_line(source: str, doubt: str) -> None:
    assert doubts({"train.py": source.encode()}) == (doubt,)


def test_honest_uses_of_chance_and_of_handlers_are_left_alone() -> None:
    source = """
import torch
try:
    import tqdm
except ImportError:
    tqdm = None
try:
    rows = datasets.Dataset.from_parquet("/data/search.parquet")
except OSError as error:
    raise SystemExit("no data") from error
noise = torch.randn(4, 8)
order = torch.randperm(100)
x = x + 0.1 * torch.randn_like(x)
held = torch.utils.data.TensorDataset(x, y)
"""

    assert doubts({"train.py": source.encode(), "broken.py": b"def ("}) == ()
