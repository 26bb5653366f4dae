"""The built-in recipes: what they read in a sentence and a schema, and that they react to what tools return."""

from collections.abc import Sequence
from typing import cast

import pytest

from ml_intern.core.messages import Message, Reply, ToolCall, ToolSpec
from ml_intern.llm.recipes import RecipeModel, built_in_recipes, teaching_recipes
from ml_intern.llm.recipes.design import patch_size
from ml_intern.llm.recipes.schema import ImageSchema, read_schema
from ml_intern.llm.recipes.sentence import read_sentence

DEMO = (
    "Implement a scaled-down Vision Transformer in PyTorch from scratch, train it on the handwritten digits data set "
    "for 3 epochs, evaluate it and publish model and card."
)
TOOLS = [
    ToolSpec(name=name, description="", schema={})
    for name in (
        "contract",
        "departure",
        "inspect_dataset",
        "prepare_dataset",
        "write_file",
        "check_network",
        "train",
        "evaluate",
        "publish",
    )
]
IMAGES = """\
Columns (of the largest split):
- "image" image: 8x8 L PNG (360) of 360 looked at
- "label" label: 10 classes
Proposal: inputs "image"; target "label" (classification)"""
PREPARED = 'search 1295 rows, selection 143 rows\nClasses (10): 0 "0"'
NUMBERS = """\
- "age" number: 0 to 1
- "bmi" number: 0 to 1
- "progression" number: 25 to 346
Proposal: inputs "age", "bmi"; target "progression" (regression)"""


class Conversation:
    """Answers the model's calls with given observations and keeps what was said."""

    def __init__(self, model: RecipeModel, task: str) -> None:
        self.model, self.messages = model, [Message(role="user", text=task)]

    def turn(self) -> Reply:
        return self.model.complete(self.messages, TOOLS, on_text=lambda _: None)

    def answer(self, reply: Reply, text: str, *, ok: bool = True) -> None:
        (call,) = reply.calls
        self.messages.append(Message(role="assistant", text=reply.text, calls=reply.calls))
        self.messages.append(Message(role="tool", text=text, call_id=call.id, tool_name=call.name, ok=ok))

    def until(self, tool: str, answers: dict[str, str]) -> ToolCall:
        for _ in range(20):
            reply = self.turn()
            assert reply.calls, reply.text
            if reply.calls[0].name == tool:
                return reply.calls[0]
            self.answer(reply, answers.get(reply.calls[0].name, "ok"))
        raise AssertionError(f"{tool} was never called")


ANSWERS = {"inspect_dataset": IMAGES, "prepare_dataset": PREPARED}


def test_the_sentence_of_the_demonstration_is_understood() -> None:
    order = read_sentence(DEMO)

    assert order.dataset is not None
    assert (order.dataset.value, order.dataset.words) == ("sklearn/digits", "handwritten digits")
    assert order.epochs is not None
    assert (order.epochs.value, order.epochs.words) == ("3", "for 3 epochs")
    assert order.network is not None
    assert order.from_scratch is not None
    assert order.publishes is not None
    assert (order.patch, order.repository) == (None, None)


@pytest.mark.parametrize(
    ("task", "dataset", "patch", "repository"),
    [
        ("Train on acme/flowers with 4x4 patches and push it to me/flower-vit", "acme/flowers", "4", "me/flower-vit"),
        ("Train a network on ./data/wine.csv", "./data/wine.csv", None, None),
        ("Fit the diabetes data, publish as diabetes-net", "sklearn/diabetes", None, "diabetes-net"),
        ("Push a model of iris to the Hub", "sklearn/iris", None, None),
    ],
)
def test_data_patches_and_repository_are_found(
    task: str, dataset: str, patch: str | None, repository: str | None
) -> None:
    order = read_sentence(task)

    assert order.dataset is not None
    assert order.dataset.value == dataset
    assert (order.patch.value if order.patch else None) == patch
    assert order.repository == repository


@pytest.mark.parametrize(
    "task", ["Train on iris but do not publish", "Train on iris, don't upload it", "Fit iris without ever pushing it"]
)
def test_what_a_sentence_refuses_is_not_published(task: str) -> None:
    assert read_sentence(task).publishes is None


