"""Gates that hold training and evaluation to what was proven: the forward pass of this source, a finished training."""

from __future__ import annotations

from collections.abc import Sequence

from ml_intern.core.errors import ToolError
from ml_intern.core.events import Record
from ml_intern.core.facts import NetworkVerified, Trained
from ml_intern.core.folds import facts
from ml_intern.core.messages import ToolCall
from ml_intern.core.protocols import ToolContext, Verdict
from ml_intern.verification.source import source_digest, source_files


def verified_digests(records: Sequence[Record]) -> frozenset[str]:
    """Give the digests of all sources that passed the forward pass."""
    return frozenset(fact.source_digest for fact in facts(records, NetworkVerified))


class DummyForwardGate:
    """Passes when exactly the source of the call's `network` passed the forward pass."""

    @property
    def name(self) -> str:
        """The name tools use in `requires`."""
        return "dummy_forward"

    def check(self, call: ToolCall, context: ToolContext) -> Verdict:
        """Digest `network` and what it imports as they are now, and look for that digest in the journal."""
        network = call.arguments.get("network")
        if not isinstance(network, str):
            return Verdict(passed=False, reason=f"{call.name} needs `network`, the file that defines the network")
        try:
            files = source_files(context.paths.workspace, network)
        except ToolError as error:
            return Verdict(passed=False, reason=str(error))
        digest = source_digest(files)
        if digest in verified_digests(context.records):
            return Verdict(passed=True, reason=f"the source {digest[:12]} of {network} passed the forward pass")
        return Verdict(passed=False, reason=_refusal(next(iter(files)), tuple(files), context.records))


def _refusal(network: str, files: Sequence[str], records: Sequence[Record]) -> str:
    earlier = [fact for fact in facts(records, NetworkVerified) if fact.file == network]
    if not earlier:
        return f"{network} has not passed the forward pass; call check_network on it first"
    last = earlier[-1]
    imported = f" or what it imports ({', '.join(files[1:])})" if len(files) > 1 else ""
    return (
        f"{network}{imported} changed since {last.class_name} passed the forward pass "
        f"(source {last.source_digest[:12]}); call check_network on it again, then repeat this call"
    )


class TrainedGate:
    """Passes when the training that the call names, or any, ended well."""

    @property
    def name(self) -> str:
        """The name tools use in `requires`."""
        return "trained"

    def check(self, call: ToolCall, context: ToolContext) -> Verdict:
        """Look for the training in the journal."""
        done = [fact.call_id for fact in facts(context.records, Trained)]
        wanted = call.arguments.get("training")
        if not done:
            return Verdict(passed=False, reason="no training has ended well yet; call train first")
        if wanted and wanted not in done:
            known = ", ".join(done)
            return Verdict(passed=False, reason=f"no training {wanted!r} ended well; those that did are {known}")
        return Verdict(passed=True, reason=f"training {wanted or done[-1]} ended well")
