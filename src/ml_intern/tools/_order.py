"""Turn a call of `train` into an order: exactly the sources that were checked, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import DatasetPrepared
from ml_intern.core.folds import facts
from ml_intern.core.protocols import ToolContext
from ml_intern.core.sandbox import GPU
from ml_intern.verification.gates import verified_digests
from ml_intern.verification.source import source_digest, source_files, workspace_name
from ml_intern.verification.training import OnDivergence, Order


def training_order(
    context: ToolContext,
    script: str,
    network: str,
    hyperparameters: Mapping[str, object],
    *,
    gpu: GPU,
    timeout: float,
    recover: OnDivergence = "ask",
) -> Order:
    """Read script and network, once each, from the workspace or from what this call ran with before a crash.

    Raises:
        ToolError: a file cannot be used, the script does not import the network, or the network is not checked.
    """
    script, network = workspace_name(script), workspace_name(network)
    stored = context.paths.call(context.call_id) / "source"
    root = stored if stored.is_dir() else context.paths.workspace
    ran, checked = source_files(root, script), source_files(root, network)
    if network not in ran or network == script:
        module = network.removesuffix(".py").replace("/", ".")
        raise ToolError(f"{script} does not import {network}; write in it, for example: from {module} import Network")
    digest = source_digest(checked)
    if digest not in verified_digests(context.records):
        raise ToolError(f"{network} changed after its forward pass; call check_network for it again, then train")
    prepared = facts(context.records, DatasetPrepared)
    return Order(
        files={**ran, **checked},
        script=script,
        hyperparameters=hyperparameters,
        source_digest=digest,
        dataset_digest=prepared[-1].digest if prepared else "",
        data=context.paths.visible_data if prepared else None,
        gpu=gpu,
        timeout=timeout,
        rows=prepared[-1].rows.get("search", 0) if prepared else 0,
        recover=recover,
    )
