"""What the values of a session look like: short, telling, and bounded whatever the code does."""

from __future__ import annotations

import struct

from conformance.sandbox_base import Run, SandboxTests, runner
from ml_intern.core.sandbox import Sandbox
from ml_intern.sandboxes.session import Session

PYPLOT = """
class Figure:
    def __init__(self, fails): self.fails = fails
    def get_size_inches(self): return (6.4, 400.0)
    def get_dpi(self): return 100.0
    def savefig(self, file, format, dpi):
        if self.fails: raise ValueError("no data")
        file.write(f"{format} at {dpi:g}".encode())

figures = {}
def get_fignums(): return sorted(figures)
def figure(number=None, fails=False):
    return figures.setdefault(number or len(figures) + 1, Figure(fails))
def close(number): del figures[number]
"""


class ValueTests(SandboxTests):
    """Tests of `Execution.value` and `Execution.artefacts`."""

    def test_tensors_arrays_frames_and_networks_are_told_by_what_matters(self, sandbox: Sandbox) -> None:
        assert isinstance(sandbox, Session)
        assert sandbox.wait_until_warm(60)
        run = runner(sandbox)
        run("import torch, numpy\nx = torch.arange(100_000).float()\nx[3] = float('nan')\nx[4] = float('inf')")

        values = {code: run(code).value for code in EXPECTED}
        network, pairs = (run(code).value or "" for code in ("torch.nn.Linear(2, 1)", "[[x, x]] * 9"))
        frame = run("import pandas\npandas.DataFrame({'a': range(9999), 'b': 'x'})").value or ""

        assert values == EXPECTED
        assert network.endswith("(3 parameters, 3 of them trained; torch.float32 on cpu)")
        assert pairs.startswith("[[<Tensor (100000,) float32>, <Tensor (100000,) float32>], [")
        assert "DataFrame(shape=(9999, 2); a: int64, b: " in frame
        assert len(frame) < 400

    def test_a_value_whose_repr_fails_hangs_or_is_huge_costs_nothing_but_itself(self, run: Run) -> None:
        run(
            "class Bad:\n    def __repr__(self): raise ValueError('no')\n"
            "class Slow:\n    def __repr__(self):\n        while True: pass\n"
            "class Huge:\n    def __repr__(self): return 'x' * (64 << 20)\n"
            "class Text(str):\n    def __getitem__(self, key): raise ValueError\n    __len__ = None\n"
            "class Odd:\n    def __repr__(self): return Text('odd')"
        )

        bad, slow, huge, odd = (run(f"{name}()", timeout=1.0) for name in ("Bad", "Slow", "Huge", "Odd"))

        assert (bad.value, bad.ok) == ("<Bad, whose repr raised ValueError: no>", True)
        assert (slow.timed_out, slow.died) == (True, None)
        assert huge.value == "x" * 4096 + "…"
        assert odd.value == "odd"

    def test_figures_that_are_left_open_become_files_and_are_closed(self, run: Run) -> None:
        # a stand-in for matplotlib, which not every environment has
        package = self.workspace / "matplotlib"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "pyplot.py").write_text(PYPLOT, "utf-8")

        first = run("import matplotlib.pyplot as plt\nplt.figure(); plt.figure()\nNone")
        second = run("plt.figure(fails=True); plt.figure()\nplt.get_fignums()")
        third = run("plt.get_fignums()")

        folder = "/workspace/figures"
        assert first.artefacts == (f"{folder}/figure-001.png", f"{folder}/figure-002.png")
        assert second.artefacts == (f"{folder}/figure-003.png",)
        assert second.output == "[figure 1 cannot be drawn: ValueError: no data]\n"
        assert (third.artefacts, third.value) == ((), "[]")
        # 1600 pixels at most
        assert (self.workspace / "figures" / "figure-001.png").read_bytes() == b"png at 4"

    def test_a_plot_becomes_a_picture_without_a_display(self, run: Run) -> None:
        drawn = run(
            "import matplotlib.pyplot as plt\nimport numpy\n"
            "axes = plt.subplots(figsize=(4, 3))[1]\naxes.plot(numpy.arange(9)); axes.set_title('loss')\nNone",
            timeout=120.0,
        )
        about = run("import matplotlib\nmatplotlib.get_backend(), matplotlib.get_cachedir()")

        (picture,) = drawn.artefacts
        content = (self.workspace / "figures" / picture.rpartition("/")[2]).read_bytes()
        assert (drawn.output, drawn.error) == ("", None)
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", content[16:24]) == (400, 300)
        assert about.value == "('agg', '/tmp/.matplotlib')"

    def test_frames_indexes_and_what_tokenizers_give_are_told_in_few_words(self, run: Run) -> None:
        run(
            "import pandas, numpy, torch\nfrom transformers import BatchEncoding, BertConfig\n"
            "ids = torch.zeros(32, 512, dtype=torch.long)",
            timeout=120.0,
        )

        series = run("pandas.Series(range(9999), name='loss')").value or ""
        grouped = run("{'train': pandas.DataFrame({'a': range(9999)})}").value or ""
        batch = run("BatchEncoding({'input_ids': ids, 'attention_mask': ids})").value or ""
        config = run("BertConfig()").value or ""

        assert series.endswith("\nSeries(name='loss', shape=(9999,), dtype=int64)")
        assert grouped == "{'train': <DataFrame (9999, 1) a>}"
        assert "input_ids: <Tensor (32, 512) int64>" in batch.replace("'", "")
        assert config.startswith("BertConfig")
        assert max(map(len, (series, batch, config))) < 2000


EXPECTED = {
    "x": "Tensor(shape=(100000,), dtype=torch.float32, device=cpu, min=0, max=99999, mean=50000.5, nan=1, inf=1)",
    "x.int()[:2]": "tensor([0, 1], dtype=torch.int32)\n"
    "Tensor(shape=(2,), dtype=torch.int32, device=cpu, min=0, max=1, mean=0.5)",
    "x > 2": "Tensor(shape=(100000,), dtype=torch.bool, device=cpu, true=99996 of 100000)",
    "torch.zeros(0, 3)": "tensor([], size=(0, 3))\nTensor(shape=(0, 3), dtype=torch.float32, device=cpu)",
    "torch.full((2,), float('nan'))": "tensor([nan, nan])\nTensor(shape=(2,), dtype=torch.float32, device=cpu, nan=2)",
    "torch.zeros(9, 9, dtype=torch.bfloat16)": "Tensor(shape=(9, 9), dtype=torch.bfloat16, device=cpu, "
    "min=0, max=0, mean=0)",
    "torch.nn.Parameter(torch.zeros(9, 9))": "Parameter(shape=(9, 9), dtype=torch.float32, device=cpu, "
    "requires_grad=True, min=0, max=0, mean=0)",
    "torch.zeros(9, 9).to_sparse()": "Tensor(shape=(9, 9), dtype=torch.float32, device=cpu, layout=torch.sparse_coo)",
    "numpy.eye(9)": "ndarray(shape=(9, 9), dtype=float64, min=0, max=1, mean=0.111111)",
    "torch.nn.Linear(2, 1).state_dict()": "OrderedDict({'weight': <Tensor (1, 2) float32>, "
    "'bias': <Tensor (1,) float32>})",
}
