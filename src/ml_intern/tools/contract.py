"""The contract of a task: the sentence turned into what will be judged, and departures from it (design §5)."""

from __future__ import annotations

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import Constraint, ContractAgreed, Deliverable, Departed
from ml_intern.core.folds import facts, started
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.tools._define import Toolset, tool


class ContractTools(Toolset):
    """Agree a contract once, then say each departure from it."""

    @tool(recovery="repeat")
    def contract(
        self,
        context: ToolContext,
        objective: str,
        deliverables: list[Deliverable],
        constraints: list[Constraint] | None = None,
        dataset: str = "",
        metric: str = "",
        plan: list[str] | None = None,
    ) -> Observation:
        """Fix what the task asks for; call it first and once (again only if it was refused).

        `deliverables` are what the run owes; you cannot finish without them. A constraint is a point that the
        sentence fixes, with its exact `words` from the sentence, e.g. {"name": "epochs", "value": "3", "words":
        "for 3 epochs"}, or {"name": "from scratch", "value": "yes", "words": "from scratch"}. `dataset`: only if the
        task names one. `plan`: your steps. Later deviations go through `departure`.
        """
        if facts(context.records, ContractAgreed):
            raise ToolError("The contract is agreed and frozen. Report a deviation with `departure`.")
        fixed = tuple(constraints or ())
        opened = started(context.records)
        sentence = _squeeze(opened.task if opened else "")
        if invented := [c.words for c in fixed if _squeeze(c.words) not in sentence]:
            raise ToolError(f"These words are not in the task: {invented}. Quote it exactly, or drop the constraint.")
        if not deliverables:
            raise ToolError("A contract needs at least one deliverable; for a mere question it is 'answer'.")
        agreed = ContractAgreed(
            objective=objective,
            deliverables=tuple(dict.fromkeys(deliverables)),
            constraints=fixed,
            dataset=dataset or None,
            metric=metric or None,
            plan=tuple(plan or []),
        )
        return Observation(text=f"Agreed. You owe: {', '.join(agreed.deliverables)}.", facts=(agreed,))

    @tool(recovery="repeat")
    def departure(self, point: str, decision: str, reason: str) -> Observation:
        """Record a decision that differs from the task or settles what it left open; it appears on the model card.

        Example: point "sequence length", decision "128", reason "512 does not fit into the memory of this machine".
        """
        made = Departed(point=point, decision=decision, reason=reason)
        return Observation(text=f"Recorded: {point} → {decision}.", facts=(made,))


def _squeeze(text: str) -> str:
    return " ".join(text.lower().split())
