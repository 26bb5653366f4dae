from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ml_intern.core.errors import ConfigError
from ml_intern.literature.docling import converter, read_docling
from ml_intern.literature.document import Content, Refusal

GOLDEN = Path(__file__).with_name("docling.json")
"""Written by docling-core 2.104."""


def golden(pdf: Path, folder: Path) -> str | None:
    shutil.copy(GOLDEN, folder / f"{pdf.stem}.json")
    return None


def test_a_document_of_docling_becomes_sections_with_cells_and_references() -> None:
    content = read_docling(b"%PDF-", golden)

    assert isinstance(content, Content)
    assert [(s.number, s.title, s.level) for s in content.sections] == [
        ("", "", 1),
        ("1", "Introduction", 1),
        ("1.1", "Data", 2),
    ]
    assert [(b.kind, b.text.split("\n")[0]) for b in content.sections[1].blocks] == [
        ("paragraph", "We cut images into patches."),
        ("equation", "$$y=Wx$$"),
        ("item", "an item"),
        ("caption", "Table 1: Settings."),
        ("table", "| Network | Rate |"),
        ("caption", "Figure 1: A curve."),
        ("figure", ""),
    ]
    assert content.sections[1].blocks[4].rows == (("Network", "Rate"), ("Small", "0.1"))
    assert [block.text for block in content.references] == ["[1] A. Author. 1989."]


def test_what_docling_says_went_wrong_is_the_reason() -> None:
    assert read_docling(b"%PDF-", lambda pdf, folder: "no models") == Refusal(
        reason="docling gave nothing: no models", lasting=False
    )


def test_docling_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigError, match=r"open-ml-intern\[docling\]"):
        converter(tmp_path)
