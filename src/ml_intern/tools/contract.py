"""The contract of a task: the sentence turned into what will be judged, and departures from it (design §5)."""

from __future__ import annotations

import re

from ml_intern.core.contract import fixed_by
from ml_intern.core.errors import ToolError
from ml_intern.core.facts import Constraint, ContractAgreed, Deliverable, Departed
from ml_intern.core.folds import facts, started
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.core.protocols import ToolContext
from ml_intern.tools._define import Toolset, tool

_FIGURE = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")
_NUMBER = re.compile(r"[\d.,]+(?:e-?\d+)?(?:\s?[x\u00d7]\s?[\d.,]+)*", re.IGNORECASE)
_SPELLED = {
    word: number
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
} | {"a": 1, "an": 1, "single": 1, "twenty": 20, "thirty": 30, "fifty": 50, "hundred": 100}


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
        if mistaken := [c.value for c in fixed if not _says(c.words, c.value)]:
            raise ToolError(f"The quoted words do not say these values: {mistaken}. Quote the words that do.")
        agreed = ContractAgreed(
            objective=objective,
            deliverables=tuple(dict.fromkeys(deliverables)),
            constraints=fixed,
            dataset=dataset or None,
            metric=metric or None,
            plan=tuple(plan or []),
        )
        held = "; ".join(f'{c.name} {c.value} ("{c.words}")' for c in fixed) or "nothing more"
        text = f"Agreed. You owe: {', '.join(agreed.deliverables)}. Fixed by the sentence: {held}."
        return Observation(text=text, facts=(agreed,))

    @tool(recovery="repeat")
    def departure(self, point: str, decision: str, reason: str) -> Observation:
        """Record a decision that differs from the task or settles what it left open; it appears on the model card.

        Example: point "sequence length", decision "128", reason "512 does not fit into the memory of this machine".
        """
        made = Departed(point=point, decision=decision, reason=reason)
        return Observation(text=f"Recorded: {point} → {decision}.", facts=(made,))


def fixed_point(call: ToolCall, context: ToolContext) -> str:
    """Say why a departure needs a person's yes: the sentence fixed the point. Empty for any other call."""
    if call.name != "departure":
        return ""
    fixed = fixed_by(context.records, str(call.arguments.get("point", "")))
    return f"this departs from what the sentence fixed: {fixed.name} {fixed.value} ({fixed.words!r})" if fixed else ""


def _says(words: str, value: str) -> bool:
    """Whether `words` hold the number that `value` is; what is no mere number is left to the person to judge."""
    if not _NUMBER.fullmatch(value.strip()):
        return True
    spelled = " ".join(str(_SPELLED.get(word, word)) for word in re.split(r"[\s-]+", words.lower()))
    said = {float(number) for number in _FIGURE.findall(spelled.replace(",", ""))}
    return {float(number) for number in _FIGURE.findall(value.lower().replace(",", ""))} <= said


def _squeeze(text: str) -> str:
    return " ".join(text.lower().split())
