"""Read which metric a program says its `evaluate` gives: from `META`, a docstring, and the names it is returned under.

Words are read to spare rather than to accuse: two metrics, or a word that changes what one measures, are no name.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from probes.candidate import Candidate
from probes.checks.base import StopError, not_applicable
from probes.metric_words import (
    ALTERED,
    AMONG_ALL,
    COMMON_THRESHOLD,
    KIND_OF,
    MODES,
    NAMES,
    OWN_UNIT,
    PART_OF,
    PATTERNS,
    PLAIN,
)

_SECTION = re.compile(r"(?is)(args|arguments|parameters|raises|examples?|notes?):.*?(?=\n\s*\n|returns?:|$)")
_PASSED_ON = frozenset({"float", "round", "tensor", "item", "mean", "cpu", "numpy", "compute", "detach"})
Mention = tuple[str, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A metric that words name.

    Attributes:
        metric: its name, one of `NAMES`.
        k: how many best ones count, where it is said.
        plain: whether the words say nothing else.
        among_all: whether the words compare with all rows rather than those of a batch.
        own_unit: whether the words say that it has the unit of the raw targets.
        words: a quotation.
    """

    metric: str
    k: int | None
    plain: bool
    among_all: bool
    own_unit: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    mentions: frozenset[Mention]
    plain: bool
    altered: bool
    among_all: bool
    own_unit: bool
    words: str


def named(candidate: Candidate) -> Named:
    """Give the one metric that `evaluate` is said to give.

    Raises:
        StopError: none is named, several are, or a word changes what it measures.
    """
    return _one(_readings(candidate), _given_k(candidate))


def named_by(key: str, candidate: Candidate) -> Named:
    """Give the metric that the key of a dictionary names.

    Raises:
        StopError: as `named`.
    """
    return _one([_read(key)], _given_k(candidate))


def mentioned(candidate: Candidate) -> set[str]:
    """Give every metric that the program's words about `evaluate` name, and `altered` where they change one.

    Where they name none, the functions tell that it calls, unless it compares the best class itself.
    """
    readings = _readings(candidate)
    found = {metric for reading in readings for metric, _ in reading.mentions}
    if any(reading.altered for reading in readings if reading.mentions):
        found.add("altered")
    return found if found or "argmax" in _calls(candidate) else called(candidate)


def called(candidate: Candidate) -> set[str]:
    """Give the metrics that functions are named for which `evaluate` calls."""
    return {metric for name in _calls(candidate) for metric, _ in _read(name).mentions}


def _one(readings: list[_Reading], k: int | None) -> Named:
    telling = [reading for reading in readings if reading.mentions]
    found = _distinct([reading.mentions for reading in telling])
    if len(found) > 1:
        raise StopError(not_applicable(f"several metrics are named: {', '.join(sorted(m for m, _ in found))}"))
    if not found:
        raise StopError(not_applicable("no words of the program name the metric"))
    ((metric, count),) = found
    if metric not in NAMES:
        raise StopError(not_applicable(f"there is no reference for what is named: {metric}"))
    if any(reading.altered for reading in readings):
        raise StopError(not_applicable("a word changes what the metric measures"))
    return Named(
        metric=metric,
        k=count or k,
        plain=all(reading.plain for reading in readings),
        among_all=any(reading.among_all for reading in readings),
        own_unit=any(reading.own_unit for reading in readings),
        words=telling[0].words,
    )


def _distinct(readings: list[frozenset[Mention]]) -> set[Mention]:
    """Leave out what is part of another metric's definition, or another one's name for short."""
    names = {metric for mentions in readings for metric, _ in mentions}
    parts = {part for name in names for part in PART_OF.get(name, ())}
    kept: set[Mention] = set()
    for mentions in readings:
        here = {metric for metric, _ in mentions}
        short = {KIND_OF.get(name) for name in names - here}
        kept |= {(metric, k) for metric, k in mentions if metric not in parts and metric not in short}
    return {(metric, k) for metric, k in kept if k is not None or all(m != metric or n is None for m, n in kept)}


def _readings(candidate: Candidate) -> list[_Reading]:
    if candidate.contract.metric:
        return [_read(candidate.contract.metric)]
    evaluate = _evaluate(candidate)
    if evaluate is None:
        return []
    document = ast.get_docstring(evaluate) or ""
    names = [*_returned(evaluate), *_received(candidate.tree)]
    said = [_read(_SECTION.sub("", document))] if document else []
    return [*said, *(reading for name in names if (reading := _read(name)).mentions)]


def _read(text: str) -> _Reading:
    """Find the metrics in a text, longest names first; what is left says whether the words are plain."""
    told = re.sub(r"\b1 ?[-\N{MINUS SIGN}] ", " minus ", text.lower())
    rest = COMMON_THRESHOLD.sub(" ", " ".join(re.sub(r"[_\-/]+", " ", told).split()))
    mentions: set[Mention] = set()
    for name, pattern in PATTERNS:
        for match in pattern.finditer(rest):
            number = next((n for n in match.groupdict().values() if n), "")
            is_accuracy = name == "top_k_accuracy" and number == "1"
            mentions.add(("accuracy", None) if is_accuracy else (name, int(number) if number.isdigit() else None))
        rest = pattern.sub("_", rest)
    if any(name == "f1" for name, _ in mentions):
        mentions, rest = _with_modes(mentions, rest)
    words = re.findall(r"[a-z]+", rest)
    return _Reading(
        mentions=frozenset(mentions),
        plain=all(PLAIN.fullmatch(word) for word in words),
        altered=ALTERED.search(rest) is not None,
        among_all=AMONG_ALL.search(rest) is not None,
        own_unit=OWN_UNIT.search(rest) is not None,
        words=" ".join(text.split())[:60],
    )


