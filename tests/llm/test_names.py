"""What a person may call a language model."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ml_intern.core.errors import ConfigError
from ml_intern.llm import names
from ml_intern.llm.model_name import ModelName
from ml_intern.llm.names import Found

KEYS: dict[str, str] = dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "HF_TOKEN"), "x")
OPENAI = ModelName(
    provider="openai",
    model="gpt-4o",
    wire="responses",
    base_url="https://api.openai.com/v1",
    key_variable="OPENAI_API_KEY",
)
LOCAL = ModelName(provider="endpoint", model="qwen", wire="chat", base_url="http://127.0.0.1:8000/v1")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("openai:gpt-4o", "openai:gpt-4o"),
        ("gpt-4o", "openai:gpt-4o"),
        ("o3", "openai:o3"),
        ("o4-mini", "openai:o4-mini"),
        ("anthropic:claude-opus-4-8", "anthropic:claude-opus-4-8"),
        (" claude-opus-4-8 ", "anthropic:claude-opus-4-8"),
        ("google:gemini-3.8-flash", "google:gemini-3.8-flash"),
        ("gemini-3.8-flash", "google:gemini-3.8-flash"),
        ("Qwen/Qwen3-32B", "huggingface:Qwen/Qwen3-32B"),
        ("Qwen/Qwen3-32B:together", "huggingface:Qwen/Qwen3-32B:together"),
        ("huggingface:Qwen/Qwen3-32B:groq", "huggingface:Qwen/Qwen3-32B:groq"),
        ("http://127.0.0.1:8000/v1#org/model", "http://127.0.0.1:8000/v1#org/model"),
        ("http://127.0.0.1:8000/v1/#m", "http://127.0.0.1:8000/v1#m"),
        ("rules", "rules"),
    ],
)
def test_a_model_is_known_by_any_of_its_names_and_again_by_its_label(name: str, label: str) -> None:
    parsed = names.parse(name, KEYS)

    assert parsed.label == label
    assert names.parse(parsed.label, KEYS) == parsed


def test_openai_itself_is_asked_through_responses_and_any_other_address_through_chat_completions() -> None:
    local = {"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1/"}

    assert names.parse("gpt-4o", KEYS) == OPENAI
    assert names.parse("openai:qwen", local) == LOCAL


def test_the_key_of_openai_goes_only_to_the_address_that_the_environment_names() -> None:
    away = "https://models.example.org/v1"
    environment = {"OPENAI_API_KEY": "x", "ML_INTERN_ENDPOINT_KEY": "y"}

    assert names.parse(f"{away}#m", environment).key_variable == "ML_INTERN_ENDPOINT_KEY"
    assert names.parse(f"{away}#m", {**environment, "OPENAI_BASE_URL": away}).key_variable == "OPENAI_API_KEY"
    assert names.parse("openai:m", {**environment, "OPENAI_BASE_URL": away}).label == f"{away}#m"


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "127.8.9.1"])
def test_an_endpoint_on_this_machine_needs_no_key(host: str) -> None:
    parsed = names.parse(f"http://{host}/v1#m", {})

    assert parsed.key_variable is None
    assert parsed.is_local


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("gpt-4o", "OPENAI_API_KEY"),
        ("claude-opus-4-8", "ANTHROPIC_API_KEY"),
        ("gemini-3.8-flash", "GEMINI_API_KEY or GOOGLE_API_KEY"),
        ("org/model", "HF_TOKEN or HUGGING_FACE_HUB_TOKEN"),
        ("http://gpu.example.org/v1#m", "ML_INTERN_ENDPOINT_KEY"),
    ],
)
def test_a_missing_key_is_named_together_with_the_way_that_needs_none(name: str, variable: str) -> None:
    with pytest.raises(ConfigError) as error:
        names.parse(name, {"OPENAI_API_KEY": "  "})

    assert str(error.value).startswith(f"{variable} is not set")
    assert "--model rules" in str(error.value)


@pytest.mark.parametrize("name", ["", "llama", "openai:", "huggingface:gpt2", "azure:gpt-4o", "a/b/c"])
def test_an_unknown_name_is_answered_with_the_forms_that_a_name_may_have(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        names.parse(name, KEYS)

    assert str(error.value).startswith(f"no model is called {name!r}")
    assert names.FORMS in str(error.value)
    assert "rules" in str(error.value)


@pytest.mark.parametrize(
    ("name", "environment", "problem"),
    [
        ("http://127.0.0.1:8000/v1", {}, "names no model"),
        ("http://#m", {}, "'http://' is given as an address"),
        ("http://127.0.0.1:port/v1#m", {}, "which is no address"),
        ("https://me:secret@models.example.org/v1#m", {}, "the address of models.example.org holds a key"),
        ("gpt-4o", {"OPENAI_BASE_URL": "localhost:8000"}, "OPENAI_BASE_URL is 'localhost:8000'"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(name: str, environment: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        names.parse(name, environment)

    assert problem in str(error.value)
    assert "secret" not in str(error.value)


def test_auto_takes_the_first_service_with_a_key_and_the_built_in_recipes_without_any() -> None:
    keys = {"ANTHROPIC_API_KEY": "x", "OPENAI_API_KEY": "x", "GOOGLE_API_KEY": "x"}
    picked: list[str] = []

    for variable in (*keys, "nothing is left"):
        picked.append(names.parse("auto", keys).label)
        keys.pop(variable, None)

    assert picked == ["anthropic:claude-sonnet-5-5", "openai:gpt-4o", "google:gemini-3.8-flash", "rules"]


def test_doctor_learns_which_keys_are_set_and_what_auto_takes_but_no_key() -> None:
    listed = names.found({"OPENAI_API_KEY": "sk-secret", "GOOGLE_API_KEY": "secret too"})

    assert listed == [
        Found(variables=("ANTHROPIC_API_KEY",), is_set=False, label="anthropic:claude-sonnet-5-5", is_picked=False),
        Found(variables=("OPENAI_API_KEY",), is_set=True, label="openai:gpt-4o", is_picked=True),
        Found(
            variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            is_set=True,
            label="google:gemini-3.8-flash",
            is_picked=False,
        ),
        Found(variables=(), is_set=True, label="rules", is_picked=False),
    ]
    assert "secret" not in repr(listed)


@pytest.mark.parametrize("name", ["gpt-4o", "claude-opus-4-8", "gemini-3.8-flash", "Qwen/Qwen3-32B"])
def test_a_model_is_made_without_asking_anyone(name: str) -> None:
    assert names.load(name, KEYS).label == names.parse(name, KEYS).label


@pytest.mark.parametrize("use", ["", "; names.load('rules', {})"], ids=["import", "built-in recipes"])
def test_without_a_language_model_no_library_of_a_provider_is_loaded(use: str) -> None:
    heavy = {"pydantic", "pydantic_ai", "genai_prices", "openai", "anthropic", "httpx", "httpx2", "anyio", "asyncio"}
    code = f"import sys; from ml_intern.llm import names{use}; print(sorted({heavy!r} & set(sys.modules)))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == "[]"
