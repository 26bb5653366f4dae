"""Small wrong versions of a source, one changed place each: what a good test suite tells from the right one.

Every operator is a mistake that programs with a seeded bug really had: a dropped residual, scale, mask or detach, a
wrong axis, bottom-k for top-k, an off-by-one. Pure: parses and rewrites syntax, runs nothing. Idea and terms:
DeMillo, Lipton, Sayward, "Hints on Test Data Selection", 1978.
"""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

_SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}
_FLIPPED = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
}  # fmt: skip
_RENAMED = {
    "sum": "mean", "mean": "sum", "max": "min", "min": "max", "amax": "amin", "amin": "amax", "argmax": "argmin",
    "argmin": "argmax", "tril": "triu", "triu": "tril", "floor": "ceil", "ceil": "floor", "cumsum": "cumprod",
    "softmax": "sigmoid", "sin": "cos", "cos": "sin", "maximum": "minimum", "minimum": "maximum",
}  # fmt: skip
_DROPPED = {
    "detach", "masked_fill", "masked_fill_", "clamp", "clamp_min", "clamp_max", "softmax", "log_softmax", "normalize",
    "dropout", "relu", "gelu", "silu", "tanh", "sigmoid", "exp", "sqrt", "rsqrt", "abs", "tril", "triu", "flip", "roll",
    "transpose", "layer_norm", "rms_norm", "cumsum", "square", "pow",
}  # fmt: skip
_REORDERED = frozenset({"view", "reshape", "permute", "where", "unflatten", "kl_div"})
_NAMED_LOSS = ("loss", "aux", "balance", "penalty", "prob", "gate", "weight", "score", "logit")
_NOT_CODE = ("predict", "__repr__", "extra_repr", "__str__")
_TINY = 1e-4
"""Constants below it guard a division; changing one rarely changes anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One changed place of a file; `owner` is the class or function around it, `place` its number in the file."""

    file: str
    line: int
    owner: str
    operator: str
    before: str
    after: str
    place: int
    replacement: ast.AST | None

    def applied(self, source: str) -> ast.Module:
        """Give the wrong version of `source`, ready to compile; lines are those of the right one."""
        return _replaced(ast.parse(source), self.place, self.replacement)


def mutants(file: str, source: str, layers: tuple[str, ...] = ()) -> list[Mutant]:
    """Name every mutant of `source`, in the order of the file.

    Args:
        file: its name, for the reports.
        source: the text.
        layers: classes and functions to change; empty means all but `predict`.
    """
    found: list[Mutant] = []
    for place, (node, owner) in enumerate(_places(ast.parse(source))):
        if layers and owner.partition(".")[0] not in layers:
            continue
        before, seen = ast.unparse(node), {ast.unparse(node)}
        for operator, replacement in _changes(node):
            after = "(removed)" if replacement is None else ast.unparse(ast.fix_missing_locations(replacement))
            if after not in seen:
                seen.add(after)
                place_of = {"file": file, "line": node.lineno, "owner": owner, "place": place}
                found.append(Mutant(**place_of, operator=operator, before=before, after=after, replacement=replacement))
    return found


def spread(found: list[Mutant], limit: int) -> list[Mutant]:
    """Choose at most `limit`: in turn from every function and operator, so that none crowds out the others."""
    kinds: dict[tuple[str, str], list[Mutant]] = {}
    for mutant in found:
        kinds.setdefault((mutant.owner, mutant.operator), []).append(mutant)
    turns = itertools.zip_longest(*kinds.values())
    chosen = [mutant for turn in turns for mutant in turn if mutant is not None][:limit]
    return sorted(chosen, key=lambda mutant: (mutant.file, mutant.line))


