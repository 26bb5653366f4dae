"""`PyTorchExecutor`: code, files, the forward check and training, in a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from ml_intern.core.facts import Trained
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.core.sandbox import GPU
from ml_intern.tools import _files
from ml_intern.tools._checked import checked_network, waived
from ml_intern.tools._custody import Part
from ml_intern.tools._define import Toolset, tool
from ml_intern.tools._evaluation import evaluate_training, held_to_paper
from ml_intern.tools._inspected import inspected, last_check
from ml_intern.tools._order import training_order
from ml_intern.tools._packages import install_packages
from ml_intern.tools._session import PythonSession
from ml_intern.tools._standing import Ahead
from ml_intern.tools._trained import trained
from ml_intern.tools._unit_tests import judged_suite
from ml_intern.tools._verified import list_verified
from ml_intern.verification.forward import JSON, ForwardRequest, InputSpec
from ml_intern.verification.source import workspace_name
from ml_intern.verification.training import OnDivergence


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One argument of `forward`; random integers are below `high`."""

    shape: tuple[int, ...]
    dtype: Literal["float32", "int64"] = "float32"
    high: int = 2


Seconds = Annotated[float, Field(gt=0, le=7 * 24 * 3600, allow_inf_nan=False)]


class PyTorchExecutor(Toolset):
    """Python with PyTorch in a sandbox without network; nothing is started before the first call."""

    def __init__(
        self, *, use_gpu: bool | Literal["auto"] = "auto", timeout: float = 3600.0, recover: OnDivergence = "ask"
    ) -> None:
        """Keep settings.

        Args:
            use_gpu: True demands one, "auto" takes one where there is one.
            timeout: seconds a training may take unless the call says otherwise.
            recover: what a training does on NaN or a spike unless the call says otherwise; "auto" goes back to the last
                healthy state, with a tenth of the learning rate and clipped gradients, at most three times.
        """
        self._gpu: GPU = "auto" if use_gpu == "auto" else ("required" if use_gpu else "none")
        self._timeout = timeout
        self._recover: OnDivergence = recover
        self._session = PythonSession(self._gpu)
        self._ahead = Ahead()

    @tool(effect="execute")
    def run_python(self, context: ToolContext, code: str, timeout: Seconds = 60.0) -> Observation:
        """Run Python in a session whose variables persist; the last expression's value is shown.

        It sees /workspace (writable), /data and /outputs (read-only). For exploring and trying out, not for the
        real training. `timeout` in seconds. Example: code="import torch; torch.__version__"
        """
        return self._session.run(context, code, timeout)

    @tool(effect="execute", recovery="repeat", asks=True)
    def install(self, context: ToolContext, packages: list[str]) -> Observation:
        """Add wheels from the index to the sandbox, as packages=["einops", "timm>=1.0"]; a person must agree.

        What is there keeps its version. The session starts anew.
        """
        observation = install_packages(context, packages)
        self.close()
        return observation

    @tool(effect="execute", recovery="repeat")
    def write_file(self, context: ToolContext, path: str, content: str) -> str:
        """Write a text file of /workspace as a whole, such as path="network.py"."""
        self._session.prepare(context)
        name = _files.write_text(context.paths, path, content)
        return f"Wrote /workspace/{name}, {len(content.splitlines())} lines."

    @tool(effect="execute", recovery="repeat")
    def edit_file(self, context: ToolContext, path: str, old: str, new: str) -> str:
        """Replace `old`, which must occur once, in a file of /workspace."""
        self._session.prepare(context)
        name, line = _files.edit_text(context.paths, path, old, new)
        return f"Edited /workspace/{name} at line {line}."

    @tool(recovery="repeat")
    def read_file(self, context: ToolContext, path: str, start_line: int = 1, lines: int = 200) -> str:
        """Read lines of a text file: network.py, /outputs/CALL/log.txt, or calls/CALL/output.log of code that ran.

        Of a folder, such as /workspace, it lists the files.
        """
        self._session.prepare(context)
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
        claims: dict[str, object] | None = None,
    ) -> Observation:
        """Prove a network's wiring: dummy forward and backward pass, saving, invariances, structure, `predict`.

        Shapes are without the batch. `arguments`: keyword arguments of the constructor. Example: file="network.py",
        class_name="Net", arguments={"classes": 10}, inputs=[{"shape": [3, 32, 32]}], output_shape=[10]; for token ids
        inputs=[{"shape": [64], "dtype": "int64", "high": 1000}]. `claims` of task and paper are measured, such as
        {"task": "lm", "causal": true, "pad_id": 0, "depth": 6, "params": 2700000, "norm": "pre", "attn_scale": true}.
        """
        request = _request(file, class_name, arguments, inputs, output_shape)
        return checked_network(context, request, claims or {})

    @tool(effect="execute", recovery="repeat")
    def inspect_network(
        self,
        context: ToolContext,
        file: str,
        reference: str = "",
        reference_arguments: dict[str, object] | None = None,
    ) -> Observation:
        """List a checked file's layers: shapes, parameters, FLOPs, gradients.

        `reference`, as "transformers.BertModel" and its configuration: copies its weights, compares outputs.
        """
        given = last_check(context, file)
        inputs = [Input(**cast("dict[str, Any]", one)) for one in cast("list[object]", given["inputs"])]
        request = _request(
            file,
            str(given["class_name"]),
            cast("dict[str, object]", given["arguments"]),
            inputs,
            cast("list[int]", given["output_shape"]),
        )
        return inspected(context, request, reference, reference_arguments or {})

    @tool(recovery="repeat", asks=True)
    def waive(self, check: str, reason: str) -> Observation:
        """Let a check fail in this run, because the task wants exactly that; a person must agree."""
        return waived(check, reason)

    @tool(effect="execute", recovery="repeat")
    def test_network(self, context: ToolContext, network: str, tests: str) -> Observation:
        """Run your tests of a network, and try them on wrong versions of it: those that none notices are shown.

        `tests`: a file that imports the network and has functions test_*() that assert; no pytest. `import
        properties` (see read_file properties.py) offers checks of routing, causality, padding, batches. Layers of no
        known kind, listed in the network's file as NOVEL = ["Router"], train only once tests notice 70 % of their
        wrong versions. From then on check_network runs the tests.
        """
        return judged_suite(context, network, tests)

    @tool(effect="execute", recovery="attach", requires=("dummy_forward", "unit_tests"))
    def train(
        self,
        context: ToolContext,
        script: str,
        network: str,
        hyperparameters: dict[str, object] | None = None,
        timeout: Seconds | None = None,
        recover: OnDivergence | None = None,
    ) -> Observation:
        """Run a training script to its end, watched, in a sandbox of its own.

        `script` imports the class from `network`, the checked file. It runs in /source, reads hyperparameters.json
        there and /data, and must write /output/model.safetensors (safetensors.torch.save_model); optional:
        /output/metrics.json, a flat object of numbers. A new script first runs a few batches. A NaN, a spike
        of the loss or `timeout` (seconds) stops it; with recover="auto" it goes on from the last healthy state,
        a tenth of the rate, clipped, up to 3 times.
        Example: script="train.py", network="network.py", hyperparameters={"epochs": 3, "seed": 0} (use the seed).
        Failure tells the step, the place and the output's end.
        """
        limit = self._timeout if timeout is None else timeout
        recover = self._recover if recover is None else recover
        order = training_order(
            context, script, network, hyperparameters or {}, gpu=self._gpu, timeout=limit, recover=recover
        )
        list_verified(context)
        observed = trained(context, order, self._ahead)
        made = next((fact for fact in observed.facts if isinstance(fact, Trained)), None)
        # already now, before anything is scored
        return replace(observed, text=observed.text + held_to_paper(context, made)[1]) if made else observed

    @tool(effect="execute", recovery="repeat", requires=("trained",))
    def evaluate(self, context: ToolContext, training: str = "", part: Part = "final") -> Observation:
        """Let the runtime score a training (its call id; default the newest) on labels that only it holds.

        In a fresh sandbox it builds the class with the arguments that were checked before that training, loads
        /output/model.safetensors and calls predict. Choose with part="selection" (50 queries; says what predict did
        wrong): each candidate that meets the final part, once, is counted on the card.
        """
        return evaluate_training(context, training, part, gpu=self._gpu, timeout=self._timeout, ahead=self._ahead)

    def close(self) -> None:
        """End the session and what stands by; running trainings go on."""
        self._session.close()
        self._ahead.close()


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
