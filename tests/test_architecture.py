"""Conventions a reviewer would otherwise have to repeat."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import ml_intern
import ml_intern.tools
from ml_intern import InternAgent
from ml_intern.agent.prompt import SYSTEM
from ml_intern.llm.scripted import ScriptedModel

SOURCE = Path(ml_intern.__file__).parent
MAX_FILE, MAX_FUNCTION, MAX_PROMPT_TOKENS = 400, 45, 4_200
INSIDE = [
    SOURCE / "sandboxes" / "inside",
    SOURCE / "verification" / "probes",
    SOURCE / "data" / "workers",
    SOURCE / "documentation" / "inside",
    SOURCE / "evaluation" / "workers",
    SOURCE / "corpora",
]


def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")}


def test_nothing_outgrows_its_limit() -> None:
    files = {str(path.relative_to(SOURCE)): len(path.read_text("utf-8").splitlines()) for path in trees()}
    functions = {
        f"{path.relative_to(SOURCE)}:{node.name}": (node.end_lineno or 0) - node.body[0].lineno + 1
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: n for name, n in files.items() if n > MAX_FILE} == {}
    assert {name: n for name, n in functions.items() if n > MAX_FUNCTION} == {}


def _imports(tree: ast.Module) -> set[str]:
    plain = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    return plain | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


PICTURES = SOURCE / "literature" / "layout" / "ink.py"
"""Measures pages of scans, in the process that reads PDFs; numpy comes with the extra that recognises them."""


def test_what_runs_in_the_sandbox_imports_nothing_of_ours_and_the_host_imports_no_torch() -> None:
    ours: list[Path] = []
    torch: list[Path] = []
    for path, tree in trees().items():
        inside = any(path.is_relative_to(folder) for folder in INSIDE)
        roots = {name.split(".")[0] for name in _imports(tree)}
        if inside and "ml_intern" in roots:
            ours.append(path)
        if (
            not inside
            and path != PICTURES
            and roots & {"torch", "numpy", "sklearn", "datasets", "safetensors", "pyarrow", "PIL"}
        ):
            torch.append(path)

    assert ours == []
    assert torch == []


def _called(tree: ast.Module) -> set[str]:
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    plain = {function.id for function in functions if isinstance(function, ast.Name)}
    # `re.compile` and the like are other functions of these names
    return plain | {f.attr for f in functions if isinstance(f, ast.Attribute)} - {"compile", "eval"}


def test_the_host_never_loads_or_runs_what_a_sandbox_wrote() -> None:
    loaders = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "dbm", "runpy", "imp", "code"}
    runners = {"exec", "eval", "compile", "__import__", "import_module", "exec_module", "spec_from_file_location"}
    # each imports a name that stands in our source or that the person gave
    may_import = {"plugins.py", "tools/__init__.py", "cli/verbs/bench.py"}
    found: list[str] = []
    for path, tree in trees().items():
        name = str(path.relative_to(SOURCE))
        if any(path.is_relative_to(folder) for folder in INSIDE):
            continue
        roots = {module.split(".")[0] for module in _imports(tree)}
        calls = _called(tree) & (runners - {"import_module"} if name in may_import else runners)
        found += [f"{name} uses {what}" for what in sorted((roots & loaders) | calls)]

    assert found == []


@pytest.mark.parametrize(
    "statement",
    ["import ml_intern", "import ml_intern.cli, sys; sys.argv = ['x', '--help']; ml_intern.cli.main(['--help'])"],
)
def test_starting_up_loads_nothing_heavy(statement: str) -> None:
    heavy = ["pydantic", "pydantic_ai", "httpx", "huggingface_hub", "rich", "lxml", "torch", "openai", "anthropic"]
    code = (
        f"import sys\ntry:\n    exec({statement!r})\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', sorted(set({heavy}) & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_every_public_name_is_importable() -> None:
    missing = [f"{m.__name__}.{n}" for m in (ml_intern, ml_intern.tools) for n in m.__all__ if not hasattr(m, n)]

    assert missing == []


def test_the_fixed_prompt_and_all_tool_schemas_fit_their_budget(tmp_path: Path) -> None:
    agent = InternAgent(ScriptedModel([]), home=tmp_path)

    text = SYSTEM + "".join(f"{s.name} {s.description} {json.dumps(s.schema)}" for s in agent.tool_specs)

    # English and JSON take 4 characters a token or more; see benchmarks/prompt_size.py for a tokenizer's count
    assert len(text) / 4 <= MAX_PROMPT_TOKENS