@pytest.mark.parametrize(
    ("task", "dataset", "repository"),
    [
        ("Train a network on wine.csv", "wine.csv", None),
        ("Train on ~/data/x.csv", "~/data/x.csv", None),
        ("Train on https://huggingface.co/datasets/acme/flowers", "acme/flowers", None),
        ("Train a ViT/MLP on iris", "sklearn/iris", None),
        ("Train on iris on CPU and/or GPU", "sklearn/iris", None),
        ("Train on acme/iris with 4x4 patches", "acme/iris", None),
        ("Train on acme/flowers and push to acme/flowers", "acme/flowers", "acme/flowers"),
        ("Train on iris and publish it to my account as foo", "sklearn/iris", "foo"),
        ("Train on iris and publish as soon as it is good", "sklearn/iris", None),
    ],
)
def test_names_that_look_alike_are_told_apart(task: str, dataset: str, repository: str | None) -> None:
    order = read_sentence(task)

    assert order.dataset is not None
    assert (order.dataset.value, order.repository) == (dataset, repository)


@pytest.mark.parametrize(
    ("size", "asked", "expected"),
    [((8, 8), "", 2), ((224, 224), "", 16), ((32, 32), "", 8), ((28, 28), "with 7x7 patches", 7), ((9, 9), "", 1)],
)
def test_the_patch_size_fits_the_images(size: tuple[int, int], asked: str, expected: int) -> None:
    image = ImageSchema(width=size[0], height=size[1], channels=1)

    assert patch_size(image, read_sentence(f"Train on digits {asked}")) == expected


def test_numbers_are_read_as_a_table_and_text_as_no_task_for_a_recipe() -> None:
    schema = read_schema(NUMBERS)

    assert schema is not None
    assert (schema.image, schema.columns, schema.target, schema.is_classification) == (
        None,
        ("age", "bmi"),
        "progression",
        False,
    )
    assert read_schema(NUMBERS.replace('"age" number', '"age" text')) is None
    assert read_schema("nothing of the kind") is None


def test_a_patch_size_that_makes_no_sense_is_departed_from_before_anything_is_written() -> None:
    call = Conversation(built_in_recipes(), DEMO).until("departure", ANSWERS)

    assert call.arguments["point"] == "patch size"
    assert call.arguments["decision"] == "2x2"
    assert "16x16 patches" in str(call.arguments["reason"])


def test_the_taught_mistake_is_mended_from_what_the_check_says() -> None:
    talk = Conversation(teaching_recipes(), DEMO)
    draft = talk.until("write_file", ANSWERS).arguments["content"]
    talk.answer(talk.turn(), "Wrote it.")
    talk.answer(
        talk.turn(),
        "VisionTransformer FAILED: The size of tensor a (17) must match the size of tensor b (16) at dimension 1",
        ok=False,
    )

    mended = talk.turn()

    assert "17 tokens meet 16 positions" in mended.text
    assert mended.calls[0].name == "write_file"
    assert str(draft).replace("patches, dim)", "patches + 1, dim)") == mended.calls[0].arguments["content"]
    talk.answer(mended, "Wrote it.")
    assert talk.turn().calls[0].name == "check_network"


def test_a_failure_without_a_remedy_ends_honestly() -> None:
    talk = Conversation(built_in_recipes(), DEMO)
    talk.until("check_network", ANSWERS)
    talk.answer(talk.turn(), "VisionTransformer FAILED: something new", ok=False)

    assert talk.turn() == Reply(
        text="The network did not pass and the recipe has no remedy: VisionTransformer FAILED: something new",
        model="built-in recipes, no language model",
    )


def test_a_divergence_is_answered_once_with_a_tenth_of_the_learning_rate() -> None:
    talk = Conversation(built_in_recipes(), DEMO)
    first = talk.until("train", ANSWERS)
    talk.answer(talk.turn(), "Training diverged: loss is not finite at step 3.", ok=False)
    second = talk.turn().calls[0]

    rates = [cast("dict[str, float]", call.arguments["hyperparameters"])["learning_rate"] for call in (first, second)]
    assert rates[1] == pytest.approx(rates[0] / 10)
    talk.answer(talk.turn(), "Training diverged again: not finite", ok=False)
    assert talk.turn().calls == ()


@pytest.mark.parametrize("task", ["Write me a poem", "Train something great", "What is attention?"])
def test_a_task_that_no_recipe_fits_is_said_so_with_a_way_out(task: str) -> None:
    reply = built_in_recipes().complete([Message(role="user", text=task)], TOOLS, on_text=lambda _: None)

    assert reply.calls == ()
    assert "--model" in reply.text


def test_the_same_conversation_gets_the_same_answer() -> None:
    def play() -> Sequence[Message]:
        talk = Conversation(built_in_recipes(), DEMO)
        talk.until("publish", ANSWERS)
        return talk.messages

    assert play() == play()
