"""Write docs/checks.md from the modules of the checks.

python benchmarks/list_checks.py
"""

from __future__ import annotations

from pathlib import Path

from ml_intern.verification.registry import FAMILIES, CheckEntry, entries

PAGE = Path(__file__).parents[1] / "docs" / "checks.md"

HEAD = """# Checks of a network

`ml-intern check FILE` runs them in a sandbox of their own. Each passes, fails with evidence, does not apply, or is
inconclusive when the check itself breaks: that is never held against the network. Before a training `check_network`
runs all but data, loop and learning after its forward pass. This page is written by `python benchmarks/list_checks.py`.

A check of your own is a module with one function under `@check`, named by an entry point of the group
`ml_intern.checks`.

What a program declares, so that checks have something to hold it to, is its `META`: task, inputs, target, batch,
output shape, how an ideal output is made, causality, positions, and the claims of the paper. `metric` names what
`evaluate` gives, such as `accuracy`, `macro_f1` or `auroc`; without it the words of the program are read.

A network that is too large to allocate is checked at full size by shapes alone; `shrink` gives arguments of
`build_model`, or of the class, for a small one with the same inputs and outputs, which all other checks then see.
`training` gives `batch`, `length` and `memory` (bytes) that a training step may take.
"""


def page() -> str:
    """Give the page as it has to be."""
    found = entries()
    parts = [HEAD]
    for family in FAMILIES:
        of_family = [entry for entry in found if entry.family == family]
        if of_family:
            rows = "\n".join(map(_row, of_family))
            parts.append(f"## {family.capitalize()}\n\n| check | idea | source | cost |\n|---|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _row(entry: CheckEntry) -> str:
    return f"| `{entry.name}` | {_cell(entry.idea)} | {_cell(entry.source)} | {entry.cost} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
