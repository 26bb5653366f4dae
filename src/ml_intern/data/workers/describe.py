"""Describe a data set: splits, columns, balance, duplicates, and a proposal of inputs and target."""

from __future__ import annotations

import io
import sys
from collections import Counter
from pathlib import Path

# Behind the standard library, so that no module here can take the place of one there.
sys.path.append(str(Path(__file__).parent))

from channel import RefusedError, serve
from columns import classes_of, clean, kind, propose, task_of
from datasets import Dataset
from PIL import Image as Pillow
from reading import READ_ERRORS, fingerprint, image_bytes, kinds_of, load, rows_of

SAMPLE = 5000
"""Rows of a split that are looked at; counting uses all of them."""

MOST_COLUMNS = 40
MOST_SPLITS = 12
SHOWN = 3
MOST_COUNTED = 100


def describe(request: dict) -> dict:
    """Give what is worth knowing before columns are chosen."""
    loaded = load(request["source"])
    splits = dict(list(loaded.splits.items())[:MOST_SPLITS])
    name, first = max(splits.items(), key=lambda item: len(item[1]))
    samples = {split: _sample(dataset) for split, dataset in splits.items()}
    mapping = propose(first)
    return {
        "revision": loaded.revision,
        "splits": [{"name": clean(split), "rows": len(dataset)} for split, dataset in splits.items()],
        "columns": [_column(column, first, samples[name]) for column in first.column_names[:MOST_COLUMNS]],
        "more_columns": max(0, len(first.column_names) - MOST_COLUMNS),
        "repeats": _repeats(samples, mapping.inputs if mapping else tuple(first.column_names)),
        "is_sampled": any(len(dataset) > SAMPLE for dataset in splits.values()),
        "rows": _examples(samples[name], mapping.target if mapping else None),
        "proposal": _proposal(first, mapping) if mapping else None,
        "notes": [clean(note, 300) for note in loaded.notes],
    }


def _sample(dataset: Dataset) -> Dataset:
    """Take rows at equal distances, because files are often sorted by class."""
    step = max(1, -(-len(dataset) // SAMPLE))
    return dataset.select(range(0, len(dataset), step))


def _column(name: str, dataset: Dataset, sample: Dataset) -> dict:
    of = kind(dataset.features[name])
    details = {"image": _images, "text": _texts, "label": _labels, "integer": _numbers, "number": _numbers}
    detail = details[of](name, dataset, sample) if of in details else str(dataset.features[name])
    nulls = dataset.data.column(name).null_count
    return {"name": name, "kind": of, "detail": clean(detail, 300), "nulls": nulls}


def _images(name: str, dataset: Dataset, sample: Dataset) -> str:
    forms: Counter = Counter()
    step = max(1, len(sample) // 300)
    for row in rows_of(sample.select(range(0, len(sample), step)), [name]):
        forms[_form(image_bytes(row[name]))] += 1
    most = ", ".join(f"{form} ({count})" for form, count in forms.most_common(4))
    return f"{most} of {forms.total()} looked at"


def _form(encoded: bytes | None) -> str:
    try:
        image = Pillow.open(io.BytesIO(encoded or b""))
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return "unreadable"
    return f"{image.width}x{image.height} {image.mode} {image.format}"


def _texts(name: str, dataset: Dataset, sample: Dataset) -> str:
    texts = [text for text in sample[:][name] if text is not None]
    lengths = sorted(map(len, texts)) or [0]
    distinct = Counter(texts)
    if len(distinct) <= MOST_COUNTED and len(texts) >= 2 * len(distinct):
        return _balance(Counter({clean(text, 30): count for text, count in distinct.items()}))
    middle, high = lengths[len(lengths) // 2], lengths[int(0.95 * (len(lengths) - 1))]
    empty = sum(not text.strip() for text in texts)
    return f"characters: median {middle}, 95 % {high}, most {lengths[-1]}{f'; {empty} empty' if empty else ''}"


def _labels(name: str, dataset: Dataset, sample: Dataset) -> str:
    names = dataset.features[name].names
    counts = Counter({clean(n, 30): 0 for n in names})
    for counted in dataset.data.column(name).value_counts().to_pylist():
        value = counted["values"]
        known = value is not None and 0 <= value < len(names)
        counts[clean(names[value], 30) if known else "without label"] += counted["counts"]
    return _balance(counts)


def _balance(counts: Counter) -> str:
    """Name classes with their share of the rows, the most frequent first: its share is the trivial baseline."""
    total = max(1, counts.total())
    shown = ", ".join(f'"{name}" {count}' for name, count in counts.most_common(12))
    more = f", … {len(counts) - 12} more down to {min(counts.values())}" if len(counts) > 12 else ""
    majority = counts.most_common(1)[0][1] / total if counts else 0.0
    return f"{len(counts)} classes, majority {majority:.1%}: {shown}{more}"


def _numbers(name: str, dataset: Dataset, sample: Dataset) -> str:
    values = sorted(value for value in sample[:][name] if value is not None and value == value)
    if not values:
        return "no values"
    distinct = len(set(values))
    middle = values[len(values) // 2]
    return f"{values[0]:g} to {values[-1]:g}, median {middle:g}, {distinct} different"


def _repeats(samples: dict[str, Dataset], columns: tuple[str, ...]) -> list[dict]:
    """Count rows whose inputs occur before, within each split and between every two."""
    digests = {}
    for split, sample in samples.items():
        kinds = kinds_of(sample, list(columns))
        digests[split] = [fingerprint(row, kinds) for row in rows_of(sample, list(columns))]
    found = []
    names = list(digests)
    for position, first in enumerate(names):
        seen = set(digests[first])
        found.append((first, first, len(digests[first]) - len(seen)))
        found += [(first, second, sum(key in seen for key in digests[second])) for second in names[position + 1 :]]
    return [{"first": clean(a), "second": clean(b), "rows": rows} for a, b, rows in found if rows]


def _examples(sample: Dataset, target: str | None) -> list[dict[str, str]]:
    """Show three values of each column, each column's from rows of its own.

    A whole row could become one of a hidden part, and would show its label. Where there are too few rows for that,
    the proposed target is left out. Images are not decoded, because the first one may be the broken one.
    """
    columns = sample.column_names[:MOST_COLUMNS]
    apart = len(sample) >= SHOWN * len(columns)
    columns = columns if apart else [name for name in columns if name != target]
    kinds = kinds_of(sample, columns)
    rows = [{} for _ in range(min(SHOWN, len(sample)))]
    for place, (name, of) in enumerate(kinds.items()):
        start = SHOWN * place if apart else 0
        for shown, row in zip(rows, rows_of(sample.select(range(start, start + len(rows))), [name]), strict=True):
            shown[name] = _shown(row[name], of)
    return rows


def _shown(value: object, of: str) -> str:
    return f"image {_form(image_bytes(value))}" if of == "image" else clean(str(value), 60)


def _proposal(dataset: Dataset, mapping: object) -> dict:
    try:
        task = task_of(dataset, mapping, classes_of(dataset, mapping.target))
    except RefusedError as error:
        return {"inputs": list(mapping.inputs), "target": mapping.target, "task": None, "reason": str(error)[:300]}
    return {"inputs": list(mapping.inputs), "target": mapping.target, "task": task, "reason": ""}


if __name__ == "__main__":
    serve(describe, *READ_ERRORS)
