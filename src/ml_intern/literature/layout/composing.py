"""Compose the LaTeX of a formula from where its signs and bars stand.

Bars first, the shortest before those that hold them: fractions, roots, lines over letters. Then what stands above and
below large operators, brackets that hold rows, and last, from left to right, scripts by their height.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ml_intern.literature.layout.page import Rule
from ml_intern.literature.layout.symbols import CLOSING, OPENING, PRIME, ROOT, joined

AXIS = 0.25
"""Height of a bar above the baseline, in units of the font size; source: the parameters of Computer Modern."""
SMALL = 0.86
"""Share of the size of the line up to which a sign is a script."""
RAISED, LOWERED = 0.17, 0.06
"""How far, in units of the size, the base of a script is above or below that of the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A sign, or a part of a formula that is composed already.

    `latex` is how it is written; `sign` the character it is, empty for parts; `middle` the height its middle has, if
    that says where it belongs, else `base` does. `is_operator` is for what carries something above and below it.
    """

    latex: str
    x0: float
    x1: float
    top: float
    bottom: float
    base: float
    size: float
    sign: str = ""
    middle: float | None = None
    is_operator: bool = False
    is_accent: bool = False
    is_text: bool = False

    @property
    def center(self) -> float:
        """The middle between left and right."""
        return (self.x0 + self.x1) / 2

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top


def composed(signs: Sequence[Sign], bars: Sequence[Rule]) -> list[Sign]:
    """Give what is left when accents, fractions, roots and limits are put together: the parts of one or more lines."""
    left = _accented(signs)
    for bar in sorted(bars, key=lambda bar: bar.end - bar.start):
        left = _with_bar(left, bar)
    return _bracketed(_limited(left))


def written(parts: Sequence[Sign]) -> str:
    """Write the parts of one line from left to right, raised and lowered ones as scripts of what stands before them."""
    ordered = sorted(_bracketed(_limited(parts)), key=lambda part: part.x0)
    if not ordered:
        return ""
    base, size = line_of(ordered)
    text = ""
    last: Sign | None = None
    reach = 0.0
    low: list[Sign] = []
    high: list[Sign] = []
    for part in ordered:
        held = [group for group in (low, high) if group and part.size < SMALL * max(other.size for other in group)]
        if held:  # a script of a script
            min(held, key=lambda group: abs(_middle(group[0]) - _middle(part))).append(part)
            reach = max(reach, part.x1)
            continue
        place = _script(part, base, size)
        if place:
            (high if place > 0 else low).append(part)
            reach = max(reach, part.x1)
            continue
        text += _scripts(low, high)
        low, high = [], []
        text = joined(text, _space(last, part, part.x0 - reach, size) + part.latex)
        last, reach = part, part.x1
    return _dotted(text + _scripts(low, high)).strip()


def _dotted(text: str) -> str:
    return text.replace(r"\cdot\cdot\cdot", r"\cdots").replace("...", r"\ldots ")


def line_of(parts: Sequence[Sign]) -> tuple[float, float]:
    """Give the baseline and size of the line that parts stand on: those of most of its largest signs."""
    plain = [part for part in parts if part.middle is None]
    if not plain:
        tallest = max(parts, key=lambda part: part.height)
        return _middle(tallest) + AXIS * tallest.size, tallest.size
    size = max(part.size for part in plain)
    large = [part for part in plain if part.size > SMALL * size]
    bases = sorted(part.base for part in large)
    return bases[len(bases) // 2], size


def _middle(part: Sign) -> float:
    return part.middle if part.middle is not None else part.base - AXIS * part.size


def _script(part: Sign, base: float, size: float) -> int:
    """Say whether a part is above (1), below (-1) or on (0) the line."""
    if part.middle is not None:
        rise = base - AXIS * size - part.middle
        return 0 if abs(rise) < 0.22 * size or part.height > 1.6 * size else (1 if rise > 0 else -1)
    if part.size > SMALL * size and abs(part.base - base) < 0.25 * size:
        return 0
    rise = base - part.base
    return 1 if rise > RAISED * size else -1 if rise < -LOWERED * size else 0


def _scripts(low: Sequence[Sign], high: Sequence[Sign]) -> str:
    text = f"_{{{written(low)}}}" if low else ""
    if high and all(part.sign == PRIME for part in high):
        return "'" * len(high) + text
    return text + (f"^{{{written(high)}}}" if high else "")


def _space(last: Sign | None, part: Sign, gap: float, size: float) -> str:
    if last is None:
        return ""
    if gap > 1.4 * size:
        return r"\quad "
    is_word = last.is_text and part.is_text
    return r"\ " if is_word and gap > 0.15 * size else ""


def _accented(signs: Sequence[Sign]) -> list[Sign]:
    """Put each accent on the sign below it; what strikes a sign out comes as one too."""
    accents = [sign for sign in signs if sign.is_accent]
    left = [sign for sign in signs if not sign.is_accent]
    for accent in accents:
        under = [
            sign
            for sign in left
            if sign.x0 - 1 < accent.center < sign.x1 + 1
            and -0.2 * accent.size < sign.bottom - accent.top < 1.7 * sign.size
        ]
        letter = min(under, key=lambda sign: abs(sign.center - accent.center), default=None)
        if letter is None:
            left.append(accent)
            continue
        latex = _struck(letter.latex) if accent.latex == r"\not" else f"{accent.latex}{{{letter.latex}}}"
        left[left.index(letter)] = replace(letter, latex=latex, top=min(letter.top, accent.top), sign="")
    return left


def _struck(latex: str) -> str:
    return {"=": r"\neq", r"\in": r"\notin"}.get(latex, rf"\not{latex}")


def _with_bar(parts: Sequence[Sign], bar: Rule) -> list[Sign]:
    """Make what stands over and under a bar a fraction, what stands under it alone a root or an overlined part."""
    within = [p for p in parts if bar.start - 1 < p.center < bar.end + 1 and p.x1 - p.x0 < bar.end - bar.start + 4]
    root = _root_of(parts, bar)
    below = _reached(within, bar.at, up=False)
    if root is not None:
        inside = [
            p for p in within if p is not root and bar.at - 1 < (p.top + p.bottom) / 2 < root.bottom + 0.3 * root.size
        ]
        return _replaced(parts, [*inside, root], _root(root, inside, bar))
    above = _reached(within, bar.at, up=True)
    if above and below:
        return _replaced(parts, [*above, *below], _fraction(above, below, bar))
    if below and min(p.top for p in below) - bar.at < 0.35 * below[0].size:
        return _replaced(parts, below, _overlined(below, bar))
    return list(parts)


def _replaced(parts: Sequence[Sign], used: Sequence[Sign], made: Sign) -> list[Sign]:
    gone = {id(part) for part in used}
    return [*(part for part in parts if id(part) not in gone), made]


def _root_of(parts: Sequence[Sign], bar: Rule) -> Sign | None:
    near = [p for p in parts if p.sign == ROOT and abs(p.x1 - bar.start) < 1.5 and abs(p.top - bar.at) < 2]
    return near[0] if near else None


def _reached(within: Sequence[Sign], at: float, *, up: bool) -> list[Sign]:
    """Give the parts over or under a bar, as far as one follows close upon the other."""
    side = [p for p in within if ((p.top + p.bottom) / 2 < at) == up]
    reached: list[Sign] = []
    edge = at
    for part in sorted(side, key=lambda p: at - p.bottom if up else p.top - at):
        gap = edge - part.bottom if up else part.top - edge
        if gap > 0.5 * part.size:
            break
        reached.append(part)
        edge = min(edge, part.top) if up else max(edge, part.bottom)
    return reached


def _fraction(above: Sequence[Sign], below: Sequence[Sign], bar: Rule) -> Sign:
    return _part(
        f"\\frac{{{written(above)}}}{{{written(below)}}}",
        [*above, *below],
        size=max(part.size for part in [*above, *below]),
        middle=bar.at,
        bar=bar,
    )


def _root(root: Sign, inside: Sequence[Sign], bar: Rule) -> Sign:
    base, size = line_of(inside) if inside else (root.bottom, root.size)
    made = _part(f"\\sqrt{{{written(inside)}}}", [root, *inside], size=size, middle=None, bar=bar)
    return replace(made, base=base, x0=root.x0)


def _overlined(below: Sequence[Sign], bar: Rule) -> Sign:
    base, size = line_of(below)
    made = _part(f"\\overline{{{written(below)}}}", below, size=size, middle=None, bar=bar)
    return replace(made, base=base)


def _part(latex: str, parts: Sequence[Sign], *, size: float, middle: float | None, bar: Rule | None = None) -> Sign:
    x0, x1 = min(p.x0 for p in parts), max(p.x1 for p in parts)
    return Sign(
        latex=latex,
        x0=min(x0, bar.start) if bar else x0,
        x1=max(x1, bar.end) if bar else x1,
        top=min(p.top for p in parts),
        bottom=max(p.bottom for p in parts),
        base=max(p.base for p in parts),
        size=size,
        middle=middle,
    )


def _limited(parts: Sequence[Sign]) -> list[Sign]:
    """Put what stands under and over an operator into its scripts."""
    left = list(parts)
    for operator in [part for part in parts if part.is_operator]:
        under, over = (_limit(left, operator, up=up) for up in (False, True))
        if not under and not over:
            continue
        whole = _part(
            operator.latex + _scripts(under, over), [operator, *under, *over], size=operator.size, middle=None
        )
        gone = {id(part) for part in (*under, *over, operator)}
        left = [part for part in left if id(part) not in gone]
        left.append(replace(whole, base=operator.base, middle=operator.middle))
    return left


def _limit(parts: Sequence[Sign], operator: Sign, *, up: bool) -> list[Sign]:
    """Give the small signs that stand close to each other right above or below the middle of `operator`."""
    size = operator.size
    is_near = _is_over if up else _is_under
    groups: list[list[Sign]] = []
    for part in sorted(parts, key=lambda part: part.x0):
        if part.size > SMALL * size or not is_near(part, operator):
            continue
        if groups and part.x0 - max(p.x1 for p in groups[-1]) < 0.45 * part.size:
            groups[-1].append(part)
        else:
            groups.append([part])
    for group in groups:
        center = (group[0].x0 + max(p.x1 for p in group)) / 2
        if operator.x0 - 0.1 * size <= center <= operator.x1 + 0.1 * size:
            return group
    return []


def _is_under(part: Sign, operator: Sign) -> bool:
    depth = part.base - operator.bottom if operator.middle is not None else part.base - operator.base
    least, most = (0.25, 1.7) if operator.middle is not None or part.size < 0.6 * operator.size else (0.5, 1.7)
    return least * operator.size < depth < most * operator.size


def _is_over(part: Sign, operator: Sign) -> bool:
    if operator.middle is None:
        return False
    return -0.12 * operator.size < operator.top - part.base < 1.2 * operator.size


def _bracketed(parts: Sequence[Sign]) -> list[Sign]:
    """Make rows within tall brackets a matrix, and rows behind a brace cases."""
    left = sorted(parts, key=lambda part: part.x0)
    for place, opening in enumerate(left):
        if not opening.sign or opening.sign not in OPENING + "|" or opening.height < 1.7 * opening.size:
            continue
        end = next((n for n in range(place + 1, len(left)) if _closes(opening, left[n])), None)
        inside = [p for p in left[place + 1 : end] if opening.top - 2 < (p.top + p.bottom) / 2 < opening.bottom + 2]
        rows = rows_of(inside)
        if len(rows) < 2 or (end is None and opening.sign != "{"):
            continue
        used = [opening, *inside, *(left[end : end + 1] if end is not None else [])]
        made = _part(_grid(opening, rows, is_open=end is None), used, size=opening.size, middle=opening.middle)
        gone = {id(part) for part in used}
        return _bracketed([*(part for part in left if id(part) not in gone), made])
    return left


def _closes(opening: Sign, part: Sign) -> bool:
    return (
        part.sign != ""
        and part.sign in CLOSING + "|"
        and abs(part.height - opening.height) < 2
        and abs(part.top - opening.top) < 2
    )


def _grid(opening: Sign, rows: Sequence[Sequence[Sign]], *, is_open: bool) -> str:
    name = (
        "cases"
        if is_open
        else {"(": "pmatrix", "[": "bmatrix", "|": "vmatrix", "{": "Bmatrix"}.get(opening.sign, "matrix")
    )
    lines = (" & ".join(map(written, _cells(row))) for row in rows)
    return rf"\begin{{{name}}}" + r" \\ ".join(lines) + rf"\end{{{name}}}"


def _cells(row: Sequence[Sign]) -> Iterator[list[Sign]]:
    """Part a row where a gap is wide."""
    ordered = sorted(row, key=lambda part: part.x0)
    cell = ordered[:1]
    for left, right in pairwise(ordered):
        if right.x0 - max(p.x1 for p in cell) > 0.7 * max(left.size, right.size):
            yield cell
            cell = []
        cell.append(right)
    yield cell


def rows_of(parts: Sequence[Sign]) -> list[list[Sign]]:
    """Part a formula into its lines: by the heights of its large signs, scripts to the nearest."""
    size = max((part.size for part in parts), default=0.0)
    rows: list[list[Sign]] = []
    for part in sorted((p for p in parts if p.size > SMALL * size), key=_middle):
        if rows and _middle(part) - max(map(_middle, rows[-1])) < 0.62 * size:
            rows[-1].append(part)
        else:
            rows.append([part])
    for part in (p for p in parts if p.size <= SMALL * size):
        min(rows, key=lambda row: _distance(part, row)).append(part)
    return rows


def _distance(part: Sign, row: Sequence[Sign]) -> float:
    """Give how far a script is from a line, lines that have a sign just before it preferred."""
    touches = any(-1.5 < part.x0 - other.x1 < 2.5 for other in row)
    return min(abs(_middle(part) - _middle(other)) for other in row) + (0.0 if touches else 0.4 * part.size)
