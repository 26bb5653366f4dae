"""Read from the name of a font what it is for: bold, mathematics, and which family it belongs to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

MOST_FONTS = 1_000
"""Names of fonts that what they mean is remembered of: every word asks."""
_BOLD = re.compile(r"bold|black|heavy|demi|medi(?!um)|cmbx|sfbx|-b$|bx\d", re.IGNORECASE)
_ITALIC = re.compile(r"ital|obli|cmti|sfti|cmsl|-it$|(?<=[a-z])it\d*$", re.IGNORECASE)
_SMALL_CAPS = re.compile(r"csc|smallcap|small ?caps|-sc\b", re.IGNORECASE)
_MATH = re.compile(
    r"cmmi|cmsy|cmex|cmr\d|cmbx\d+$|cmmib|cmbsy|ms[ab]m|eu[fr][mb]|rsfs|lmmath|math|symbol|standardsyml"
    r"|txsy|txmi|pxsy|pxmi|mtsy|mtmi|mtex|wasy|stmary|dsrom|bbm",
    re.IGNORECASE,
)
"""Fonts of TeX and of common word processors for formulas. `CMR` sets digits in formulas, if text is set otherwise."""
MONOSPACED = re.compile(r"tt\d*$|mon[ol]|courier|typewriter|consol", re.IGNORECASE)
_TEXT_OF_COMPUTER_MODERN = re.compile(r"(?:cm|lm)(?:r|roman|ss|sans|ti|bx|csc|tt|sl|mono)", re.IGNORECASE)
_TEX = re.compile(
    r"(?:sf|cm|ec|lm|ms[ab]m|eu[fr]|newtx|t[1x]|p[1x]|rsfs|nimbus|urw|texgyre|standardsym|libert|linlib|xcharter|utopia"
    r"|fourier|pallad|charter|inconsolata|stmary|wasy|zapf|dsrom|bbm|times|helvetica|courier)",
    re.IGNORECASE,
)


@lru_cache(MOST_FONTS)
def is_bold(font: str) -> bool:
    """Whether the name says bold; `Medi` is how some foundries call it."""
    return _BOLD.search(font) is not None


@lru_cache(MOST_FONTS)
def is_italic(font: str) -> bool:
    """Whether the name says italic or slanted."""
    return _ITALIC.search(font) is not None


@lru_cache(MOST_FONTS)
def is_small_caps(font: str) -> bool:
    """Whether the name says small capitals."""
    return _SMALL_CAPS.search(font) is not None


@lru_cache(MOST_FONTS)
def family(font: str) -> str:
    """Give what fonts of one typesetting have in common; all that TeX uses by default are one."""
    return "tex" if _TEX.match(font) else re.split(r"[-,]", font)[0]


@lru_cache(MOST_FONTS)
def is_math(font: str) -> bool:
    """Whether the name is one of a font for formulas; Computer Modern sets text, too."""
    return _MATH.search(font) is not None


@lru_cache(MOST_FONTS)
def _is_computer_modern(font: str) -> bool:
    return _TEXT_OF_COMPUTER_MODERN.match(font) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fonts:
    """What the fonts of one paper mean. `families` are those of its text; others stand in its figures."""

    body: str
    families: frozenset[str]
    sizes: Mapping[float, int]

    def is_math(self, font: str) -> bool:
        """Whether formulas are set in it; the text fonts of Computer Modern are not, in a paper set in them."""
        return is_math(font) and not (_is_computer_modern(self.body) and _is_computer_modern(font))

    @property
    def size(self) -> float:
        """The size of running text."""
        return max(self.sizes, key=lambda size: (self.sizes[size], -size), default=10.0)


FEWEST = 0.03
"""Share of the characters from which a family counts as one of the text."""


def fonts_of(runs: Iterable[tuple[str, float, int]]) -> Fonts:
    """Count fonts and sizes over (font, size, characters)."""
    names, families, sizes = Counter[str](), Counter[str](), Counter[float]()
    for font, size, count in runs:
        names[font] += count
        families[family(font)] += count
        sizes[round(size, 1)] += count
    total = sum(families.values())
    return Fonts(
        body=names.most_common(1)[0][0] if names else "",
        families=frozenset(name for name, count in families.items() if count > FEWEST * total),
        sizes=dict(sizes),
    )
