"""The index has what a package exports, under the path that people import it by, as of the installed version."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from ml_intern.documentation.index import PROGRAMS
from sandboxes.wheels import write_wheel

FILES = {
    "mli_pack/__init__.py": (
        '"""A package."""\n'
        "from typing import TYPE_CHECKING\n"
        "import os\n"
        "from ._hidden import Layer, helper as assist\n"
        "from .plain import *\n"
        "from .long import long\n"
        "if TYPE_CHECKING:\n"
        "    from .schedules import cosine_schedule\n"
        "else:\n"
        "    _lazy = {'schedules': ['cosine_schedule']}\n"
    ),
    "mli_pack/_hidden.py": (
        "from ._base import Base\n"
        "class Layer(Base):\n"
        '    """Scale a tensor.\n\n    Args:\n        factor: how much.\n    """\n'
        "    def __init__(self, factor: float = 2.0, *, bias=None):\n        pass\n"
        "    def forward(self, x, /, *rest: int, mask=None, **more) -> 'Tensor':\n"
        '        """Do it."""\n'
        "def helper(a, b=1):\n    '''Help.'''\n"
        "def giraffe():\n    '''Nobody imports this.'''\n"
    ),
    "mli_pack/_base.py": "class Base:\n    def save(self, path, compress=True):\n        '''Write all.'''\n",
    "mli_pack/schedules.py": (
        "__all__ = ['cosine_schedule']\n"
        "def cosine_schedule(optimizer, warmup_steps: int,\n        total=100,  # of all\n        ):\n"
        '    """Rise, then fall along a cosine."""\n'
        "def orca():\n    '''Not exported.'''\n"
    ),
    "mli_pack/plain.py": (
        "from dataclasses import dataclass, field\n"
        "@dataclass\nclass Options:\n"
        '    """What to do."""\n'
        '    rate: float = field(default=0.1, metadata={"help": "how fast"})\n'
        "    epochs: int = 3\n"
        "def pad_all(values):\n    '''Pad.'''\n"
    ),
    "mli_pack/native.py": (
        "import mli_pack._C as _C\n"
        "from mli_pack._C import _add_docstr\n"
        'fused = _add_docstr(_C.fused, r"""fused(query, key, is_causal=False) -> Tensor\n\nAttend quickly.""")\n'
    ),
    "mli_pack/_docs.py": (
        "from mli_pack._C import _add_docstr as add_docstr\n"
        'common = parse_kwargs("""\n    input (Tensor): what comes in\n    out (Tensor): what goes out\n""")\n'
        'add_docstr(mli_pack.matmul, r"""\nmatmul(input, other, *, out=None) -> Tensor\n\nMultiply.\n\n'
        '    {input}\n""".format(**common))\n'
    ),
    "mli_pack/long.py": "def long():\n    '''" + "word " * 1500 + "end'''\n",
    "mli_pack/broken.py": "def (",
    "mli_pack/tests/test_x.py": "def zebra():\n    '''No.'''\n",
}


Asked = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Give the program that answers in the sandbox; its first call builds the index."""
    folder = tmp_path_factory.mktemp("docs")
    with zipfile.ZipFile(write_wheel(folder, "mli_pack", "1.5", FILES)) as wheel:
        wheel.extractall(folder / "site")

    def asked(*questions: str, page: int = 1) -> list[dict[str, Any]]:
        places = {"index": str(folder / "docs.sqlite"), "unpacked": str(folder / "site")}
        program = (
            f"import json, sys; sys.path.append({str(PROGRAMS)!r}); import answer\n"
            "print(json.dumps([answer.answer(request) for request in json.load(sys.stdin)]))"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-c", program],
            input=json.dumps([{"question": question, "limit": 5, "page": page, **places} for question in questions]),
            capture_output=True,
            text=True,
            check=True,
        )
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers

    return asked


def test_a_private_definition_is_found_under_the_path_that_exports_it(ask: Asked) -> None:
    layer, private, renamed, unseen = ask(
        "mli_pack.Layer", "mli_pack._hidden.Layer", "mli_pack.assist", "mli_pack._hidden.giraffe"
    )

    assert layer["entry"] == {
        "name": "mli_pack.Layer", "kind": "class", "package": "mli_pack", "version": "1.5",
        "file": "mli_pack/_hidden.py", "line": 2, "signature": "(factor: float = 2.0, *, bias=None)",
        "text": "Scale a tensor.\n\nArgs:\n    factor: how much.\n\nInherits from mli_pack._base.Base.\n\nHas: forward",
        "page": 1, "pages": 1, "asked": "mli_pack.Layer",
    }  # fmt: skip
    assert private["entry"]["name"] == "mli_pack.Layer"
    assert renamed["entry"]["signature"] == "(a, b=1)"
    assert unseen["entry"] is None


def test_signatures_are_read_from_lazy_inherited_generated_and_compiled_definitions(ask: Asked) -> None:
    signatures = {
        "mli_pack.cosine_schedule": "(optimizer, warmup_steps: int, total=100)",
        "mli_pack.Layer.forward": "(x, /, *rest: int, mask=None, **more) -> 'Tensor'",
        "mli_pack.Layer.save": "(path, compress=True)",
        "mli_pack.Options": "(rate: float = 0.1, epochs: int = 3)",
        "mli_pack.native.fused": "(query, key, is_causal=False) -> Tensor",
        "mli_pack.matmul": "(input, other, *, out=None) -> Tensor",
    }

    found = ask(*signatures)

    assert {answer["entry"]["asked"]: answer["entry"]["signature"] for answer in found} == signatures


def test_what_documentation_leaves_to_be_filled_in_is_filled_in(ask: Asked) -> None:
    native, fields = ask("mli_pack.matmul", "mli_pack.Options")

    assert native["entry"]["text"] == "Multiply.\n\n    input (Tensor): what comes in"
    assert "rate: how fast" in fields["entry"]["text"]


def test_words_find_names_parameters_and_descriptions(ask: Asked) -> None:
    firsts = {
        "cosine schedule with warmup": "mli_pack.cosine_schedule",
        "fused is_causal": "mli_pack.native.fused",
        "warmup_steps": "mli_pack.cosine_schedule",
        "scale by a factor": "mli_pack.Layer",
        "pad all values": "mli_pack.pad_all",
    }

    found = ask(*firsts)

    assert [answer["hits"][0]["name"] for answer in found] == list(firsts.values())


def test_what_is_not_public_or_not_known_is_not_found(ask: Asked) -> None:
    unknown = ask("zebra", "giraffe", "orca", '") OR zebra : (*')

    assert unknown == [{"built": False, "entry": None, "hits": []}] * 4


def test_a_long_entry_comes_in_pages_that_hold_all_of_it(ask: Asked) -> None:
    pages = [ask("mli_pack.long", page=page)[0]["entry"] for page in (1, 2, 3)]

    assert [page["page"] for page in pages] == [1, 2, 2]
    assert pages[0]["text"] + pages[1]["text"] == "word " * 1500 + "end"