def _places(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Give the nodes that may change, with the class and function around each; always in the same order."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef) and statement.name not in _NOT_CODE:
            yield from _inside(statement, statement.name)


def _inside(node: ast.AST, owner: str) -> Iterator[tuple[ast.AST, str]]:
    match node:
        case ast.ClassDef(body=body) | ast.FunctionDef(body=body):
            yield from _members(body, owner)
        case ast.Raise() | ast.Assert() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return
        case ast.Expr(value=ast.Constant()) | ast.AnnAssign(value=None):
            return
        case ast.AnnAssign(value=ast.expr() as value):
            yield from _inside(value, owner)
        case _:
            yield from _itself(node, owner)
            for child in ast.iter_child_nodes(node):
                yield from _inside(child, owner)


def _members(body: list[ast.stmt], owner: str) -> Iterator[tuple[ast.AST, str]]:
    for statement in body:
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield from _inside(statement, owner)
        elif statement.name not in _NOT_CODE:
            yield from _inside(statement, f"{owner}.{statement.name}")


def _itself(node: ast.AST, owner: str) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(node, ast.expr | ast.stmt):
        yield node, owner


def _replaced(tree: ast.Module, place: int, replacement: ast.AST | None) -> ast.Module:
    """Exchange the node at `place`; None for a statement removes it."""
    target, _ = next(itertools.islice(_places(tree), place, None))
    new = ast.copy_location(ast.Pass() if replacement is None else copy.deepcopy(replacement), target)
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, field, new)
            elif isinstance(value, list):
                setattr(parent, field, [new if item is target else item for item in value])
    return ast.fix_missing_locations(tree)


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """Give operator and replacement for each wrong version of one node."""
    match node:
        case ast.BinOp():
            yield from _arithmetic(node)
        case ast.Call():
            yield from _calls(node)
        case ast.Subscript(slice=index):
            for moved in _moved(index):
                yield "index", ast.Subscript(value=node.value, slice=moved, ctx=node.ctx)
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub(), operand=operand) if not _number(node):
            yield "sign", operand
        case ast.Constant() | ast.UnaryOp():
            yield from _constants(node)
        case ast.stmt():
            yield from _statements(node)
        case _:
            yield from _choices(node)


