"""Find columns that give the label away: a copy of the target, a code of it, or a name that holds it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from columns import IDENTIFIERS

SAMPLE = 4000
"""Rows that are looked at."""

FEWEST = 40
_LEAVES = 64
"""Of the largest tree that a column is judged by."""
_NEAR_ONE = 0.98
"""Balanced accuracy of one column on held-out rows that is no ordinary feature any more."""
_OTHERS = 0.98
"""Where the other columns together reach this, one column more or less changes nothing."""
_LINEAR, _LINEAR_OTHERS = 0.9995, 0.99
_MONOTONE = 0.999
_SPREADS = 2.0
"""Gap between classes, in standard deviations within them, that a measurement hardly has and a code does."""
_NAMED = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A column, how well it alone tells the target, and whether that is beyond doubt."""

    column: str
    score: float
    is_gross: bool
    how: str


def giving_away(
    columns: dict[str, list], labels: Sequence[float], *, is_classification: bool, has_more: bool
) -> list[Leak]:
    """Judge each of `columns`, numbers or short texts by name, against `labels` of the same rows.

    `has_more`: whether there are inputs of other kinds besides. An only input is never a leak: it is the task.
    """
    if len(labels) < FEWEST:
        return []
    truth = np.asarray(labels)
    coded = {name: _coded(values) for name, values in columns.items()}
    judge = _judge_class if is_classification else _judge_number
    found = [leak for name, values in coded.items() if (leak := judge(name, values, truth)) is not None]
    if len(columns) == 1:
        return found if has_more else [replace(leak, is_gross=False) for leak in found]
    return [_against_others(leak, coded, truth, is_classification=is_classification) for leak in found]


def _coded(values: list) -> np.ndarray:
    """Give numbers as they are and anything else as the number of its value; (rows,), missing is NaN."""
    if any(isinstance(value, str) for value in values):
        codes: dict[object, int] = {}
        return np.array([codes.setdefault(value, len(codes)) for value in values], dtype=float)
    return np.array([np.nan if value is None else float(value) for value in values], dtype=float)


def _judge_class(name: str, values: np.ndarray, truth: np.ndarray) -> Leak | None:
    distinct = len(np.unique(values))
    classes = len(np.unique(truth))
    if distinct < 2 or classes < 2:
        return None
    filled = np.nan_to_num(values, nan=float(np.nanmin(values)) - 1.0)
    score = _by_table(filled, truth)
    if score < 1 and _bound(filled, truth, min(_LEAVES, 4 * classes)) >= _NEAR_ONE:
        score = max(score, _by_stump(filled, truth, min(_LEAVES, 4 * classes)))
    if score < _NEAR_ONE:
        return None
    if distinct <= max(20, 2 * classes):
        return Leak(column=name, score=score, is_gross=True, how=f"each of its {distinct} values stands for a class")
    if name.lower() in IDENTIFIERS:
        return Leak(column=name, score=score, is_gross=True, how="the rows are numbered class by class")
    is_apart = _are_apart(filled, truth)
    how = "its values lie in a cluster of its own for each class" if is_apart else "thresholds on it tell the classes"
    return Leak(column=name, score=score, is_gross=is_apart, how=how)


