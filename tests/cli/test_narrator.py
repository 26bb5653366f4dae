"""A run told as lines: golden stories, one for each thing a person must see."""

from io import StringIO

from ml_intern.cli.narrator import OUTPUT_LINES, Narrator, narrate
from ml_intern.cli.plain import PlainPrinter
from ml_intern.cli.shown import Line, Progress, ProgressEnded
from ml_intern.core.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    GateDecided,
    ModelAsked,
    ModelReplied,
    Nudged,
    Record,
    RunFinished,
    RunReopened,
    RunStarted,
    ToolFinished,
    ToolStarted,
)
from ml_intern.core.facts import (
    Constraint,
    ContractAgreed,
    DatasetPrepared,
    Departed,
    Evaluated,
    Fact,
    NetworkVerified,
    Noted,
    Published,
    Score,
    Trained,
)
from ml_intern.core.live import Live, Metric, ModelText, ToolOutput
from ml_intern.core.messages import Observation, Reply, ToolCall, Usage

CONTRACT = ContractAgreed(
    objective="Train a small ViT on digits",
    deliverables=("trained_model", "published_model"),
    constraints=(Constraint(name="epochs", value="3", words="for 3 epochs"),),
    dataset="digits",
    metric="accuracy",
    plan=("read the data", "write the network"),
)
DATA = DatasetPrepared(
    dataset="digits",
    revision="0123456789abcdef",
    digest="d",
    task="classification",
    inputs=(),
    target="label",
    classes=("0", "1"),
    rows={"search": 1200, "final": 360},
    seed=0,
)
VERIFIED = NetworkVerified(
    file="vit.py",
    class_name="ViT",
    arguments="{}",
    source_digest="s",
    input_shapes=("(2, 1, 8, 8)",),
    output_shape="(2, 10)",
    parameters=21514,
)
TRAINED = Trained(
    call_id="c3",
    source_digest="s",
    script_digest="t",
    weights_digest="w",
    dataset_digest="d",
    hyperparameters={},
    reported={},
    steps=90,
    optimizer="AdamW",
    last_loss=0.1234567,
    seconds=4.25,
    device="cpu",
)
EVALUATED = Evaluated(
    call_id="c4",
    train_call_id="c3",
    bundle_digest="b",
    weights_digest="w",
    dataset_digest="d",
    split="final",
    rows=360,
    scores=(Score(metric="accuracy", value=0.9527, low=0.93, high=0.972, baseline=0.1, higher_is_better=True),),
    environment={},
)
PUBLISHED = Published(
    repository="me/vit-digits",
    revision="fedcba9876543210",
    url="https://example.org/me/vit-digits",
    location="hub",
    bundle_digest="b",
)


def story(*items: Event | Live) -> str:
    """Tell `items` and print them plainly."""
    text = StringIO()
    printer = PlainPrinter(text)
    lives = (ModelText, ToolOutput, Metric)
    numbered = [i if isinstance(i, lives) else Record(seq=n, at=float(n), event=i) for n, i in enumerate(items)]
    for shown in narrate(numbered):
        printer.show(shown)
    printer.close()
    return text.getvalue()


def call(name: str, **arguments: object) -> ToolCall:
    """A call with a fixed id."""
    return ToolCall(id="c1", name=name, arguments=arguments)


def replied(text: str, *calls: ToolCall, usage: Usage = Usage()) -> ModelReplied:  # noqa: B008 - frozen
    """A reply of the model."""
    return ModelReplied(key="0", reply=Reply(text=text, calls=calls, usage=usage))


def finished(made: ToolCall, text: str = "", *, ok: bool = True, facts: tuple[Fact, ...] = ()) -> ToolFinished:
    """The end of a call."""
    return ToolFinished(call=made, observation=Observation(text=text, ok=ok, facts=facts))


