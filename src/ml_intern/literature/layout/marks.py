"""The words and numbers by which headings and captions are known."""

from __future__ import annotations

import re

CAPTION = re.compile(
    r"(?P<kind>Figure|Fig\.|Table|Algorithm)\s*(?:(?P<number>[A-Z]?\d+(?:\.\d+)?)\s*[:.|]|(?-i:[IVX]{1,5})(?:\s*[:.|]|\s*$))",
    re.IGNORECASE,
)
"""Some journals count tables in Roman numbers, with the title in the next line."""
NUMBERED = re.compile(r"""(?P<number>(?:\d{1,2}|[A-Z])(?:\.\d{1,2}){0,3})\.?\s+(?=[A-Z0-9('"])""")
NUMBERED_LOW = re.compile(r"(?P<number>\d{1,2}(?:\.\d{1,2}){1,3})\.?\s+(?=[a-z])")
"""A title in small letters: known only by a number of several parts."""
APPENDIX = re.compile(r"Appendix\s+(?P<number>[A-Z])\b", re.IGNORECASE)
ROMAN = re.compile(r"(?P<number>[IVX]{1,5})\.\s+(?=[A-Z])")
ITALIC_NUMBER = re.compile(r"(?P<number>\d{1,2}(?:\.\d{1,2}){1,3}|[A-Z](?=\.))\.?\s+(?=[A-Z])")
"""A title in italics: known by a number of several parts, or a letter with a dot, as under Roman sections."""
ENTRY = re.compile(r"\[\d{1,3}\]")
FIRST_ENTRY = re.compile(r"\[1\]\s+\S")
RUN_IN = re.compile(r"(?P<title>Abstract|Index Terms|Keywords|Key words)\s*[\u2014\u2013:.-]+\s*(?=\S)")
"""A title at the beginning of its first line."""
RUN_IN_PART = re.compile(r"\d{1,2}\)")
EQUATION_NUMBER = re.compile(r"\((?:\d{1,3}|[A-Z]\.?\d+)\)")
ITEM = re.compile(r"[•∙▪\u2013]\s|\(?\d{1,2}[.)]\s")
BULLET = re.compile(r"[•∙▪]\s")
"""What begins an item however the line before it ends; a number may be that of an equation named in a sentence."""
NAMES = frozenset({
    "abstract", "references", "acknowledgements", "acknowledgments", "acknowledgement", "acknowledgment", "appendix",
    "appendices", "introduction", "conclusion", "conclusions", "bibliography", "discussion", "limitations",
    "broader impact", "contents", "supplementary material", "supplementary materials", "ethics statement",
    "reproducibility statement", "related work", "method", "methods", "experiments", "results", "background",
})  # fmt: skip
"""Titles that need no number."""
REFERENCES = frozenset({"references", "bibliography"})
