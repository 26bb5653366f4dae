from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml_intern.core.errors import ToolError
from ml_intern.verification.source import MAX_FILE, defaults, source_digest, source_files, workspace_name


def write(workspace: Path, **files: str) -> Path:
    """Write files whose names have `__` for `/` and no suffix."""
    for name, content in files.items():
        file = workspace / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, "utf-8")
    return workspace


def package(workspace: Path, folder: str, content: str = "") -> None:
    (workspace / folder).mkdir(parents=True, exist_ok=True)
    (workspace / folder / "__init__.py").write_text(content, "utf-8")


def test_a_network_that_imports_only_libraries_is_its_own_source(tmp_path: Path) -> None:
    write(tmp_path, network="import torch\nfrom torch import nn\n", other="import network\n")

    assert source_files(tmp_path, "network.py") == {"network.py": b"import torch\nfrom torch import nn\n"}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import blocks", ["blocks.py"]),
        ("import blocks as b, heads", ["blocks.py", "heads.py"]),
        ("from blocks import Block", ["blocks.py"]),
        ("from blocks import *", ["blocks.py"]),
        ("import layers.attention", ["layers/__init__.py", "layers/attention.py"]),
        ("from layers import attention", ["layers/__init__.py", "layers/attention.py"]),
        ("from layers.attention import Attention", ["layers/__init__.py", "layers/attention.py"]),
        ("import plain.deep.mlp", ["plain/deep/mlp.py"]),
        ("def build():\n    from blocks import Block\n", ["blocks.py"]),
        ("try:\n    import flash_attention\nexcept ImportError:\n    import blocks\n", ["blocks.py"]),
    ],
)
def test_every_form_of_import_is_followed(tmp_path: Path, line: str, found: list[str]) -> None:
    package(tmp_path, "layers")
    write(tmp_path, network=line, blocks="", heads="", layers__attention="", plain__deep__mlp="")

    assert sorted(source_files(tmp_path, "network.py")) == sorted(["network.py", *found])


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from . import norm", ["models/norm.py"]),
        ("from .norm import Norm", ["models/norm.py"]),
        ("from .parts import mlp", ["models/parts/__init__.py", "models/parts/mlp.py"]),
        ("from . import CONSTANT", []),
    ],
)
def test_relative_imports_start_at_the_package_and_run_its_init(tmp_path: Path, line: str, found: list[str]) -> None:
    package(tmp_path, "models")
    package(tmp_path, "models/parts")
    write(tmp_path, models__vit=line, models__norm="", models__parts__mlp="from .. import vit\n")

    assert sorted(source_files(tmp_path, "models/vit.py")) == sorted(["models/vit.py", "models/__init__.py", *found])


def test_imports_are_followed_to_their_end_and_circles_end(tmp_path: Path) -> None:
    write(tmp_path, network="import first", first="import second", second="import network\nimport first")

    assert list(source_files(tmp_path, "network.py")) == ["network.py", "first.py", "second.py"]


@pytest.mark.parametrize("file", ["network.py", "./network.py", "/workspace/network.py"])
def test_a_file_has_one_name_however_it_is_written(tmp_path: Path, file: str) -> None:
    write(tmp_path, network="")

    assert workspace_name(file) == "network.py"
    assert list(source_files(tmp_path, file)) == ["network.py"]


@pytest.mark.parametrize("file", ["../network.py", "/etc/network.py", "a/../../network.py", "net\0work.py"])
def test_a_path_that_leaves_the_workspace_is_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(ToolError, match="outside the workspace"):
        source_files(tmp_path, file)


def test_what_is_no_python_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no Python file"):
        source_files(tmp_path, "weights.bin")


def test_a_missing_file_is_refused_with_the_names_that_exist(tmp_path: Path) -> None:
    write(tmp_path, **{f"net{n}": "" for n in range(9)})

    with pytest.raises(ToolError, match=r"network\.py is not in the workspace; it has net0\.py, .* and 1 more"):
        source_files(tmp_path, "network.py")


