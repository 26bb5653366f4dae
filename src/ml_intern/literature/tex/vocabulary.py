"""What commands and environments of LaTeX mean for a text: which argument is text, which is looks, which sign it is."""

from __future__ import annotations

import unicodedata

SECTIONS = {
    r"\part": 0, r"\chapter": 1, r"\section": 2, r"\subsection": 3, r"\subsubsection": 4,
}  # fmt: skip
RUN_IN = frozenset({r"\paragraph", r"\subparagraph"})

EQUATIONS = frozenset({
    "equation", "displaymath", "dmath", "math", "align", "alignat", "flalign", "gather", "multline", "eqnarray",
    "xalignat", "IEEEeqnarray", "subequations", "darray", "empheq",
})  # fmt: skip
"""Environments of displayed formulas, without their star."""
ROWS_NUMBERED = frozenset({"align", "alignat", "flalign", "gather", "eqnarray", "xalignat", "IEEEeqnarray"})
TABULARS = frozenset({"tabular", "tabular*", "tabularx", "tabulary", "longtable", "xltabular", "supertabular", "array"})
FLOATS = {
    "figure": "Figure", "wrapfigure": "Figure", "SCfigure": "Figure", "sidewaysfigure": "Figure", "teaserfigure":
    "Figure", "table": "Table", "wraptable": "Table", "sidewaystable": "Table", "algorithm": "Algorithm",
    "algorithm2e": "Algorithm", "listing": "Listing", "longtable": "Table", "xltabular": "Table",
}  # fmt: skip
LISTS = frozenset({"itemize", "enumerate", "description", "compactitem", "compactenum", "inparaenum", "enumitem"})
DRAWINGS = frozenset({"tikzpicture", "picture", "pgfpicture", "axis", "tikzcd", "forest", "overpic", "asy"})
THEOREMS = {
    "theorem": "Theorem", "lemma": "Lemma", "corollary": "Corollary", "proposition": "Proposition",
    "definition": "Definition", "remark": "Remark", "example": "Example", "assumption": "Assumption",
    "conjecture": "Conjecture", "claim": "Claim",
}  # fmt: skip
r"""Names that classes define; `\newtheorem` adds those of a paper."""
ENVIRONMENT_ARGUMENTS = {
    "minipage": 1, "adjustbox": 1, "multicols": 1, "wrapfigure": 2, "wraptable": 2, "tabularx": 2, "tabular*": 2,
    "xltabular": 2, "tabulary": 2, "tabular": 1, "longtable": 1, "supertabular": 1, "array": 1, "alignat": 1,
    "xalignat": 1, "IEEEeqnarray": 1, "thebibliography": 1, "spacing": 1, "empheq": 1, "subfigure": 1,
    "subtable": 1, "threeparttable": 0, "otherlanguage": 1, "list": 2, "CJK": 2, "textblock": 1, "SCfigure": 0,
}  # fmt: skip
r"""Arguments in braces that stand behind `\begin{name}` and are no text."""

