"""Give rows of search the form of a hidden part: inputs in one file, labels in another."""

from __future__ import annotations

import json
import sys
from pathlib import Path

# Behind the standard library, so that no module here can take the place of one there.
sys.path.append(str(Path(__file__).parent))

from channel import serve
from reading import READ_ERRORS


def held(request: dict) -> dict:
    """Write the first `request["most"]` rows of search, which has no order, below `request["output"]`."""
    from datasets import Dataset  # noqa: PLC0415 - behind the settings of `channel`

    search = Dataset.from_parquet(str(Path(request["parts"]) / "search.parquet"))
    search = search.select(range(min(request["most"], len(search))))
    output, target = Path(request["output"]), request["target"]
    for folder in ("inputs", "labels"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    search.remove_columns([target]).to_parquet(str(output / "inputs" / "final.parquet"))
    labels = search.data.column(target).to_pylist()
    (output / "labels" / "final.json").write_text(json.dumps({"labels": labels, "constant": labels[0]}), "utf-8")
    return {"rows": len(labels)}


if __name__ == "__main__":
    serve(held, *READ_ERRORS)
