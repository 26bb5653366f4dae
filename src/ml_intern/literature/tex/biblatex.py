"""Write the list of references of biblatex as the environment that every other program writes."""

from __future__ import annotations

import re

_ENTRY = re.compile(r"\\entry\{(?P<key>[^}]*)\}(?P<body>.*?)\\endentry", re.DOTALL)
_NAME = re.compile(r"family=\{(?P<family>.*?)\}\s*,.*?(?:given=\{(?P<given>.*?)\}\s*,|\n\s*\}\})", re.DOTALL)


def as_thebibliography(text: str) -> str:
    """Write the file of biblatex as the environment that every other program writes."""
    if r"\entry{" not in text:
        return text
    entries = [rf"\bibitem{{{match['key']}}} {_written(match['body'])}" for match in _ENTRY.finditer(text)]
    return "\n".join([r"\begin{thebibliography}{99}", *entries, r"\end{thebibliography}"])


def _written(body: str) -> str:
    names = body.partition(r"\field{")[0].partition(r"\name{editor}")[0]
    authors = [f"{match['given'] or ''} {match['family']}".strip() for match in _NAME.finditer(names)]
    fields = dict(re.findall(r"\\field\{(\w+)\}\{(.*)\}", body))
    places = [fields.get(name, "") for name in ("title", "journaltitle", "booktitle", "eprint", "year")]
    return ". ".join(filter(None, [", ".join(authors), *places])) + "."
