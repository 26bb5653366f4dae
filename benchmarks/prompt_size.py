"""How large the fixed prompt and the schemas of the built-in tools are.

    python benchmarks/prompt_size.py

Prints characters, and tokens at 4 characters each.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from ml_intern import InternAgent
from ml_intern.agent.prompt import SYSTEM
from ml_intern.llm.scripted import ScriptedModel


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as home:
        specs = InternAgent(ScriptedModel([]), home=Path(home)).tool_specs
    parts = {"prompt": SYSTEM}
    for spec in specs:
        function = {"name": spec.name, "description": spec.description, "parameters": dict(spec.schema)}
        parts[spec.name] = json.dumps({"type": "function", "function": function}, ensure_ascii=False)
    for name, text in parts.items():
        print(f"{name:18} {len(text):6} characters  {len(text) / 4:6.0f} tokens")
    whole = sum(map(len, parts.values()))
    print(f"{'together':18} {whole:6} characters  {whole / 4:6.0f} tokens")


if __name__ == "__main__":
    main()
