"""The built-in recipes: a deterministic policy behind the same protocol as a language model, and honest about it."""

from ml_intern.llm.recipes.model import RecipeModel

__all__ = ["RecipeModel", "built_in_recipes", "teaching_recipes"]


def built_in_recipes() -> RecipeModel:
    """Make the brain that needs no key, no network and no weights."""
    return RecipeModel()


def teaching_recipes() -> RecipeModel:
    """Make the same brain, whose first draft of a network has a shape mismatch on purpose."""
    return RecipeModel(is_teaching=True)
