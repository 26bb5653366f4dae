"""Show a value in bounded size: a tensor by its shape, type, device and range rather than by its numbers.

Loaded into the process of the user's code under a private name; imports no library that the code has not imported.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Mapping

TEXT = 4096
"""Characters of a value."""
_FEW = 64
"""Elements up to which numbers themselves are shown."""
_LOOKED_AT = 1 << 24
"""Elements up to which the range is that of all; of more, a regular sample is taken."""
_ROWS, _COLUMNS, _ITEMS, _DEPTH = 6, 20, 40, 4


def show(value: object) -> str:
    """Give a text for `value`, of `TEXT` characters at most. Interrupts pass, other failures of its code do not."""
    try:
        text = _special(value) or _plain(value)
    except Exception as error:  # noqa: BLE001 - a user's `__repr__` may raise anything
        return f"<{_name(value)}, whose repr raised {_name(error)}{_said(error)}>"
    return text if len(text) <= TEXT else text[:TEXT] + "…"


def _plain(value: object) -> str:
    if isinstance(value, str | bytes):
        text = repr(value[:TEXT])
        return text if len(value) <= TEXT else f"{text}… ({len(value)} in all)"
    if isinstance(value, Mapping | list | tuple | set | frozenset) and _needs_care(value):
        more = f" ({len(value)} in all)" if len(value) > _ITEMS else ""
        return _brief(value, _DEPTH) + more
    return _text(value)


def _text(value: object) -> str:
    """Give the repr as a plain string, whatever class of string the user's code made."""
    return str.__str__(repr(value))


def _name(value: object) -> str:
    return type(value).__name__


def _said(error: BaseException) -> str:
    try:
        return f": {error}"[:200]
    except Exception:  # noqa: BLE001 - nor can its text be trusted
        return ""


# --- containers


def _needs_care(value: object) -> bool:
    """Whether a container's own repr would be long, or would print tensors."""
    assert isinstance(value, Mapping | list | tuple | set | frozenset)
    items: Iterable[object] = value.values() if isinstance(value, Mapping) else value
    first = list(itertools.islice(items, _ITEMS))
    return len(value) > TEXT // 4 or any(_is_numbers(item) or _holds_numbers(item) for item in first)


def _holds_numbers(value: object) -> bool:
    if not isinstance(value, Mapping | list | tuple):
        return False
    items: Iterable[object] = value.values() if isinstance(value, Mapping) else value
    return any(_is_numbers(item) for item in itertools.islice(items, _ITEMS))


def _is_numbers(value: object) -> bool:
    tables = _is(value, "pandas", "DataFrame") or _is(value, "pandas", "Series")
    return tables or _is(value, "torch", "Tensor") or _is(value, "numpy", "ndarray")


def _brief(value: object, depth: int) -> str:
    """Write a container with its first items, tensors in one line each."""
    if _is_numbers(value):
        return f"<{_shape_of(value)}>"
    if depth == 0 or not isinstance(value, Mapping | list | tuple | set | frozenset):
        text = _text(value)
        return text if len(text) <= 200 else text[:200] + "…"
    rest = ["…"] if len(value) > _ITEMS else []
    if isinstance(value, Mapping):
        pairs = itertools.islice(value.items(), _ITEMS)
        inner = ", ".join([*(f"{_text(key)[:200]}: {_brief(item, depth - 1)}" for key, item in pairs), *rest])
        return f"{{{inner}}}" if type(value) is dict else f"{_name(value)}({{{inner}}})"
    inner = ", ".join([*(_brief(item, depth - 1) for item in itertools.islice(value, _ITEMS)), *rest])
    left, right = {list: "[]", tuple: "()", set: "{}"}.get(type(value), (f"{_name(value)}(", ")"))
    return f"{left}{inner}{',' if type(value) is tuple and len(value) == 1 else ''}{right}"


# --- tensors, arrays, frames, networks


def _special(value: object) -> str | None:
    """Show what a library knows better than its repr; None where the repr is best."""
    known: tuple[tuple[str, str, Callable[..., str]], ...] = (
        ("torch", "Tensor", _tensor),
        ("torch.nn", "Module", _module),
        ("numpy", "ndarray", _array),
        ("pandas", "DataFrame", _frame),
        ("pandas", "Series", _series),
    )
    for module, name, shown in known:
        if _is(value, module, name):
            return shown(value)
    return None


