"""Models and tools that the tests of the command name by import path, as `cli.scripts:NAME`."""

from __future__ import annotations

import os
import resource
import signal

from ml_intern.core.errors import SandboxError, ToolError
from ml_intern.core.live import Metric, ToolOutput
from ml_intern.core.messages import Reply, ToolCall, Usage
from ml_intern.core.protocols import ToolContext
from ml_intern.llm.scripted import ScriptedModel
from ml_intern.tools import tool

CONTRACT = Reply(
    text="First the contract.",
    calls=(
        ToolCall(
            id="contract-1",
            name="contract",
            arguments={"objective": "Answer the question", "deliverables": ["answer"], "plan": ["think"]},
        ),
    ),
)
DONE = Reply(text="The answer is 42.")


def _calling(name: str, *, number: int = 1, **arguments: object) -> Reply:
    return Reply(text="", calls=(ToolCall(id=f"{name}-{number}", name=name, arguments=arguments),))


def _contracted(*replies: Reply) -> ScriptedModel:
    return ScriptedModel([CONTRACT, *replies, DONE])


def answers() -> ScriptedModel:
    """Does what it should."""
    return _contracted()


def reads_from_hosts() -> ScriptedModel:
    """Reads from the host of its setting, writes to it, and reads from another."""
    get = "import urllib.request\nurllib.request.urlopen"
    place = f"http://{os.environ['UPSTREAM']}"
    return _contracted(
        _calling("run_python", number=1, code=f"{get}('{place}/data').read()"),
        _calling("run_python", number=2, code=f"{get}('{place}/', data=b'out')"),
        _calling("run_python", number=3, code=f"{get}('https://example.com/')"),
    )


def stops_early() -> ScriptedModel:
    """Says that it is done, whatever it is told."""
    return ScriptedModel([Reply(text="Done, trust me.")] * 10)


def falls_silent() -> ScriptedModel:
    """Fails at its second turn."""
    return ScriptedModel([CONTRACT])


def costs_a_dollar() -> ScriptedModel:
    """Each turn costs a dollar."""
    return ScriptedModel([Reply(text="", calls=CONTRACT.calls, usage=Usage(input_tokens=5, usd=1.0)), DONE])


def repeats_itself() -> ScriptedModel:
    """Makes the same call for ever."""
    return ScriptedModel([CONTRACT, *(_calling("echo", number=n, text="again") for n in range(20))])


def prints() -> ScriptedModel:
    """Calls a tool that prints hostile text and trains a little."""
    return _contracted(_calling("hostile"))


def touches_a_file() -> ScriptedModel:
    """Calls a tool with the effect `execute`."""
    return _contracted(_calling("touch", text="line 1\nline \x1b[31m2"))


def is_interrupted() -> ScriptedModel:
    """Calls a tool during which Ctrl-C is pressed."""
    return _contracted(_calling("interrupt"))


def is_interrupted_twice() -> ScriptedModel:
    """Calls a tool during which Ctrl-C is pressed twice."""
    return _contracted(_calling("interrupt_twice"))


def is_terminated() -> ScriptedModel:
    """Calls a tool during which SIGTERM arrives."""
    return _contracted(_calling("terminate"))


def meets_a_fault() -> ScriptedModel:
    """Calls a tool with a bug."""
    return _contracted(_calling("fault"))


def breaks_a_pipe() -> ScriptedModel:
    """Calls a tool whose own pipe breaks."""
    return _contracted(_calling("broken_pipe"))


def is_no_model() -> ScriptedModel:
    """Fail with an error that nobody should see here."""
    raise ToolError("only a model can act on this")


def loses_its_sandbox() -> ScriptedModel:
    """Calls a tool whose sandbox is gone."""
    return _contracted(_calling("no_sandbox"))


def fills_the_disk() -> ScriptedModel:
    """Calls a tool after which nothing can be written."""
    return _contracted(_calling("fill"))


def echo(text: str) -> str:
    """Give the text back."""
    return text


def hostile(context: ToolContext) -> str:
    """Print what a hostile script would."""
    context.live(ToolOutput(call_id=context.call_id, text="\x1b]0;owned\x07harm\u202eless\n"))
    for step in range(1, 21):
        context.live(Metric(call_id=context.call_id, step=step, values={"loss": 2.0 / step}, total=20))
    context.live(Metric(call_id=context.call_id, step=21, values={"loss": float("nan")}))
    return "ended"


@tool(effect="execute")
def touch(context: ToolContext, text: str) -> str:
    """Write a file."""
    (context.paths.workspace / "touched").write_text(text, "utf-8")
    return "touched"


@tool(recovery="repeat")
def interrupt(context: ToolContext) -> str:
    """Be interrupted once, the first time."""
    return _signalled(context, signal.SIGINT)


@tool(recovery="repeat")
def terminate(context: ToolContext) -> str:
    """Be asked to end once, the first time."""
    return _signalled(context, signal.SIGTERM)


def _signalled(context: ToolContext, number: signal.Signals) -> str:
    if not (context.paths.root / "signalled").exists():
        (context.paths.root / "signalled").touch()
        signal.raise_signal(number)
    return f"cancelled: {context.cancelled()}"


@tool(recovery="repeat")
def interrupt_twice(context: ToolContext) -> str:
    """Be interrupted twice, the first time."""
    if not (context.paths.root / "signalled").exists():
        (context.paths.root / "signalled").touch()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    return "went on"


def fault() -> str:
    """Have a bug."""
    raise RuntimeError("a \x1b[31mbug")


def broken_pipe() -> str:
    """Lose a pipe that is not the command's."""
    raise BrokenPipeError("the engine hung up")


def no_sandbox() -> str:
    """Lose the sandbox."""
    raise SandboxError("the engine is gone; start it again")


@tool(recovery="repeat")
def fill(context: ToolContext) -> str:
    """Let every write to a file fail from now on, the first time, as on a full disk."""
    if not (context.paths.root / "filled").exists():
        (context.paths.root / "filled").touch()
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    return "filled"


def writes_files() -> ScriptedModel:
    """Writes a file twice with the executor's tool, which needs no sandbox for it."""
    return _contracted(
        _calling("write_file", number=1, path="notes.txt", content="one\ntwo\n"),
        _calling("write_file", number=2, path="notes.txt", content="one\n\x1b[2J2\n"),
    )
