"""Name a paper and say what arXiv's catalogue knows of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ml_intern.core.errors import ToolError

_OLD = r"(?P<archive>[a-z]+(?:-[a-z]+)?)(?:\.[a-z]{2})?/(?P<number>\d{7})"
_ID = rf"(?P<id>\d{{4}}\.\d{{4,5}}|{_OLD})(?:v(?P<version>[1-9]\d{{0,2}}))?"
_FORMS = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"(?:arxiv:\s*)?{_ID}",
        rf"(?:https?://)?(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/{_ID}(?:\.pdf)?/?(?:[?#]\S*)?",
        rf"(?:https?://(?:dx\.)?doi\.org/)?10\.48550/arxiv\.{_ID}",
    )
)
"""Identifiers since April 2007 and before it; source: info.arxiv.org/help/arxiv_identifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A paper by its arXiv identifier; no `version` means the newest."""

    id: str
    version: int | None = None

    def __str__(self) -> str:
        return self.id if self.version is None else f"{self.id}v{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One version of a paper as the catalogue describes it; `published` is the day of its first version.

    `version` is 0 where who found the paper does not know it; `citations` is None but where it counts them.
    """

    id: str
    version: int
    title: str
    authors: tuple[str, ...]
    published: str
    categories: tuple[str, ...]
    abstract: str
    citations: int | None = None

    @property
    def name(self) -> str:
        """Identifier with version, such as `2010.11929v2`, if it is known: what never changes its content."""
        return f"{self.id}v{self.version}" if self.version else self.id


def as_reference(text: str) -> Reference | None:
    """Read an identifier in any form people write: bare, `arXiv:`, a DOI, or an address of abstract, PDF or HTML."""
    match = next((m for form in _FORMS if (m := form.fullmatch(text.strip()))), None)
    if match is None:
        return None
    archive, version = match["archive"], match["version"]
    # the subject class of an old identifier (math.GT/0309136) is no part of it
    identifier = f"{archive.lower()}/{match['number']}" if archive else match["id"]
    return Reference(id=identifier, version=int(version) if version else None)


def parse_reference(text: str) -> Reference:
    """Read what must be an identifier.

    Raises:
        ToolError: it is none in any form.
    """
    reference = as_reference(text)
    if reference is None:
        raise ToolError(
            f"{text[:80]!r} is no arXiv identifier. Give one like 2010.11929, 2010.11929v2 or cs/0112017, or the"
            " address of the paper on arxiv.org; search_papers finds the identifier of a title."
        )
    return reference