def _with_modes(mentions: set[Mention], rest: str) -> tuple[set[Mention], str]:
    """Tell macro, micro, weighted and entity F1 apart; precision and recall beside it belong to its definition."""
    found = {mode for mode, pattern in MODES.items() if pattern.search(rest)}
    for pattern in MODES.values():
        rest = pattern.sub("_", rest)
    kept = {mention for mention in mentions if mention[0] != "f1"}
    if "harmonic" in rest:
        kept -= {("precision", None), ("recall", None)}
    if "entity_f1" in found:
        found = {"entity_f1"}
    return kept | {(mode, None) for mode in found or {"f1"}}, rest


def _evaluate(candidate: Candidate) -> ast.FunctionDef | None:
    found = [n for n in candidate.tree.body if isinstance(n, ast.FunctionDef) and n.name == "evaluate"]
    return found[-1] if found else None


def _returned(function: ast.FunctionDef) -> Iterator[str]:
    """Give the names under which values are returned: variables, and the functions that compute them."""
    values = {
        node.targets[0].id: node.value
        for node in _inside(function)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in _inside(function):
        if isinstance(node, ast.Return) and node.value is not None:
            for value in _branches(node.value):
                yield from _named_value(value)
                if isinstance(value, ast.Name) and value.id in values:
                    yield from (text for v in _branches(values[value.id]) for text in _called_as(v))


def _named_value(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.Name) and value.id != "acc":  # often an accumulator
        yield value.id
    yield from _called_as(value)


def _called_as(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.Call):
        kinds = [p.value.value for p in value.keywords if p.arg == "average" and isinstance(p.value, ast.Constant)]
        changed = ["altered by threshold" for p in value.keywords if p.arg in {"squared", "sample_weight", "labels"}]
        yield " ".join(map(str, [_last_name(value.func), *kinds, *changed]))


def _branches(value: ast.expr) -> Iterator[ast.expr]:
    """Look through what leaves a value the same or multiplies it by a number."""
    match value:
        case ast.IfExp(body=body, orelse=other):
            yield from _branches(body)
            yield from _branches(other)
        case ast.BinOp(op=ast.Mult(), left=inner, right=ast.Constant()):
            yield from _branches(inner)
        case ast.BinOp(op=ast.Mult(), left=ast.Constant(), right=inner):
            yield from _branches(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr=name), args=[]) if name in _PASSED_ON:
            yield from _branches(inner)
        case ast.Call(func=function, args=[inner, *_]) if _last_name(function) in _PASSED_ON:
            yield from _branches(inner)
        case _:
            yield value


def _received(tree: ast.Module) -> Iterator[str]:
    """Give the names that a value of `evaluate` goes by elsewhere: variables, keys, and the text printed before it."""
    keys = set(_keys(tree))
    yield from sorted(keys)
    for scope in (tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))):
        nodes = list(_inside(scope))
        names = {
            node.targets[0].id
            for node in nodes
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _asks(node.value)
        }
        yield from sorted(names)
        for node in nodes:
            yield from _printed(node, names, keys)


def _keys(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                yield from (str(k.value) for k, v in pairs if isinstance(k, ast.Constant) and _asks(v))
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=key))], value=value) if _asks(value):
                yield str(key)
            case ast.keyword(arg=str(name), value=value) if _asks(value):
                yield name


def _printed(node: ast.AST, names: set[str], keys: set[str]) -> Iterator[str]:
    """Give the text before a value of `evaluate` in a formatted string, or in the arguments of `print`."""
    parts: list[ast.expr] = []
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.FormattedValue) else part for part in node.values]
    elif isinstance(node, ast.Call) and _last_name(node.func) == "print":
        parts = node.args
    for before, part in itertools.pairwise(parts):
        if isinstance(before, ast.Constant) and (_asks(part) or _holds(part, names, keys)):
            yield str(before.value)


def _holds(value: ast.expr, names: set[str], keys: set[str]) -> bool:
    return any(
        (isinstance(v, ast.Name) and v.id in names)
        or (isinstance(v, ast.Subscript) and isinstance(v.slice, ast.Constant) and v.slice.value in keys)
        for v in _branches(value)
    )


def _asks(value: ast.expr) -> bool:
    return any(isinstance(v, ast.Call) and _last_name(v.func) == "evaluate" for v in _branches(value))


def _calls(candidate: Candidate) -> set[str]:
    function = _evaluate(candidate)
    return {_last_name(n.func) for n in _inside(function) if isinstance(n, ast.Call)} if function else set()


def _inside(function: ast.FunctionDef | ast.Module) -> Iterator[ast.AST]:
    """Give the nodes of a function in order, without those of functions within."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting[:0] = ast.iter_child_nodes(node)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _given_k(candidate: Candidate) -> int | None:
    """Give the default of a parameter `k` of `evaluate`."""
    evaluate = _evaluate(candidate)
    if evaluate is None:
        return None
    arguments = [*evaluate.args.posonlyargs, *evaluate.args.args]
    defaults = evaluate.args.defaults
    pairs = [*zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True)]
    pairs += [(a, d) for a, d in zip(evaluate.args.kwonlyargs, evaluate.args.kw_defaults, strict=True) if d]
    for argument, default in pairs:
        if argument.arg in {"k", "top_k", "topk"} and isinstance(default, ast.Constant) and type(default.value) is int:
            return default.value
    return None
