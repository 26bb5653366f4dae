"""The next step of a recipe, decided from the trail: contract, data, network, training, evaluation, publication."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

from ml_intern.llm.recipes import design as designs
from ml_intern.llm.recipes.schema import Schema, read_classes, read_rows, read_schema
from ml_intern.llm.recipes.sentence import Order, Phrase, read_sentence
from ml_intern.llm.recipes.trail import Trail

_NEEDED = {
    "contract", "departure", "inspect_dataset", "prepare_dataset", "write_file", "check_network", "train", "evaluate",
}  # fmt: skip

_CANNOT = (
    "The built-in recipes know two kinds of task: train a Vision Transformer on a data set of images, or a multilayer "
    "perceptron on a data set of numbers (digits, iris, wine, breast cancer, diabetes, a file, or org/name on the "
    "Hub). {why} For anything else a language model is needed: --model openai:gpt-4o, or see `ml-intern doctor`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Stop calling tools, with these words."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Call a tool; `text` says why."""

    text: str
    tool: str
    arguments: Mapping[str, object]


def decide(trail: Trail, tools: Set[str], *, is_teaching: bool) -> Say | Act:
    """Take the first step that is not done; stop where a step failed in a way the recipe has no answer to."""
    order = read_sentence(trail.task)
    if missing := sorted(_NEEDED - tools):
        return Say(text=_CANNOT.format(why=f"These tools are missing here: {', '.join(missing)}."))
    if order.dataset is None:
        return Say(text=_CANNOT.format(why="No data set was recognised in the task."))
    if trail.succeeded("contract") is None:
        return _once(trail, _contract(order))
    inspected = trail.succeeded("inspect_dataset")
    if inspected is None:
        text = "First a look at the data, before anything is designed."
        return _once(trail, Act(text=text, tool="inspect_dataset", arguments={"dataset": order.dataset.value}))
    schema = read_schema(inspected.text)
    if schema is None:
        return Say(text=_CANNOT.format(why=f"The data do not fit either: {inspected.text[-300:]}"))
    return _with_schema(trail, order, schema, is_teaching=is_teaching and schema.image is not None)


def _with_schema(trail: Trail, order: Order, schema: Schema, *, is_teaching: bool) -> Say | Act:
    said = {str(step.arguments.get("point")) for step in trail.steps if step.tool == "departure" and step.ok}
    for made in designs.deviations(order, schema):
        if made.point not in said:
            arguments = {"point": made.point, "decision": made.decision, "reason": made.reason}
            return _once(
                trail, Act(text=f"{made.reason[:1].upper()}{made.reason[1:]}.", tool="departure", arguments=arguments)
            )
    prepared = trail.succeeded("prepare_dataset")
    if prepared is None:
        text = "The runtime splits the data and keeps the final part."
        return _once(
            trail,
            Act(text=text, tool="prepare_dataset", arguments={"dataset": str(order.dataset and order.dataset.value)}),
        )
    plan = designs.design(order, schema, read_classes(prepared.text))
    plan = replace(plan, script=plan.script.replace("TARGET_COLUMN", schema.target))
    step = _build(trail, plan, is_teaching=is_teaching)
    return step or _finish(trail, order, plan, read_rows(prepared.text))


def _build(trail: Trail, plan: designs.Design, *, is_teaching: bool) -> Say | Act | None:
    """Write the network, prove it, and write the script; None when all of it is done."""
    if trail.succeeded("check_network") is None:
        return _network(trail, plan, is_teaching=is_teaching)
    written = [step for step in trail.steps if step.tool == "write_file" and step.arguments.get("path") == "train.py"]
    if not any(step.ok for step in written):
        arguments = {"path": "train.py", "content": plan.script}
        return _once(
            trail, Act(text="The wiring is proven. Now the training script.", tool="write_file", arguments=arguments)
        )
    return None


def _network(trail: Trail, plan: designs.Design, *, is_teaching: bool) -> Say | Act:
    written = trail.last("write_file")
    checked = trail.last("check_network")
    if written is None:
        draft = designs.flawed(plan) if is_teaching else plan.network
        arguments = {"path": "network.py", "content": draft}
        text = f"A {plan.title} of its own file, with its preprocessing."
        return Act(text=text, tool="write_file", arguments=arguments)
    if checked is None or checked is not trail.steps[-1]:
        text = "No training before a dummy forward pass of exactly this source."
        return _once(trail, Act(text=text, tool="check_network", arguments=_claim(plan)))
    if written.arguments.get("content") != plan.network and (sizes := _mismatch(checked.text)):
        text = (
            f"The forward pass failed: {sizes[0]} tokens meet {sizes[1]} positions. The class token has no position; "
            "there must be one more position than patches."
        )
        return Act(text=text, tool="write_file", arguments={"path": "network.py", "content": plan.network})
    return Say(text=f"The network did not pass and the recipe has no remedy: {checked.text}")