def test_a_missing_file_of_an_empty_workspace_is_to_be_written_first(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="write the file first"):
        source_files(tmp_path, "network.py")


def test_links_to_files_and_through_folders_are_refused(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", secret="", network="")
    workspace = write(tmp_path / "workspace", through="from linked import secret")
    (workspace / "network.py").symlink_to(outside / "network.py")
    (workspace / "linked").symlink_to(outside)

    for file in ("network.py", "linked/network.py", "through.py"):
        with pytest.raises(ToolError, match="links are not followed"):
            source_files(workspace, file)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "network.py")

    with pytest.raises(ToolError, match="not an ordinary file"):
        source_files(tmp_path, "network.py")


def test_a_file_may_have_one_mebibyte_and_no_byte_more(tmp_path: Path) -> None:
    write(tmp_path, fits="#" * MAX_FILE, large="#" * (MAX_FILE + 1))

    assert len(source_files(tmp_path, "fits.py")["fits.py"]) == MAX_FILE
    with pytest.raises(ToolError, match="at most 1 MiB"):
        source_files(tmp_path, "large.py")


def test_a_syntax_error_is_named_with_file_and_line_also_in_an_imported_module(tmp_path: Path) -> None:
    write(tmp_path, network="import blocks", blocks="import torch\ndef forward(:\n    pass\n")

    with pytest.raises(ToolError, match=r"blocks\.py:2: .*'def forward\(:'"):
        source_files(tmp_path, "network.py")


@pytest.mark.parametrize("content", [b"a = '\0'", b"a = '\xff'"])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "network.py").write_bytes(content)

    with pytest.raises(ToolError, match=r"network\.py"):
        source_files(tmp_path, "network.py")


def test_an_escape_that_only_warns_is_no_error(tmp_path: Path) -> None:
    write(tmp_path, network=r"pattern = '\d'")

    assert list(source_files(tmp_path, "network.py")) == ["network.py"]


def test_a_relative_import_above_the_workspace_is_refused_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, network="\nfrom .blocks import Block", blocks="")

    with pytest.raises(ToolError, match=r"network\.py:2: 'from \.blocks import' leaves"):
        source_files(tmp_path, "network.py")


def test_a_relative_import_of_a_missing_module_is_refused(tmp_path: Path) -> None:
    write(tmp_path, models__vit="from .norm import Norm")

    with pytest.raises(ToolError, match=r"models/vit\.py:1: models/norm\.py is not in the workspace"):
        source_files(tmp_path, "models/vit.py")


def test_a_module_that_hides_one_of_pythons_own_is_refused(tmp_path: Path) -> None:
    write(tmp_path, network="import random", random="")

    with pytest.raises(ToolError, match=r"network\.py:1: random\.py has the name of Python's own module"):
        source_files(tmp_path, "network.py")


def test_the_digest_depends_on_names_and_contents_and_on_nothing_else() -> None:
    files = {"a.py": b"x = 1", "b.py": b"y = 2"}

    digests = [
        source_digest(files),
        source_digest({"a.py": b"x = 1", "b.py": b"y = 3"}),
        source_digest({"a.py": b"x = 1", "c.py": b"y = 2"}),
        source_digest({"a.py": b"x = 1"}),
        source_digest({"a.py": b"x = 1b.py", "": b"y = 2"}),
        source_digest({}),
    ]
    assert source_digest(dict(reversed(files.items()))) == digests[0]
    assert len(set(digests)) == len(digests)


def test_plain_defaults_of_a_constructor_are_read_and_computed_ones_left_out() -> None:
    code = b"class Other:\n    def __init__(self, depth=9): ...\n\n\nclass Net:\n"
    code += (
        b"    def __init__(self, classes, depth=4, norm='pre', widths=(1, 2), *, heads, dropout=0.1, size=2 * 2): ..."
    )

    assert defaults(code, "Net") == {"depth": 4, "norm": "pre", "dropout": 0.1}
    assert defaults(code, "Absent") == {}
