"""The contract of a program is read from its syntax."""

from __future__ import annotations

import pytest

from ml_intern.core.errors import ToolError
from ml_intern.verification.declaration import declared_meta

PROGRAM = """
import math, torch
DIM, HEADS, PATCH, NAMES = 64, 4, 8, ("low", "high")
PATCHES = (32 // PATCH) ** 2
META = {VALUE}
"""


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("len(NAMES)", 2),
        ("math.sqrt(DIM // HEADS)", 4.0),
        ("(DIM // HEADS) ** -0.5", 0.25),
        ("PATCHES + 1", 17),
        ("f'patches:{PATCH}'", "patches:8"),
        ("max(DIM, HEADS) % 7", 1),
        ("[-1, DIM * 2]", [-1, 128]),
    ],
)
def test_constants_and_what_is_computed_of_them_are_read(written: str, value: object) -> None:
    assert declared_meta("net.py", PROGRAM.replace("VALUE", f"'key': {written}").encode()) == {"key": value}


@pytest.mark.parametrize(
    "written",
    [
        "open('/etc/passwd').read()",
        "torch.ones(2)",
        "9 ** 9 ** 9",
        "(-1) ** 0.5",
        "1 / 0",
        "len(5)",
        "math.sqrt(-1)",
        "[n for n in NAMES]",
        "f'{DIM:>9}'",
    ],
)
def test_anything_else_is_refused_with_its_line_and_never_run(written: str) -> None:
    with pytest.raises(ToolError, match="line 5: "):
        declared_meta("net.py", PROGRAM.replace("VALUE", f"'key': {written}").encode())
