"""Programs that fail, each in its own way, are run as a training is: what is told must name the cause."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from explanations import ERRORS, PAGE, Row, explain_all, page, programs

from ml_intern.core.sandbox import SandboxBackend
from ml_intern.sandboxes.namespaces import NamespaceBackend


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory, sandbox_python: Path) -> tuple[Row, ...]:
    folder = tmp_path_factory.mktemp("explanations")
    backend: SandboxBackend = NamespaceBackend(folder / "home", python=sandbox_python)
    return explain_all(backend, folder / "run", programs())


@pytest.mark.sandbox
def test_the_explanation_of_every_kind_of_error_names_its_cause(rows: tuple[Row, ...]) -> None:
    assert {row.program.name: row.missing for row in rows if row.missing} == {}


@pytest.mark.sandbox
def test_no_frame_of_a_library_and_no_traceback_reaches_the_model(rows: tuple[Row, ...]) -> None:
    seen = [row.program.name for row in rows if "Traceback" in row.told or "site-packages" in row.told]

    assert seen == []
    assert max(len(row.told) for row in rows) < 1100


def without_counts(text: str) -> list[str]:
    """Leave out what depends on the version of torch and on rounding: tokens of tracebacks, and their median."""
    return [re.sub(r"\d+ \|( \d+ \|)?$|is \d+% shorter", "", line) for line in text.splitlines()]


@pytest.mark.sandbox
def test_the_page_shows_every_program_and_what_became_of_it(rows: tuple[Row, ...]) -> None:
    assert without_counts(PAGE.read_text("utf-8")) == without_counts(page(rows))


def test_every_program_says_what_is_wrong_and_what_must_be_named() -> None:
    kinds = [program.kind.partition(":") for program in programs()]

    assert len(kinds) == len([*ERRORS.glob("*.py")]) >= 60
    assert [kind for kind, _, wrong in kinds if not wrong] == []