def _claim(plan: designs.Design) -> dict[str, object]:
    return {
        "file": "network.py",
        "class_name": plan.class_name,
        "arguments": dict(plan.arguments),
        "inputs": [{"shape": list(plan.shape)}],
        "output_shape": [plan.outputs],
    }


def _mismatch(text: str) -> tuple[str, str] | None:
    """Read the two sizes of a failed addition from the explanation."""
    found = re.search(r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)", text)
    return (found[1], found[2]) if found else None


def _finish(trail: Trail, order: Order, plan: designs.Design, rows: int) -> Say | Act:
    if trail.succeeded("train") is None:
        return _train(trail, plan, rows)
    if (scored := trail.succeeded("evaluate")) is None:
        text = "Training ended well. Now the evaluation that counts, on rows that the training never saw."
        return _once(trail, Act(text=text, tool="evaluate", arguments={}))
    published = trail.succeeded("publish")
    if order.publishes and published is None:
        return _once(trail, Act(text="Evaluated; now publish it.", tool="publish", arguments=_publication(order, plan)))
    closing = f"\n{published.text.split(' Every file')[0]}" if published else ""
    return Say(text=f"Done: {plan.title}, evaluated by the runtime.\n{scored.text}{closing}")


def _train(trail: Trail, plan: designs.Design, rows: int) -> Say | Act:
    """Train; after a divergence once more at a tenth of the learning rate."""
    failed = trail.last("train")
    rate = plan.learning_rate
    if failed is not None:
        diverged = any(word in failed.text for word in ("diverged", "not finite", "spike"))
        if trail.failures("train") > 1 or not diverged:
            return Say(text=f"The training failed and the recipe has no remedy: {failed.text}")
        rate /= 10
    settings = {
        "network": dict(plan.arguments),
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "learning_rate": rate,
        "weight_decay": plan.weight_decay,
        "optimizer": "AdamW",
        "schedule": "linear warm-up over a tenth of the steps, then cosine",
        "steps": designs.steps(plan, rows),
        "held_out_rows": designs.held_out(rows),
        "seed": 0,
    }
    text = (
        f"Train for {plan.epochs} epochs." if failed is None else "It diverged: again at a tenth of the learning rate."
    )
    return Act(
        text=text, tool="train", arguments={"script": "train.py", "network": "network.py", "hyperparameters": settings}
    )


def _contract(order: Order) -> Act:
    fixed = {
        "epochs": order.epochs,
        "patch size": order.patch,
        "network": order.network,
        "data set": order.dataset,
        "from scratch": order.from_scratch,
    }
    deliverables = [
        "verified_network",
        "trained_model",
        "evaluation",
        *(["published_model"] if order.publishes else []),
    ]
    arguments: dict[str, object] = {
        "objective": "Train the network that the task describes and measure it on rows it never saw.",
        "deliverables": deliverables,
        "constraints": [_constraint(name, phrase) for name, phrase in fixed.items() if phrase],
        "dataset": order.dataset.value if order.dataset else "",
        "plan": ["inspect the data", "prepare it", "write the network", "dummy forward pass", "train", "evaluate"],
    }
    return Act(
        text="First the contract: what the sentence fixes, in its own words.", tool="contract", arguments=arguments
    )


def _constraint(name: str, phrase: Phrase) -> dict[str, str]:
    return {"name": name, "value": phrase.value, "words": phrase.words}


def _publication(order: Order, plan: designs.Design) -> dict[str, object]:
    data = order.dataset.value if order.dataset else "data"
    name = f"{plan.class_name}-{data.rsplit('/', 1)[-1].split('.')[0]}".lower()
    return {
        "repository": order.repository or re.sub(r"[^a-z0-9-]+", "-", name),
        "title": f"{plan.title} for {data}",
        "summary": f"A {plan.title} trained on {data} by the built-in recipes, without a language model. "
        "Network, split, training and evaluation are described below as they were recorded.",
        "intended_use": "Study and comparison. It predicts the target of rows like those of the data set it was "
        "trained on.",
        "limitations": "One training with one seed and hyperparameters that were not tuned. It was tested on rows of "
        "the same data set only.",
    }


def _once(trail: Trail, step: Act) -> Say | Act:
    """Take a step, but not again after it was refused or failed."""
    last = trail.steps[-1] if trail.steps else None
    if last is not None and last.tool == step.tool and not last.ok:
        return Say(text=f"`{step.tool}` failed and the recipe has no remedy: {last.text}")
    return step
