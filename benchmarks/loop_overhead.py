"""What one iteration of the loop costs beside the language model: a scripted model calls a tool that does nothing.

    python benchmarks/loop_overhead.py [ITERATIONS]

Each iteration writes four durable events (request, reply, intent, result) and folds the whole journal.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from ml_intern import InternAgent
from ml_intern.core.messages import Reply, ToolCall
from ml_intern.llm.scripted import ScriptedModel
from ml_intern.tools import tool


@tool(recovery="repeat")
def nothing(step: int) -> str:
    """Do nothing."""
    return f"nothing {step}"


def replies(iterations: int) -> list[Reply]:
    """Script one call of the tool for each iteration."""
    contract = {"objective": "nothing", "deliverables": ["answer"]}
    first = Reply(text="", calls=(ToolCall(id="c", name="contract", arguments=contract),))
    calls = [ToolCall(id=f"n{step}", name="nothing", arguments={"step": step}) for step in range(iterations)]
    return [first, *(Reply(text="", calls=(call,)) for call in calls), Reply(text="done")]


def main() -> None:
    """Measure and print."""
    iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as home:
        agent = InternAgent(
            ScriptedModel(replies(iterations)), tools=[nothing], max_iterations=iterations + 5, home=Path(home)
        )
        wall, cpu = time.perf_counter(), time.process_time()
        outcome = agent.run_task("Do nothing many times").outcome
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert outcome == "done"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{iterations} iterations: {1e3 * wall / iterations:.1f} ms wall, {1e3 * cpu / iterations:.1f} ms CPU each")
    print(f"peak memory {memory:.0f} MiB")


if __name__ == "__main__":
    main()
