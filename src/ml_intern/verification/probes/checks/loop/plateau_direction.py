"""A schedule that waits for a plateau watches in the direction in which its number gets better.

Source: PyTorch documentation of `ReduceLROnPlateau`: in `min` mode the rate falls when the quantity has stopped
decreasing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.direction import direction_of, higher_is_better
from probes.syntax import Source, argument, assignments, calls, constant, last_name, sources


@check(family="loop", cost="free", needs=("evaluate",))
def plateau_direction(candidate: Candidate) -> Outcome | None:
    """Compare the mode with what the words say of the number that the schedule is given."""
    found = [one for source in sources(candidate) if source.file == candidate.file for one in _watched(source)]
    if not found:
        return not_applicable("no schedule waits for a plateau")
    for call, mode, given in found:
        is_score = isinstance(given, ast.Call) and last_name(given.func) == "evaluate"
        higher = higher_is_better(candidate) if is_score else direction_of(ast.unparse(given))
        if higher is not None and higher != (mode == "max"):
            return failed(
                f"ReduceLROnPlateau(mode={mode!r}) is given {ast.unparse(given)[:60]}, which is better when "
                f"{'higher' if higher else 'lower'}",
                where=candidate.line(call.lineno),
                advice=f'mode="{"max" if higher else "min"}"',
            )
    return None


def _watched(source: Source) -> Iterator[tuple[ast.Call, str, ast.expr]]:
    """Give the making of each such schedule, its mode, and what its `step` is given."""
    for scope in source.scopes():
        bound = assignments(scope)
        known = {name: value for name, value, _ in bound}
        for name, value, _ in bound:
            if isinstance(value, ast.Call) and last_name(value.func) == "ReduceLROnPlateau":
                mode = constant(argument(value, 1, "mode")) or "min"
                for call in calls(scope, "step"):
                    is_its = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == name
                    if is_its and call.args:
                        made = known.get(ast.unparse(call.args[0]))
                        yield value, str(mode), made if isinstance(made, ast.Call) else call.args[0]