def _halves(size: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(0).permutation(size)
    return order[: size // 2], order[size // 2 :]


def _by_table(values: np.ndarray, truth: np.ndarray) -> float:
    """Learn the most frequent class of each value on one half, and score it on the other."""
    first, second = _halves(len(truth))
    seen: dict[float, Counter] = defaultdict(Counter)
    for value, label in zip(values[first].tolist(), truth[first].tolist(), strict=True):
        seen[value][label] += 1
    usual = Counter(truth[first].tolist()).most_common(1)[0][0]
    told = [seen[value].most_common(1)[0][0] if value in seen else usual for value in values[second].tolist()]
    return _balanced(truth[second], np.asarray(told))


def _bound(values: np.ndarray, truth: np.ndarray, leaves: int) -> float:
    """Give a balanced accuracy that no tree of so many leaves on `values` exceeds on the second half.

    Its leaves cut the values into intervals of one answer each. Among the values that stand for one class only, an
    interval that r runs of classes meet is wrong for r // 2 rows or more, so all are for half of what the runs exceed
    the leaves by. That costs least where all of it hits the largest class.
    """
    second = _halves(len(truth))[1]
    rows = np.unique(np.stack([values[second], truth[second]], axis=1), axis=0)  # (pairs, 2), by value
    _, place, times = np.unique(rows[:, 0], return_inverse=True, return_counts=True)
    labels = rows[times[place] == 1, 1]
    runs = 1 + int((labels[1:] != labels[:-1]).sum()) if len(labels) else 0
    _, sizes = np.unique(truth[second], return_counts=True)
    return 1 - max(0, runs - leaves) / 2 / (len(sizes) * sizes.max())


def _by_stump(values: np.ndarray, truth: np.ndarray, leaves: int) -> float:
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415 - a second to import, and seldom needed

    first, second = _halves(len(truth))
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0).fit(values[first, None], truth[first])
    return _balanced(truth[second], tree.predict(values[second, None]))


def _balanced(truth: np.ndarray, told: np.ndarray) -> float:
    """Give the mean, over classes, of the share of their rows that were told right."""
    return float(np.mean([(told[truth == label] == label).mean() for label in np.unique(truth)]))


def _are_apart(values: np.ndarray, truth: np.ndarray) -> bool:
    """Tell whether each class has an interval of its own with a wide gap to the next."""
    order = np.argsort(values, kind="stable")
    ordered, labels = values[order], truth[order]
    changes = np.flatnonzero(labels[1:] != labels[:-1])
    if len(changes) + 1 != len(np.unique(truth)):
        return False
    within = max(float(values[truth == label].std()) for label in np.unique(truth))
    return bool((ordered[changes + 1] - ordered[changes]).min() >= _SPREADS * within)


def _judge_number(name: str, values: np.ndarray, truth: np.ndarray) -> Leak | None:
    known = ~np.isnan(values)
    if known.mean() < _NAMED or len(np.unique(values[known])) < FEWEST // 2:
        return None
    x, y = values[known], truth[known]
    linear = float(np.corrcoef(x, y)[0, 1] ** 2) if x.std() > 0 and y.std() > 0 else 0.0
    if linear >= _LINEAR:
        return Leak(column=name, score=linear, is_gross=True, how="the target is a linear function of it")
    steps = np.diff(y[np.lexsort((y, x))])
    monotone = float(max((steps >= 0).mean(), (steps <= 0).mean()))
    if monotone >= _MONOTONE:
        return Leak(column=name, score=monotone, is_gross=True, how="the target rises or falls with it, row for row")
    return None


def _against_others(leak: Leak, coded: dict[str, np.ndarray], truth: np.ndarray, *, is_classification: bool) -> Leak:
    """Let a leak count only where the other columns do not tell the target as well."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor  # noqa: PLC0415 - as above

    others = [np.nan_to_num(values) for name, values in coded.items() if name != leak.column]
    first, second = _halves(len(truth))
    table = np.stack(others, axis=1)  # (rows, columns)
    if is_classification:
        forest = RandomForestClassifier(50, random_state=0).fit(table[first], truth[first])
        is_as_good = _balanced(truth[second], forest.predict(table[second])) >= _OTHERS
    else:
        numbers = RandomForestRegressor(50, random_state=0).fit(table[first], truth[first])
        is_as_good = numbers.score(table[second], truth[second]) >= _LINEAR_OTHERS
    if not is_as_good:
        return leak
    return replace(leak, is_gross=False, how="the other columns together tell it as well")


def named_in(texts: Sequence[str], labels: Sequence[int], classes: Sequence[str], *, is_prose: bool) -> float:
    """Give the share of rows whose text holds its own class as a mark, and no other class.

    In prose a mark is a class behind a word for it (`label: dog`, `__label__dog`, `class=3`); in names and paths
    (`dog/0001.png`) it is the class as a word of its own.
    """
    if len(texts) < FEWEST or len(classes) < 2:
        return 0.0
    names = {name.casefold(): n for n, name in enumerate(classes)}
    if not is_prose and all(len(name) < 2 for name in names):
        return 0.0  # a digit or a letter occurs in any name
    numbered = {**{str(n): n for n in range(len(classes))}, **names} if is_prose else names
    marked = sum(
        _marks(text, numbered, is_prose=is_prose) == {label} for text, label in zip(texts, labels, strict=True)
    )
    return marked / len(texts)


def _marks(text: str, names: dict[str, int], *, is_prose: bool) -> set[int]:
    text = text.casefold()
    if is_prose:
        found = re.findall(r"(?<![a-z])(?:label|class|target|category|answer)(?:\s*[:=]\s*|_+)[\"']?([\w-]+)", text)
        return {names[word] for word in found if word in names}
    words = set(re.split(r"[\W_\d]+", text)) | set(re.split(r"[\W_]+", text))
    return {n for name, n in names.items() if name in words}
