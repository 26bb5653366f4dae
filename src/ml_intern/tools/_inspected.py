"""Carry out `inspect_network`: look into the network that `check_network` was last called for."""

from __future__ import annotations

from collections.abc import Mapping

from ml_intern.core.errors import ToolError
from ml_intern.core.events import ToolStarted
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.verification.forward import ForwardRequest
from ml_intern.verification.inspecting import Reference, inspect
from ml_intern.verification.source import source_files, workspace_name


def last_check(context: ToolContext, file: str) -> Mapping[str, object]:
    """Give the arguments of the newest check_network for `file`.

    Raises:
        ToolError: there was none.
    """
    name = workspace_name(file)
    calls = [r.event.call for r in context.records if isinstance(r.event, ToolStarted)]
    for call in reversed(calls):
        if call.name == "check_network" and workspace_name(str(call.arguments["file"])) == name:
            return call.arguments
    raise ToolError(f"call check_network for {name} first; it says class, arguments and shapes")


def inspected(
    context: ToolContext, request: ForwardRequest, reference: str, reference_arguments: Mapping[str, object]
) -> Observation:
    """Look into the network as its file is now."""
    if reference and "." not in reference:
        raise ToolError("name the reference by its import path, such as transformers.ViTForImageClassification")
    seen = inspect(
        context.sandboxes(),
        run=context.run,
        directory=context.paths.call(context.call_id),
        output=context.paths.outputs / context.call_id,
        files=source_files(context.paths.workspace, request.file),
        request=request,
        reference=Reference(name=reference, arguments=reference_arguments) if reference else None,
        cancelled=context.cancelled,
    )
    return Observation(text=seen.text, ok=seen.ok)
