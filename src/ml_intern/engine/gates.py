"""The gate before publishing that the contract sets: what the sentence fixed is kept, or its departure is on record."""

from __future__ import annotations

from ml_intern.core.contract import broken
from ml_intern.core.messages import ToolCall
from ml_intern.core.protocols import ToolContext, Verdict


class ContractKeptGate:
    """Passes when no constraint that code can check is broken without a departure."""

    @property
    def name(self) -> str:
        """The name tools use in `requires`."""
        return "contract_kept"

    def check(self, call: ToolCall, context: ToolContext) -> Verdict:
        """Read the checks of the training the call names, else the newest; nothing is read but the journal."""
        bad = broken(context.records, str(call.arguments.get("training") or ""))
        if not bad:
            return Verdict(passed=True, reason="what the sentence fixed is kept, or its departure is on record")
        said = "; ".join(f"{one.name} {one.value}: {one.detail}" for one in bad)
        return Verdict(
            passed=False, reason=f"the sentence fixed otherwise ({said}); train again, or record a `departure`"
        )