TEXT_ARGUMENT = {
    **dict.fromkeys((
        "textbf", "textit", "emph", "textsc", "texttt", "textrm", "textsf", "textup", "textmd", "textsl", "textnormal",
        "text", "underline", "uline", "mbox", "hbox", "fbox", "makebox", "framebox", "uppercase", "MakeUppercase",
        "lowercase", "textsuperscript", "textsubscript", "url", "nolinkurl", "path", "ensuremath", "boldmath",
        "sout", "hl", "ul", "centerline", "leftline", "smash", "title", "subtitle", "author", "authorblockN",
        "IEEEauthorblockN", "IEEEauthorblockA", "affiliation", "address", "email", "institute", "keywords", "name",
        "icmltitle", "mdseries", "bm", "pmb", "surname", "makecell", "thead", "shortstack", "vcenter", "subfloat",
        "lowercase", "MakeLowercase", "acknowledgments", "date", "operatorname", "mathrm",
        "ULforem", "footnotesize", "tnote",
    ), 1),
    **dict.fromkeys((
        "textcolor", "href", "scalebox", "rotatebox", "raisebox", "parbox", "colorbox", "hyperref",
        "bibinfo", "bibfield", "adjustbox", "foreignlanguage",
    ), 2),
    "resizebox": 3, "multirow": 3, "multicolumn": 3, "fcolorbox": 3, "texorpdfstring": 1, "ifthenelse": 3,
}  # fmt: skip
"""By name without the backslash: how many arguments a command has, of which the last one is text."""
NO_TEXT = {
    **dict.fromkeys((
        "vspace", "hspace", "index", "bibliographystyle", "pagestyle", "thispagestyle", "color",
        "includegraphics", "includepdf", "vphantom", "hphantom", "phantom", "todo", "cmidrule", "cline", "hypersetup",
        "captionsetup", "pagenumbering", "setcitestyle", "geometry", "graphicspath", "linespread", "selectfont",
        "fontsize", "addvspace", "rowcolor", "cellcolor", "columncolor", "arrayrulecolor", "hyphenation", "markboth",
        "icmltitlerunning", "icmlsetsymbol", "icmlcorrespondingauthor", "icmlkeywords", "setlist", "tikzset",
        "relscale",
        "addcontentsline", "extracolsep", "nocite", "bibliography", "addbibresource", "theoremstyle", "crefname",
        "newlength", "newcounter", "DeclareCaptionFont", "allowdisplaybreaks", "pdfoutput", "titlerunning",
        "authorrunning", "ccsdesc", "received", "vspace*", "hspace*", "specialrule", "needspace",
        "enlargethispage", "newsavebox", "usebox", "stepcounter", "refstepcounter", "hyphenchar", "eqlabel",
        "bstctlcite",
    ), 1),
    **dict.fromkeys((
        "setlength", "addtolength", "setcounter", "addtocounter", "definecolor", "renewcommand", "rule", "numberwithin",
        "newtheorem", "fontsize", "DeclareMathSymbol", "settowidth", "setstretch", "DeclareGraphicsExtensions",
        "Crefname", "crefname", "markboth", "colorlet", "counterwithin", "newfloat", "titlespacing", "icmlaffiliation",
        "icmlauthor",
    ), 2),
    **dict.fromkeys(("definecolor", "addcontentsline", "specialrule", "Crefname", "crefname"), 3),
    "setstretch": 1, "titleformat": 4, "titlespacing": 4, "icmlauthor": 0, "selectfont": 0,
    "includesvg": 1,
}  # fmt: skip
"""By name without the backslash: how many arguments a command has, none of which is text."""
SILENT = frozenset({
    "centering", "noindent", "indent", "small", "footnotesize", "scriptsize", "tiny", "normalsize", "large", "Large",
    "LARGE", "huge", "Huge", "bf", "it", "em", "rm", "sc", "tt", "sf", "sl", "bfseries", "itshape", "scshape",
    "ttfamily",
    "rmfamily", "sffamily", "normalfont", "upshape", "mdseries", "raggedright", "raggedleft", "flushleft", "flushright",
    "hline", "toprule", "midrule", "bottomrule", "hfill", "vfill", "hfil", "vfil", "newpage", "clearpage",
    "cleardoublepage", "pagebreak", "nopagebreak", "linebreak", "nolinebreak", "newline", "break", "maketitle",
    "smallskip",
    "medskip", "bigskip", "tableofcontents", "listoffigures", "listoftables", "frenchspacing", "sloppy", "fussy",
    "FloatBarrier", "makeatletter", "makeatother", "balance", "twocolumn", "onecolumn", "appendix", "protect", "relax",
    "xspace", "ignorespaces", "unskip", "strut", "hss", "vss", "displaystyle", "textstyle", "boldmath", "unboldmath",
    "footnotemark", "qedhere", "leavevmode", "selectfont", "par", "endgroup", "begingroup", "bgroup", "egroup", "null",
    "centerdot", "allowbreak", "endfirsthead", "endhead", "endfoot", "endlastfoot", "doublespacing", "singlespacing",
    "onehalfspacing", "Hline", "hdashline", "nonumber", "notag", "limits", "nolimits", "/", "@", "!", "-", "newblock",
    "printbibliography", "columnbreak", "normalem", "shortcite", "ttdefault", "nobreak", "penalty", "obeylines", "and",
    "And", "AND", "bibsep", "doclicenseThis", "vskip", "hskip", "kern", "baselineskip", "itemsep", "tabcolsep",
    "parskip", "lastpage", "urlstyle", "printAffiliationsAndNotice", "icmlEqualContribution", "iclrfinalcopy",
    "finalcopy", "clearauthor", "looseness", "widowpenalty", "clubpenalty", "firsthline", "lasthline",
    "hfuzz", "hbadness", "nocopyright", "thickhline", "textwidth", "linewidth", "columnwidth", "hsize", "unitlength",
})  # fmt: skip
"""Commands without an argument that leave no text."""
SYMBOLS = {
    "%": "%", "&": "&", "_": "_", "#": "#", "$": "$", "{": "{", "}": "}", " ": " ", "\n": " ", "\t": " ", ",": " ",
    ";": " ", ":": " ", ">": " ", "quad": " ", "qquad": " ", "enspace": " ", "thinspace": " ", "space": " ", "\\": " ",
    "enskip": " ", "tabularnewline": " ", "cr": " ", "ldots": "…", "dots": "…", "textellipsis": "…", "cdots": "⋯",
    "S": "§", "P": "¶", "copyright": "©", "textcopyright": "©", "texttrademark": "™", "textregistered": "®",
    "pounds": "£", "euro": "€", "dag": "†", "ddag": "‡", "dagger": "†", "ddagger": "‡", "textdagger": "†",
    "textbullet": "•", "bullet": "•", "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^",
    "textbar": "|", "textless": "<", "textgreater": ">", "textunderscore": "_", "textpm": "±", "pm": "±",
    "texttimes": "\u00d7", "times": "\u00d7", "textmu": "\u00b5", "textdegree": "°", "degree": "°",
    "textendash": "\u2013",
    "textemdash": "—", "textquoteleft": "\u2018", "textquoteright": "\u2019", "textquotedblleft": "“",
    "textquotedblright": "”",
    "LaTeX": "LaTeX", "TeX": "TeX", "BibTeX": "BibTeX", "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ",
    "o": "ø", "O": "Ø", "aa": "å", "AA": "Å", "l": "ł", "L": "Ł", "i": "i", "j": "j", "checkmark": "✓", "cmark": "✓",
    "xmark": "✗", "ding": "", "today": "", "rightarrow": "→", "to": "→", "leftarrow": "←", "uparrow": "↑",
    "downarrow": "↓", "textrightarrow": "→", "textuparrow": "↑", "textdownarrow": "↓", "qed": "□", "square": "□",
    "star": "⋆", "ast": "*", "textasteriskcentered": "*", "sim": "\u223c", "approx": "≈", "leq": "≤", "geq": "≥",
    "slash": "/", "dh": "ð", "th": "þ", "guillemotleft": "«", "guillemotright": "»", "textquotesingle": "'",
    "lbrace": "{", "rbrace": "}", "lbrack": "[", "rbrack": "]", "textsection": "§", "newlabel": "", "ie": "i.e.",
    "triangleq": "≜", "cdot": "·", "textperiodcentered": "·", "infty": "∞", "circ": "∘", "hyp": "-",
}  # fmt: skip
_MARKS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306", ".": "\u0307",
    '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "d": "\u0323", "c": "\u0327", "k": "\u0328",
    "b": "\u0331",
}  # fmt: skip
ACCENTS = frozenset(_MARKS)


