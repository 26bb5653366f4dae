"""Write signs of formulas as LaTeX, and read the fonts of TeX that build large signs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from ml_intern.literature.layout.fonts import is_bold, is_italic

_EXTENSION = re.compile(r"cmex|mathext|txex|pxex|mtex|lmex|euex|yhcmex", re.IGNORECASE)
_LARGE = (
    "()[]⌊⌋⌈⌉{}⟨⟩|‖/\\()()[]⌊⌋⌈⌉{}⟨⟩/\\()[]⌊⌋⌈⌉{}⟨⟩/\\/\\"
    "⎛⎞⎡⎤⎣⎦⎢⎥⎧⎫⎩⎭⎨⎬⎪|⎝⎠⎜⎟⟨⟩⊔⊔∮∮⨀⨀⨁⨁⨂⨂∑∏∫⋃⋂⨄⋀⋁∑∏∫⋃⋂⨄⋀⋁"
    "∐∐ˆˆˆ˜˜˜[]⌊⌋⌈⌉{}√√√√√│┌‖↑↓⏞⏞⏟⏟⇑⇓"
)
"""The signs of TeX's OMX encoding by their codes; source: D. Knuth, The TeXbook, appendix F."""
_SYMBOLS = dict(enumerate("−·×∗÷⋄±∓⊕⊖⊗⊘⊙◯∘•≍≡⊆⊇≤≥⪯⪰∼≈⊂⊃≪≫≺≻")) | {
    ord(code): sign
    for code, sign in zip(
        "0123456789:;<=>?!\"#$'()*+,/[]^_`abcdefghijklmnopqrstuvw",
        "′∞∈∋△▽̸↦∀∃¬∅ℜℑ⊤⊥→↑↓↔≃⇐⇒⇑⇓⇔∝∪⊎∧∨⊢⊣⌊⌋⌈⌉{}⟨⟩|∥↕⇕∖≀√⨿∇∫⊔⊓⊑⊒",
        strict=True,
    )
}
"""What TeX's OMS encoding means by codes that PDFium takes for ASCII where it does not know the name of a glyph."""
_ITALIC = dict(enumerate("ΓΔΘΛΞΠΣΥΦΨΩαβγδϵζηθικλμνξπρστυϕχ")) | {
    ord("`"): "ℓ",
    ord("~"): "\u20d7",
    ord("?"): "⋆",
    ord("%"): "ϱ",
}
"""The same of OML."""
_TABLES: tuple[tuple[re.Pattern[str], Mapping[int, str]], ...] = (
    (_EXTENSION, dict(enumerate(_LARGE))),
    (re.compile(r"cmsy|cmbsy|mathsymbols", re.IGNORECASE), _SYMBOLS),
    (re.compile(r"cmmi|mathitalic", re.IGNORECASE), _ITALIC),
)
_NO_CODES: Mapping[int, str] = {}
OPERATORS = "∑∏∫∮⋃⋂⨄⋀⋁∐⨀⨁⨂⊔"
ROOT, PRIME = "√", "′"
RELATION = re.compile(r"[=<>≤≥≈∼∝∈→←≡≠⩽⩾≜+⊂⊆↦∑∏∫]")
"""Signs one of which a formula on a line of its own has."""
OPENING, CLOSING = "([{⟨⌊⌈⎛⎡⎧⎝⎣⎩⎜⎢⎨⎪", ")]}⟩⌋⌉⎞⎤⎫⎠⎦⎭⎟⎥⎬"
ADOBE_PIECES = {0xF8EB + place: sign for place, sign in enumerate("⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪⎮⎞⎟⎠⎤⎥⎦⎫⎬⎭")}
"""Parts of brackets as Adobe's Symbol has them, in a range of Unicode that has no meaning of its own."""
PIECES = {**dict.fromkeys("⎛⎝⎜", "("), **dict.fromkeys("⎡⎣⎢", "["), **dict.fromkeys("⎧⎩⎨⎪", "{"),
          **dict.fromkeys("⎞⎠⎟", ")"), **dict.fromkeys("⎤⎦⎥", "]"), **dict.fromkeys("⎫⎭⎬", "}")}  # fmt: skip
