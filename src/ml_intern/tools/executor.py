"""`PyTorchExecutor`: code, files, the forward check and training, in a sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, cast

from pydantic import Field

from ml_intern.core.facts import DatasetPrepared
from ml_intern.core.folds import facts
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.core.sandbox import GPU
from ml_intern.tools import _files
from ml_intern.tools._define import Toolset, tool
from ml_intern.tools._evaluation import evaluate_training
from ml_intern.tools._order import training_order
from ml_intern.tools._session import PythonSession
from ml_intern.tools._verified import list_verified, note_verified
from ml_intern.verification import training
from ml_intern.verification.forward import JSON, ForwardRequest, InputSpec, Sample, check_forward
from ml_intern.verification.source import source_files, workspace_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One argument of `forward`; random integers are below `high`."""

    shape: tuple[int, ...]
    dtype: Literal["float32", "int64"] = "float32"
    high: int = 2


Seconds = Annotated[float, Field(gt=0, le=7 * 24 * 3600, allow_inf_nan=False)]


class PyTorchExecutor(Toolset):
    """Python with PyTorch in a sandbox without network; nothing is started before the first call."""

    def __init__(self, *, use_gpu: bool | Literal["auto"] = "auto", timeout: float = 3600.0) -> None:
        """Keep settings.

        Args:
            use_gpu: True demands one, "auto" takes one where there is one.
            timeout: seconds a training may take unless the call says otherwise.
        """
        self._gpu: GPU = "auto" if use_gpu == "auto" else ("required" if use_gpu else "none")
        self._timeout = timeout
        self._session = PythonSession(self._gpu)

    @tool(effect="execute")
    def run_python(self, context: ToolContext, code: str, timeout: Seconds = 60.0) -> Observation:
        """Run Python in a session whose variables persist; the last expression's value is shown.

        It sees /workspace (writable), /data and /outputs (read-only). For exploring and trying out, not for the
        real training. `timeout` in seconds. Example: code="import torch; torch.__version__"
        """
        return self._session.run(context, code, timeout)

    @tool(effect="execute", recovery="repeat")
    def write_file(self, context: ToolContext, path: str, content: str) -> str:
        """Write a text file of /workspace as a whole, such as path="network.py"."""
        name = _files.write_text(context.paths, path, content)
        return f"Wrote /workspace/{name}, {len(content.splitlines())} lines."

    @tool(recovery="repeat")
    def read_file(self, context: ToolContext, path: str, start_line: int = 1, lines: int = 200) -> str:
        """Read lines of a text file: network.py, /outputs/CALL/log.txt, or a call's output calls/CALL/output.log.

        Of a folder, such as /workspace, it lists the files.
        """
        return _files.read_text(context.paths, path, start_line=start_line, lines=lines)

    @tool(effect="execute", recovery="repeat")
    def check_network(
        self,
        context: ToolContext,
        file: str,
        class_name: str,
        arguments: dict[str, object],
        inputs: list[Input],
        output_shape: list[int],
    ) -> Observation:
        """Prove a network's wiring: dummy forward and backward pass, saving, and, if data is prepared, `predict`.

        Needed before training; an edit voids it. Shapes are without the batch. `arguments`: keyword arguments of
        the constructor. Example: file="network.py", class_name="Net", arguments={"classes": 10},
        inputs=[{"shape": [3, 32, 32]}], output_shape=[10]; for token ids
        inputs=[{"shape": [64], "dtype": "int64", "high": 1000}]. On failure it says which layer, line and shapes.
        """
        files = source_files(context.paths.workspace, file)
        report = check_forward(
            context.sandboxes(),
            run=context.run,
            directory=context.paths.call(context.call_id),
            files=files,
            request=_request(file, class_name, arguments, inputs, output_shape),
            sample=_sample(context),
            cancelled=context.cancelled,
        )
        if report.fact is not None:
            note_verified(context, files, report.fact)
        return Observation(text=report.text, ok=report.passed, facts=(report.fact,) if report.fact else ())

    @tool(effect="execute", recovery="attach", requires=("dummy_forward",))
    def train(
        self,
        context: ToolContext,
        script: str,
        network: str,
        hyperparameters: dict[str, object] | None = None,
        timeout: Seconds | None = None,
    ) -> Observation:
        """Run a training script to its end, watched, in a sandbox of its own.

        `script` imports the class from `network`, the checked file. It runs in /source, reads hyperparameters.json
        there and /data, and must write /output/model.safetensors (safetensors.torch.save_model); optional:
        /output/metrics.json, a flat object of numbers. A NaN, a spike of the loss or `timeout` (seconds) stops it.
        Example: script="train.py", network="network.py", hyperparameters={"epochs": 3, "learning_rate": 0.001}.
        Failure tells the step, the place and the output's end.
        """
        limit = self._timeout if timeout is None else timeout
        order = training_order(context, script, network, hyperparameters or {}, gpu=self._gpu, timeout=limit)
        list_verified(context)
        report = training.train(
            context.sandboxes(),
            order,
            run=context.run,
            paths=context.paths,
            call_id=context.call_id,
            live=context.live,
            cancelled=context.cancelled,
        )
        return Observation(text=report.text, ok=report.fact is not None, facts=(report.fact,) if report.fact else ())

    @tool(effect="execute", recovery="repeat", requires=("trained",))
    def evaluate(self, context: ToolContext, training: str = "") -> Observation:
        """Let the runtime score a training (its call id; default the newest) on the hidden final part.

        In a fresh sandbox it builds the class with the arguments that were checked before that training, loads
        /output/model.safetensors and calls predict. Choose with /data/selection.parquet first: each candidate scored
        here is counted on the card. Failure says what predict did wrong.
        """
        return evaluate_training(context, training)

    def close(self) -> None:
        """End the session; running trainings go on."""
        self._session.close()


def _request(
    file: str, class_name: str, arguments: dict[str, object], inputs: list[Input], output_shape: list[int]
) -> ForwardRequest:
    return ForwardRequest(
        file=workspace_name(file),
        class_name=class_name,
        arguments=cast("dict[str, JSON]", arguments),
        inputs=tuple(InputSpec(shape=given.shape, dtype=given.dtype, high=given.high) for given in inputs),
        output_shape=tuple(output_shape),
    )


def _sample(context: ToolContext) -> Sample | None:
    """Give real rows to try `predict` on, where data was prepared."""
    prepared = facts(context.records, DatasetPrepared)
    if not prepared:
        return None
    columns = tuple(column.name for column in prepared[-1].inputs)
    return Sample(data=context.paths.visible_data, inputs=columns, classes=prepared[-1].classes)
