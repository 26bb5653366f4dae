"""Write the visible parts once more, the labels of search in another order: nothing can be learned from them."""

from __future__ import annotations

import random
import sys
from pathlib import Path

# Behind the standard library, so that no module here can take the place of one there.
sys.path.append(str(Path(__file__).parent))

from channel import serve
from reading import READ_ERRORS


def permute(request: dict) -> dict:
    """Copy `request["parts"]` to `request["output"]`; only which row has which label differs."""
    from pyarrow import parquet  # noqa: PLC0415 - behind the settings of `channel`

    parts, output, target = Path(request["parts"]), Path(request["output"]), request["target"]
    search = parquet.read_table(parts / "search.parquet")
    order = list(range(search.num_rows))
    random.Random(request["seed"]).shuffle(order)
    column = search.column_names.index(target)
    shuffled = search.column(target).take(order)
    parquet.write_table(search.set_column(column, search.schema.field(target), shuffled), output / "search.parquet")
    for file in ("selection.parquet", "dataset.json"):
        (output / file).write_bytes((parts / file).read_bytes())
    labels = search.column(target).to_pylist()
    return {"rows": len(labels), "moved": sum(a != b for a, b in zip(labels, shuffled.to_pylist(), strict=True))}


if __name__ == "__main__":
    serve(permute, *READ_ERRORS)
