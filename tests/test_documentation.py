"""README and docs: their Python runs, their links lead somewhere, their verbs exist."""

import re
from pathlib import Path

import pytest

from ml_intern.core.errors import ConfigError

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [
    (page, code)
    for page in PAGES
    for code in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize(("page", "code"), BLOCKS, ids=lambda value: value.name if isinstance(value, Path) else "")
def test_every_python_block_runs_up_to_the_key_that_is_not_set(
    page: Path, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_INTERN_HOME", str(tmp_path))
    compiled = compile(code, str(page), "exec")

    if "model=" in code:
        with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
            exec(compiled, {})
    else:
        exec(compiled, {})


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_verbs_that_contributing_names_are_verbs_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    named = re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)

    assert [verb for verb in named if f"\n{verb}:" not in makefile] == []