def test_a_whole_run_reads_as_a_story() -> None:
    train = call("train", script="train.py", hyperparameters={"epochs": 3})

    told = story(
        RunStarted(
            task="Train a ViT for 3 epochs.", system="", model="built-in recipes, no language model", version="1"
        ),
        ModelAsked(key="0", reserved=Usage()),
        ModelText(text="I agree the "),
        ModelText(text="contract first."),
        replied("I agree the contract first.", call("contract", objective="Train")),
        ToolStarted(call=call("contract", objective="Train")),
        finished(call("contract", objective="Train"), "Agreed.", facts=(CONTRACT,)),
        ModelAsked(key="0", reserved=Usage()),
        replied(
            "Now I train.", ToolCall(id="c3", name="train", arguments=train.arguments), usage=Usage(input_tokens=9)
        ),
        GateDecided(call_id="c3", gate="dummy_forward", passed=True, reason="forward pass of vit.py is proven"),
        ToolStarted(call=ToolCall(id="c3", name="train", arguments=train.arguments)),
        ToolOutput(call_id="c3", text="epoch 1\nepo"),
        Metric(call_id="c3", step=1, values={"learning_rate": 0.001, "loss": 2.302585}, total=90),
        ToolOutput(call_id="c3", text="ch 2\n"),
        Metric(call_id="c3", step=45, values={"loss": 0.5, "learning_rate": 0.001}, total=90),
        Metric(call_id="c3", step=46, values={"loss": 0.5, "learning_rate": 0.001}, total=90),
        finished(ToolCall(id="c3", name="train"), "", facts=(TRAINED, EVALUATED, PUBLISHED)),
        ModelAsked(key="1", reserved=Usage()),
        replied("All done."),
        RunFinished(outcome="done", text="All done."),
    )

    assert told == (
        "Train a ViT for 3 epochs.\n"
        "brain: built-in recipes, no language model\n"
        "I agree the contract first.\n"
        "> contract(objective='Train')\n"
        "  contract: Train a small ViT on digits\n"
        "    data set: digits\n"
        "    metric: accuracy\n"
        '    fixed: epochs = 3 ("for 3 epochs")\n'
        "    to deliver: trained model, published model\n"
        "    1. read the data\n"
        "    2. write the network\n"
        "Now I train.\n"
        "> train(script='train.py', hyperparameters={\"epochs\": 3})\n"
        "  gate dummy_forward passed: forward pass of vit.py is proven\n"
        "  | epoch 1\n"
        "  step 1 of 90  loss 2.303  learning_rate 0.001\n"
        "  | epoch 2\n"
        "  step 45 of 90  loss 0.5  learning_rate 0.001\n"
        "  trained: 90 steps with AdamW on cpu in 4.2 s, last loss 0.1235\n"
        "  evaluated on 360 hidden rows: accuracy 0.9527 (95 % 0.93 to 0.972; baseline 0.1)\n"
        "  published: https://example.org/me/vit-digits (revision fedcba987654)\n"
        "All done.\n"
        "\n"
        "done: the contract is met\n"
        "  score: accuracy 0.9527 (95 % 0.93 to 0.972; baseline 0.1)\n"
        "  model: https://example.org/me/vit-digits\n"
        "  cost: 3 model requests, 0 tokens, $0.00\n"
    )


def test_a_refusal_by_a_gate_is_told_once_with_its_call_before_it() -> None:
    train = call("train", script="train.py")

    told = story(
        replied("", train),
        GateDecided(call_id="c1", gate="dummy_forward", passed=False, reason="vit.py has no forward pass"),
        finished(train, "Refused by the gate 'dummy_forward': vit.py has no forward pass", ok=False),
    )

    assert told == ("> train(script='train.py')\n  gate dummy_forward refused: vit.py has no forward pass\n")


def test_a_failure_shows_its_first_lines_and_how_many_are_left() -> None:
    told = story(finished(call("run_python", code="1/0"), "\n".join(f"line {n}" for n in range(20)), ok=False))

    assert told.splitlines()[:2] == ["> run_python(code='1/0')", "  failed: line 0"]
    assert told.splitlines()[-1] == "    … 12 more lines"


def test_output_is_bounded_and_a_progress_bar_of_the_script_is_one_line() -> None:
    run = call("run_python")

    told = story(
        ToolStarted(call=run),
        ToolOutput(call_id="c1", text="10%\r50%\r100%\n"),
        ToolOutput(call_id="c1", text="".join(f"{n}\n" for n in range(OUTPUT_LINES + 10))),
        finished(run, "the same again"),
    )

    assert told.splitlines() == [
        "> run_python()",
        "  | 100%",
        *(f"  | {n}" for n in range(OUTPUT_LINES - 1)),
        "  | … 11 more lines",
        "  ok",
    ]