def _choices(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare(ops=[op]):
            for flipped in _FLIPPED.get(type(op), ()):
                yield "comparison", ast.Compare(left=node.left, ops=[flipped()], comparators=node.comparators)
        case ast.BoolOp(op=op):
            yield "logic", ast.BoolOp(op=ast.Or() if isinstance(op, ast.And) else ast.And(), values=node.values)
        case ast.IfExp(body=body, orelse=orelse):
            yield "branch", ast.IfExp(test=node.test, body=orelse, orelse=body)
        case _:
            return


def _arithmetic(node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
    if any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in (node.left, node.right)):
        return
    if (other := _SWAPPED.get(type(node.op))) is not None:
        yield "operator", ast.BinOp(left=node.left, op=other(), right=node.right)
        yield "dropped term", node.left
    if isinstance(node.op, ast.Add | ast.Mult | ast.BitAnd | ast.BitOr):
        yield "dropped term", node.right
    if isinstance(node.op, ast.BitAnd | ast.BitOr | ast.Pow):
        yield "dropped term", node.left


def _calls(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.func, ast.Attribute):
        yield from _methods(node, node.func.attr, node.func.value)
    if _is_layer(node):
        yield "dropped layer", node.args[0]


def _methods(node: ast.Call, name: str, receiver: ast.expr) -> Iterator[tuple[str, ast.AST]]:
    if name in {"topk", "sort", "argsort"}:
        yield "wrong end", _other_end(node, name)
    if name in _RENAMED:
        renamed = ast.Attribute(value=receiver, attr=_RENAMED[name], ctx=ast.Load())
        yield "function", ast.Call(func=renamed, args=node.args, keywords=node.keywords)
    if name in _DROPPED:
        library = isinstance(receiver, ast.Name) and receiver.id in {"torch", "F", "nn", "functional"}
        yield "dropped call", node.args[0] if library and node.args else receiver
    if name in _REORDERED:
        yield from _reordered(node, skip=1 if name == "where" else 0)


def _other_end(node: ast.Call, name: str) -> ast.Call:
    keyword = "largest" if name == "topk" else "descending"
    given = next((k.value for k in node.keywords if k.arg == keyword), None)
    usual = name == "topk"
    flipped: ast.expr = ast.Constant(not usual)
    if isinstance(given, ast.Constant):
        flipped = ast.Constant(not given.value)
    elif given is not None:
        flipped = ast.UnaryOp(op=ast.Not(), operand=given)
    others = [k for k in node.keywords if k.arg != keyword]
    return ast.Call(func=node.func, args=node.args, keywords=[*others, ast.keyword(arg=keyword, value=flipped)])


def _is_layer(node: ast.Call) -> bool:
    """Whether it is `self.name(x)`: a layer that can be left out."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self")), args=[arg], keywords=[]):
            return not isinstance(arg, ast.Starred)
        case _:
            return False


def _reordered(node: ast.Call, *, skip: int) -> Iterator[tuple[str, ast.AST]]:
    for first in range(skip, len(node.args) - 1):
        args = [*node.args]
        args[first], args[first + 1] = args[first + 1], args[first]
        yield "swapped axes", ast.Call(func=node.func, args=args, keywords=node.keywords)


def _moved(index: ast.expr) -> Iterator[ast.expr]:
    """Move a constant index to another place: the first for the last, the next for any other."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    for number, part in enumerate(parts):
        value = _number(part)
        if value is None or isinstance(value[0], float):
            continue
        other = {0: -1, -1: 0}.get(value[0], value[0] + 1)
        changed = [ast.Constant(other) if n == number else p for n, p in enumerate(parts)]
        yield ast.Tuple(elts=changed, ctx=ast.Load()) if isinstance(index, ast.Tuple) else changed[0]


def _number(node: ast.AST) -> tuple[int | float] | None:
    """Give the value of a literal number, also of a negative one; in a tuple, since 0 is a value too."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)) if isinstance(value, int | float):
            return (-value,)
        case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
            return (value,)
        case _:
            return None


def _constants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", ast.Constant(not node.value)
    if (number := _number(node)) is None:
        return
    value = number[0]
    if isinstance(value, int):
        # An axis for another one; a count for the next one.
        yield "constant", ast.Constant({-1: 0, 0: -1, -2: -1}.get(value, value + 1))
        if value > 1:
            yield "constant", ast.Constant(value - 1)
        elif value == 0:
            yield "constant", ast.Constant(1)
    elif abs(value) > _TINY or value == 0:
        yield "constant", ast.Constant(value * 2 if value else 1.0)


def _statements(node: ast.stmt) -> Iterator[tuple[str, ast.AST | None]]:
    match node:
        case ast.AugAssign(target=target, op=op, value=value):
            yield "dropped statement", None
            if (other := _SWAPPED.get(type(op))) is not None:
                yield "operator", ast.AugAssign(target=target, op=other(), value=value)
        case ast.Expr(value=ast.Call(func=func)) if "super" not in ast.unparse(func):
            yield "dropped statement", None
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            if any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(value)):
                yield "dropped statement", None
            if any(word in name.lower() for word in _NAMED_LOSS) and not isinstance(value, ast.Constant):
                yield "added detach", ast.Assign(targets=node.targets, value=_detached(value))
        case ast.Return(value=value) if value is not None:
            yield from _returns(value)
        case _:
            return


def _returns(value: ast.expr) -> Iterator[tuple[str, ast.AST]]:
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    for number, part in enumerate(parts):
        if isinstance(part, ast.Constant) or len(parts) == 1:
            continue
        changed = [_detached(p) if n == number else p for n, p in enumerate(parts)]
        yield "added detach", ast.Return(value=ast.Tuple(elts=changed, ctx=ast.Load()))


def _detached(value: ast.expr) -> ast.Call:
    return ast.Call(func=ast.Attribute(value=value, attr="detach", ctx=ast.Load()), args=[], keywords=[])