"""Parts that tall brackets are built of."""
TALL = frozenset(OPERATORS + ROOT + OPENING + CLOSING + "|‖∥")
"""Signs that may be as tall as what they hold, so that their own outline says where they stand."""
ACCENTS = {
    "ˆ": "hat", "^": "hat", "\u0302": "hat", "˜": "tilde", "~": "tilde", "\u0303": "tilde", "¯": "bar", "\u0304": "bar",
    "ˉ": "bar", "˙": "dot", "\u0307": "dot", "¨": "ddot", "\u0308": "ddot", "\u20d7": "vec", "ˇ": "check",
    "\u030c": "check", "˘": "breve", "\u0306": "breve", "´": "acute", "`": "grave",
}  # fmt: skip
NAMES = frozenset({
    "log", "exp", "max", "min", "sin", "cos", "tan", "tanh", "cosh", "sinh", "lim", "arg", "det", "sup", "inf", "ln",
    "dim", "ker", "deg", "gcd", "Pr", "argmax", "argmin", "limsup", "liminf",
})  # fmt: skip
"""Names of functions; those of `LIMITED` have what they run over below them."""
LIMITED = frozenset(
    {"max", "min", "lim", "sup", "inf", "det", "Pr", "arg", "argmax", "argmin", "limsup", "liminf", "E"}
)
_SIGNS = {
    "×": "times", "·": "cdot", "∙": "cdot", "⋅": "cdot", "±": "pm", "∓": "mp", "÷": "div", "∗": "ast", "⋆": "star",
    "∘": "circ", "◦": "circ", "•": "bullet", "⊙": "odot", "⊕": "oplus", "⊗": "otimes", "⊖": "ominus", "≤": "leq",
    "≥": "geq", "⩽": "leq", "⩾": "geq", "≠": "neq", "≈": "approx", "≃": "simeq", "≅": "cong", "≡": "equiv",
    "∼": "sim", "∝": "propto", "≪": "ll", "≫": "gg", "≺": "prec", "≻": "succ", "∈": "in", "∉": "notin", "∋": "ni",
    "⊂": "subset", "⊃": "supset", "⊆": "subseteq", "⊇": "supseteq", "∪": "cup", "∩": "cap", "∖": "setminus",
    "∅": "emptyset", "∀": "forall", "∃": "exists", "¬": "neg", "∧": "wedge", "∨": "vee", "→": "rightarrow",
    "←": "leftarrow", "↔": "leftrightarrow", "⇒": "Rightarrow", "⇐": "Leftarrow", "⇔": "Leftrightarrow",
    "↦": "mapsto", "↑": "uparrow", "↓": "downarrow", "∞": "infty", "∂": "partial", "∇": "nabla", "√": "sqrt",
    "∑": "sum", "∏": "prod", "∫": "int", "∮": "oint", "⋃": "bigcup", "⋂": "bigcap", "⨄": "biguplus",
    "⋀": "bigwedge", "⋁": "bigvee", "∐": "coprod", "⨀": "bigodot", "⨁": "bigoplus", "⨂": "bigotimes",
    "⊔": "sqcup", "⟨": "langle", "⟩": "rangle", "〈": "langle", "〉": "rangle", "⌊": "lfloor", "⌋": "rfloor",
    "⌈": "lceil", "⌉": "rceil", "‖": "|", "∥": "|", "⊥": "perp", "⊤": "top", "⊢": "vdash", "⊨": "models",
    "…": "ldots", "⋯": "cdots", "⋮": "vdots", "⋱": "ddots", "′": "prime", "†": "dagger", "‡": "ddagger",
    "ℓ": "ell", "ℜ": "Re", "ℑ": "Im", "ℵ": "aleph", "ℏ": "hbar", "△": "triangle", "□": "square", "≜": "triangleq",
    "{": "{", "}": "}", "%": "%", "#": "#", "&": "&", "_": "_", "$": "$",
}  # fmt: skip
_GREEK = {
    "ϵ": "epsilon", "ε": "varepsilon", "ϑ": "vartheta", "ϱ": "varrho", "ς": "varsigma", "ϖ": "varpi", "µ": "mu",
    "ϰ": "varkappa", "ϕ": "phi", "φ": "varphi", "Ω": "Omega", "∆": "Delta",
}  # fmt: skip
_TEX_LETTERS = re.compile(r"cmmi|lmmathitalic|cmmib|txmi|pxmi|rmtmi|mtmi|eurm|eufm", re.IGNORECASE)
_SYMBOL = re.compile(r"(?:standard)?symbol|standardsym", re.IGNORECASE)
"""Adobe's font, whose epsilon and phi look like those that TeX writes as `\\epsilon` and `\\phi`."""
_CALLIGRAPHIC = re.compile(
    r"cmsy|cmbsy|mathsym|rsfs|eusm|eusb|txsy|pxsy|mtsy|boondox.*cal|urwchancery|script", re.IGNORECASE
)
_BLACKBOARD = re.compile(r"ms[ab]m|bbm|dsrom|bbold|txmia|pxmia|dsss|doublestroke", re.IGNORECASE)
_FRAKTUR = re.compile(r"euf[mb]|frak", re.IGNORECASE)
_UPRIGHT_MATH = re.compile(r"cmr\d|lmroman|cmbx|mathroman|rmtmi|txr|pxr", re.IGNORECASE)