def test_of_an_endless_line_only_its_end_is_kept() -> None:
    narrator = Narrator()
    for piece in ("old " * 2_500, "new " * 2_500):
        assert list(narrator.tell(ToolOutput(call_id="c1", text=piece))) == []

    shown = [s for s in narrator.tell(Record(seq=0, at=0.0, event=finished(call("f")))) if isinstance(s, Line)]

    assert max(len(line.text) for line in shown) < 220
    assert not any("old" in line.text for line in shown)


def test_a_long_argument_is_cut_and_its_size_told() -> None:
    told = story(ToolStarted(call=call("write_file", path="vit.py", text="import torch\n" * 100)))

    assert told == (
        "> write_file(path='vit.py', text='import torch import torch import torch import t…' (1,300 characters))\n"
    )


def test_arguments_that_were_no_json_are_shown_as_they_came() -> None:
    assert story(finished(ToolCall(id="c1", name="train", malformed='{"a": '), "not JSON", ok=False)) == (
        '> train({"a":)\n  failed: not JSON\n'
    )


def test_text_that_was_not_streamed_is_told_from_the_reply() -> None:
    assert story(ModelAsked(key="0", reserved=Usage()), replied("first\nsecond")) == "first\nsecond\n"


def test_questions_answers_nudges_and_reopenings_are_told() -> None:
    publish = call("publish", repository="me/vit")

    told = story(
        replied("", publish),
        ApprovalAsked(call_id="c1", reason="publish (publish) needs a person's approval"),
        ApprovalAnswered(call_id="c1", approved=False, comment="wrong name"),
        Nudged(reason="incomplete", text="The task is not done. No evaluation yet."),
        RunReopened(reason="The run had stopped (budget). Go on with the task."),
    )

    assert told == (
        "> publish(repository='me/vit')\n"
        "  needs your approval: publish (publish) needs a person's approval\n"
        "  denied by a person: wrong name\n"
        "runtime objects (incomplete): The task is not done. No evaluation yet.\n"
        "goes on: The run had stopped (budget). Go on with the task.\n"
    )


def test_every_fact_has_its_sentence() -> None:
    facts = (
        DATA,
        VERIFIED,
        Departed(point="patch", decision="2x2", reason="small images"),
        Noted(name="n", values={"a": "b"}),
    )

    assert story(finished(call("f"), facts=facts)).splitlines()[1:] == [
        "  data: digits at 0123456789ab, classification of label; rows: search 1,200, final 360",
        "  forward pass proven: ViT, 21,514 parameters, (2, 1, 8, 8) → (2, 10)",
        "  decided: patch: 2x2 (small images)",
        "  noted n: a b",
    ]


def test_the_end_says_why_when_the_model_did_not() -> None:
    told = story(replied("Hm."), RunFinished(outcome="budget", text="Stopped: the next request could pass $1.00."))

    assert told.splitlines()[1:] == [
        "",
        "stopped: the budget is spent",
        "  cost: 1 model request, 0 tokens, $0.00",
        "  Stopped: the next request could pass $1.00.",
    ]


def test_a_resumed_run_knows_the_facts_from_before() -> None:
    history = [Record(seq=0, at=0.0, event=finished(call("f"), facts=(EVALUATED,)))]

    shown = list(Narrator(history).tell(Record(seq=1, at=1.0, event=RunFinished(outcome="done", text=""))))

    assert Line(text="  score: accuracy 0.9527 (95 % 0.93 to 0.972; baseline 0.1)", style="good") in shown


def test_a_training_gives_progress_and_its_end() -> None:
    run = call("train")

    shown = narrate(
        [Metric(call_id="c1", step=3, values={"loss": 1.0}), Record(seq=0, at=0.0, event=finished(run, "weights kept"))]
    )

    assert shown == [
        Progress(step=3, total=None, values={"loss": 1.0}),
        Line(text="> train()", style="call"),
        ProgressEnded(),
        Line(text="  weights kept", style="note"),
    ]