def accented(accent: str, letter: str) -> str:
    """Put the accent that the command `accent` writes onto the first of `letter`."""
    return unicodedata.normalize("NFC", letter[:1] + _MARKS[accent]) + letter[1:] if letter else ""


CITATIONS = frozenset({
    "cite", "citet", "citep", "citealp", "citealt", "citeauthor", "citeyear", "citeyearpar", "Citet", "Citep",
    "citenum", "parencite", "textcite", "autocite", "shortcite", "footcite", "citeN", "citeA",
})  # fmt: skip
TEXTUAL = frozenset({"citet", "Citet", "textcite", "citealt", "citeauthor", "citeA", "citeN"})
"""Citations in which the authors are a part of the sentence."""
REFERENCES = frozenset({
    "ref", "eqref", "cref", "Cref", "autoref", "Autoref", "pageref", "nameref", "subref", "vref", "autocref",
    "crefrange",
})  # fmt: skip
NAMED_REFERENCES = frozenset({"cref", "Cref", "autoref", "Autoref"})
"""References that write the kind of what they point to."""

_ESCAPES = frozenset(name for name in (*SYMBOLS, *ACCENTS) if not name.isalpha())
_CHANGEABLE = frozenset({"todo", "bm", "hl", "ul", "name"})
_STRUCTURE = frozenset({"begin", "end", "item", "caption", "captionof", "footnote", "footnotetext", "thanks", "label"})
_NAMES = (
    frozenset({*TEXT_ARGUMENT, *NO_TEXT, *SILENT, "bibitem", "tag"}) | _ESCAPES | CITATIONS | REFERENCES | _STRUCTURE
)
_ENVIRONMENTS = EQUATIONS | TABULARS | frozenset(FLOATS) | LISTS | {"document", "abstract", "thebibliography", "proof"}
KEPT = frozenset(f"\\{name}" for name in _NAMES - _CHANGEABLE) | frozenset(SECTIONS) | RUN_IN | _ENVIRONMENTS
"""Names that macros of a paper do not change: classes redefine how these look, and not what they are."""