def codes(font: str) -> Mapping[int, str]:
    """Give the signs that codes of a font of TeX mean, where PDFium may give the codes for characters."""
    return next((table for pattern, table in _TABLES if pattern.search(font)), _NO_CODES)


def latex(text: str, font: str) -> str:
    r"""Write characters of one font, words in upright letters as `\mathrm{…}`, functions by their commands."""
    parts = re.findall(r"[A-Za-z]{2,}(?:-[a-z]+)*|.", text)
    written = ""
    for part in parts:
        written = joined(written, _word(part, font) if len(part) > 1 else _character(part, font))
    return written


def joined(left: str, right: str) -> str:
    """Put two pieces of LaTeX side by side; a command must not run into a letter."""
    return f"{left} {right}" if re.search(r"\\[A-Za-z]+$", left) and right[:1].isalpha() else left + right


def _word(word: str, font: str) -> str:
    if word in NAMES and not is_italic(font):
        known = word not in {"argmax", "argmin"}
        return f"\\{word}" if known else f"\\operatorname{{{word}}}"
    if _looks(font) is not None or is_variable(font):
        return "".join(_character(letter, font) for letter in word)
    return f"\\mathbf{{{word}}}" if is_bold(font) else f"\\mathrm{{{word}}}"


def is_variable(font: str) -> bool:
    """Whether letters in it are variables, each for itself."""
    return is_italic(font) or _TEX_LETTERS.search(font) is not None


def _looks(font: str) -> str | None:
    """Give the command for the letters of a font that holds nothing but such letters."""
    if _BLACKBOARD.search(font):
        return "mathbb"
    if _CALLIGRAPHIC.search(font):
        return "mathcal"
    return "mathfrak" if _FRAKTUR.search(font) else None


def _character(character: str, font: str) -> str:
    if character in _SIGNS:
        return f"\\{_SIGNS[character]}"
    if character == "\N{MINUS SIGN}":
        return "-"
    if (greek := _greek(character, font)) is not None:
        return f"\\{greek}"
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", character))
    if len(plain) == 2 and plain[1] in ACCENTS:
        return f"\\{ACCENTS[plain[1]]}{{{_letter(plain[0], font)}}}"
    style = _style_of(character)
    return f"\\{style}{{{plain}}}" if style else "".join(_letter(letter, font) for letter in plain)


def _letter(letter: str, font: str) -> str:
    if not letter.isalnum() or not letter.isascii():
        return letter
    looks = _looks(font)
    if looks is not None:
        return f"\\{looks}{{{letter}}}"
    if is_bold(font):
        return f"\\mathbf{{{letter}}}"
    upright = letter.isalpha() and not is_variable(font) and _UPRIGHT_MATH.search(font)
    return f"\\mathrm{{{letter}}}" if upright else letter


def _style_of(character: str) -> str:
    """Give the command for one of Unicode's letters for mathematics."""
    name = unicodedata.name(character, "")
    for word, command in (
        ("DOUBLE-STRUCK", "mathbb"),
        ("SCRIPT", "mathcal"),
        ("FRAKTUR", "mathfrak"),
        ("BLACK-LETTER", "mathfrak"),
    ):
        if word in name and ("MATHEMATICAL" in name or "CAPITAL" in name) and character.isalpha():
            return command
    return "mathbf" if name.startswith("MATHEMATICAL BOLD") and character.isalnum() else ""


def _greek(character: str, font: str) -> str | None:
    if character in "εφ" and _SYMBOL.match(font):
        return "epsilon" if character == "ε" else "phi"
    character = unicodedata.normalize("NFKC", character) if ord(character) > 0x1D000 else character
    if character in _GREEK:
        return _GREEK[character]
    name = unicodedata.name(character, "")
    match = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?([A-Z]+)", name)
    if match is None:
        return None
    word = {"LAMDA": "lambda"}.get(match[2], match[2].lower())
    return word if match[1] == "SMALL" else word.capitalize()