def _is(value: object, module: str, name: str) -> bool:
    """Whether `value` is an instance of a class of a library, which then was imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _shape_of(value: object) -> str:
    """Name class, shape and type of a tensor or an array; the columns of a frame."""
    if _is(value, "pandas", "DataFrame"):
        return f"{_name(value)} {tuple(value.shape)} {', '.join(str(name)[:60] for name in value.columns[:_COLUMNS])}"
    kind = str(value.dtype).removeprefix("torch.")
    return f"{_name(value)} {tuple(value.shape)} {kind}"


def _tensor(value: object) -> str:
    facts = [f"shape={tuple(value.shape)}", f"dtype={value.dtype}", f"device={value.device}"]
    facts += ["requires_grad=True"] if value.requires_grad else []
    facts += [f"layout={value.layout}"] if str(value.layout) != "torch.strided" else []
    size = value.numel()
    if str(value.layout) == "torch.strided" and value.device.type != "meta" and size:
        flat = value.detach().reshape(-1) if size <= _LOOKED_AT else value.detach().flatten()[:: size // _LOOKED_AT + 1]
        facts += _range(flat.cpu() if size <= _FEW else flat, sys.modules["torch"], len(flat) < size)
    numbers = _text(value) + "\n" if size <= _FEW else ""
    return f"{numbers}{_name(value)}({', '.join(facts)})"


def _array(value: object) -> str:
    facts = [f"shape={value.shape}", f"dtype={value.dtype}"]
    if value.size and value.dtype.kind in "fiub":
        flat = value.reshape(-1)[:: value.size // _LOOKED_AT + 1]
        facts += _range(flat, sys.modules["numpy"], len(flat) < value.size)
    numbers = _text(value) + "\n" if value.size <= _FEW else ""
    return f"{numbers}{_name(value)}({', '.join(facts)})"


def _range(flat: object, library: object, is_sample: bool) -> list[str]:
    """Give minimum, maximum, mean and what is not finite. flat: (n,), n > 0, of torch or numpy alike."""
    if "complex" in str(flat.dtype):
        return []
    if str(flat.dtype).removeprefix("torch.") == "bool":
        return [f"true={int(flat.sum())} of {len(flat)}"]
    facts = []
    if "float" in str(flat.dtype):
        flat = flat.float() if library.__name__ == "torch" and flat.dtype.itemsize < 4 else flat
        nans, infinite = int(library.isnan(flat).sum()), int(library.isinf(flat).sum())
        facts = [f"{name}={count}" for name, count in (("nan", nans), ("inf", infinite)) if count]
        flat = flat[library.isfinite(flat)] if facts else flat
    if len(flat):
        mean = float(flat.double().mean() if library.__name__ == "torch" else flat.mean(dtype="float64"))
        facts = [f"min={_number(flat.min())}", f"max={_number(flat.max())}", f"mean={mean:.6g}", *facts]
    return [*facts, *(["(range of a sample)"] if is_sample else [])]


def _number(value: object) -> str:
    item = value.item()
    return f"{item:.6g}" if isinstance(item, float) else str(item)


def _module(value: object) -> str:
    parameters = list(value.parameters())
    count = sum(parameter.numel() for parameter in parameters)
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    where = sorted({f"{parameter.dtype} on {parameter.device}" for parameter in parameters})
    text = _text(value)
    text = text if len(text) <= TEXT // 2 else text[: TEXT // 2] + "…"
    return f"{text}\n({count:,} parameters, {trained:,} of them trained; {', '.join(where) or 'none'})"


def _frame(value: object) -> str:
    kinds = ", ".join(f"{str(name)[:60]}: {kind}" for name, kind in itertools.islice(value.dtypes.items(), _COLUMNS))
    rest = ", …" if value.shape[1] > _COLUMNS else ""
    head = value.iloc[:_ROWS].to_string(max_cols=8, max_colwidth=40, line_width=160)
    return f"{head}\n{_name(value)}(shape={value.shape}; {kinds}{rest})"


def _series(value: object) -> str:
    head = value.iloc[: 2 * _ROWS].to_string()
    name = f"name={str(value.name)[:60]!r}, " if value.name is not None else ""
    return f"{head}\n{_name(value)}({name}shape={value.shape}, dtype={value.dtype})"
