"""Choose a network and its sizes for a schema, and say what differs from the sentence or the paper."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from ml_intern.llm.recipes.schema import ImageSchema, Schema
from ml_intern.llm.recipes.sentence import Order

PAPER_PATCH = 16
"""Patch size of the Vision Transformer's paper, for images of 224 x 224 (arXiv 2010.11929 §3.1)."""

FEWEST_PATCHES = 16
"""With fewer, attention has hardly anything to attend to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A decision to put on record."""

    point: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A network as files and arguments; `shape` is one input's without the batch."""

    title: str
    class_name: str
    network: str
    arguments: Mapping[str, object]
    shape: tuple[int, ...]
    outputs: int
    script: str
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float


def deviations(order: Order, schema: Schema) -> list[Deviation]:
    """Say what is decided before anything is written."""
    if schema.image is None:
        wanted = [order.network] if order.network else []
        return [
            Deviation(
                point="network",
                decision="a multilayer perceptron",
                reason=f"the sentence asks for a {n.value}, but a row is {len(schema.columns)} numbers and no image",
            )
            for n in wanted
        ]
    size = f"{schema.image.width}x{schema.image.height}"
    patch = patch_size(schema.image, order)
    wanted_patch = int(order.patch.value) if order.patch else PAPER_PATCH
    source = "the sentence" if order.patch else "the paper"
    made = [
        Deviation(
            point="patch size",
            decision=f"{patch}x{patch}",
            reason=f"{wanted_patch}x{wanted_patch} patches, as {source} has them, make no sense for {size} images: "
            f"they would leave {_patches(schema.image, wanted_patch)} whole patches; "
            f"{patch}x{patch} gives {_patches(schema.image, patch)}",
        )
    ]
    sizes = Deviation(
        point="size of the network",
        decision="2 blocks, width 96, 4 heads, feed-forward width 192",
        reason="scaled down from ViT-Base (12 blocks, width 768, 12 heads) to train in minutes on a processor",
    )
    return [*(made if patch != wanted_patch else []), sizes]


def patch_size(image: ImageSchema, order: Order) -> int:
    """Take the wanted patch size if it fits, else the largest power of two that leaves at least 16 patches."""
    wanted = int(order.patch.value) if order.patch else PAPER_PATCH
    candidates = [wanted, *(2**n for n in range(4, -1, -1))]
    fitting = [p for p in candidates if p and image.width % p == 0 and image.height % p == 0]
    return next((p for p in fitting if _patches(image, p) >= FEWEST_PATCHES), 1)


def design(order: Order, schema: Schema, classes: int) -> Design:
    """Make the files and arguments; the order decides epochs and, where it fits, the patch size."""
    return _transformer(order, schema.image, classes) if schema.image else _perceptron(order, schema, classes)


def held_out(rows: int) -> int:
    """Give how many of the rows to train on are kept for watching: the runtime shows no other labels."""
    return max(2, rows // 20)


def steps(plan: Design, rows: int) -> int:
    """Count optimizer steps; a last batch of one row is left out."""
    whole, rest = divmod(rows - held_out(rows), plan.batch_size)
    return plan.epochs * (whole + (rest > 1))


def flawed(plan: Design) -> str:
    """Give the network with a mistake that many make: positions for the patches, none for the class token."""
    return plan.network.replace("patches + 1, dim", "patches, dim")


def _transformer(order: Order, image: ImageSchema, classes: int) -> Design:
    arguments = {
        "height": image.height,
        "width": image.width,
        "channels": image.channels,
        "patch": patch_size(image, order),
        "classes": classes,
        "dim": 96,
        "depth": 2,
        "heads": 4,
        "mlp_dim": 192,
    }
    return Design(
        title="Vision Transformer",
        class_name="VisionTransformer",
        network=_template("vision_transformer"),
        arguments=arguments,
        shape=(image.channels, image.height, image.width),
        outputs=classes,
        script=_script("VisionTransformer", "network.channels", is_classifier=True),
        epochs=int(order.epochs.value) if order.epochs else 10,
        batch_size=4,
        learning_rate=0.001,
        weight_decay=0.05,
    )


def _perceptron(order: Order, schema: Schema, classes: int) -> Design:
    return Design(
        title="Multilayer perceptron",
        class_name="Perceptron",
        network=_template("perceptron"),
        arguments={
            "columns": list(schema.columns),
            "outputs": classes or 1,
            "width": 64,
            "depth": 2,
            "is_classifier": schema.is_classification,
        },
        shape=(len(schema.columns),),
        outputs=classes or 1,
        script=_script("Perceptron", "network.columns", is_classifier=schema.is_classification),
        epochs=int(order.epochs.value) if order.epochs else 50,
        batch_size=16,
        learning_rate=0.005,
        weight_decay=0.01,
    )


def _script(class_name: str, argument: str, *, is_classifier: bool) -> str:
    text = _template("train").replace("NETWORK", class_name).replace("PREPROCESS_ARGUMENT", argument)
    return text.replace("IS_CLASSIFIER", str(is_classifier))


def _template(name: str) -> str:
    return (files("ml_intern.llm.recipes") / "templates" / f"{name}.py.txt").read_text("utf-8")


def _patches(image: ImageSchema, size: int) -> int:
    return math.floor(image.width / size) * math.floor(image.height / size)
