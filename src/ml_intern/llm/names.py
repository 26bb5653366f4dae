"""Turn what a person calls a language model into the service, model and key it means; nothing heavy is imported.

Forms of a name:

| name | what it means |
|---|---|
| `openai:gpt-4o`, `anthropic:claude-…`, `google:gemini-…` | that service and model |
| `gpt-4o`, `o3`, `claude-…`, `gemini-…` | the same, known by how the name begins |
| `org/model`, `org/model:provider`, `huggingface:org/model` | a model behind the router of Hugging Face |
| `http://127.0.0.1:8000/v1#model` | any endpoint that speaks OpenAI's chat completions |
| `openai:model` with `OPENAI_BASE_URL` set | the same, with the address from the environment |
| `rules` | the built-in recipes: no language model, no key |
| `auto` | the first service of `DEFAULTS` whose key is set, else `rules` |

Entry points of the group `ml_intern.models` are names too. `load` makes the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from ml_intern import plugins
from ml_intern.config import Secret
from ml_intern.core.errors import ConfigError
from ml_intern.core.protocols import ChatModel
from ml_intern.llm.model_name import MAX_OUTPUT_TOKENS, ModelName, Provider, Wire, is_loopback

ENDPOINT_KEY = "ML_INTERN_ENDPOINT_KEY"
"""Variable with the key of an endpoint given by its address, so that no other service's key is ever sent there."""

FORMS = (
    "openai:gpt-4o, anthropic:claude-…, google:gemini-…, a bare gpt-…, o3, claude-… or gemini-…, org/model[:provider] "
    "(Hugging Face), http://127.0.0.1:8000/v1#model (any OpenAI-compatible endpoint), auto, or rules (no key needed)"
)

_KEYLESS = "or use --model rules (built-in recipes), which needs no key"
_BARE = (
    (re.compile(r"(gpt-|chatgpt-|o\d)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "google"),
)
_ON_HUB = re.compile(r"[\w.-]+/[\w.-]+(:[\w-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that serves models: its default address, and the variables that may hold address and key."""

    name: Provider
    wire: Wire
    address: str
    address_variable: str | None
    key_variables: tuple[str, ...]


SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service(
            name="anthropic",
            wire="anthropic",
            address="https://api.anthropic.com",
            address_variable="ANTHROPIC_BASE_URL",
            key_variables=("ANTHROPIC_API_KEY",),
        ),
        Service(
            name="openai",
            wire="responses",
            address="https://api.openai.com/v1",
            address_variable="OPENAI_BASE_URL",
            key_variables=("OPENAI_API_KEY",),
        ),
        Service(
            name="google",
            wire="google",
            address="https://generativelanguage.googleapis.com",
            address_variable="GOOGLE_GEMINI_BASE_URL",
            key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        ),
        Service(
            name="huggingface",
            wire="chat",
            address="https://router.huggingface.co/v1",
            address_variable=None,
            key_variables=("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        ),
    )
}

DEFAULTS: Mapping[str, str] = {
    "anthropic": "claude-sonnet-5-5",
    "openai": "gpt-4o",
    "google": "gemini-3.8-flash",
}
"""The model that `auto` takes for each service, in order of preference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What `doctor` shows for one way to a model; the value of a key is never looked at.

    Attributes:
        variables: the variables that may hold the key; empty for the built-in recipes.
        is_set: whether one of them has a value.
        label: the model `auto` would take there.
        is_picked: whether `auto` takes it.
    """

    variables: tuple[str, ...]
    is_set: bool
    label: str
    is_picked: bool


def parse(name: str, environment: Mapping[str, str]) -> ModelName:
    """Find out what `name` means; no network is asked.

    Raises:
        ConfigError: nothing is called so, its key is not set, or its address is not usable.
    """
    name = name.strip()
    if name == "auto":
        return _automatic(environment)
    if name in plugins.names("models"):
        return ModelName(provider="plugin", model=name, wire="plugin")
    if name.startswith(("http://", "https://")):
        return _endpoint(name, environment)
    prefix, _, rest = name.partition(":")
    if prefix in SERVICES and rest and (prefix != "huggingface" or _ON_HUB.fullmatch(rest)):
        return _at(SERVICES[prefix], rest, environment)
    if _ON_HUB.fullmatch(name):
        return _at(SERVICES["huggingface"], name, environment)
    known = next((service for pattern, service in _BARE if pattern.match(name)), None)
    if known is None:
        registered = ", ".join(sorted(plugins.names("models")))
        raise ConfigError(f"no model is called {name!r}; a model is {FORMS}. Registered here: {registered}")
    return _at(SERVICES[known], name, environment)


def load(name: str, environment: Mapping[str, str], *, max_output_tokens: int = MAX_OUTPUT_TOKENS) -> ChatModel:
    """Make the chat model called `name`; libraries of the provider are imported now, no network is asked.

    Raises:
        ConfigError: see `parse`, or what the provider needs is not installed.
    """
    parsed = parse(name, environment)
    if parsed.provider == "plugin":
        return cast("Callable[[], ChatModel]", plugins.load("models", parsed.model))()
    from ml_intern.llm.providers import ProviderModel  # noqa: PLC0415 - seconds of import, only where a model is asked

    key = Secret(environment[parsed.key_variable].strip()) if parsed.key_variable else None
    return ProviderModel(parsed, key, max_output_tokens=max_output_tokens)


def found(environment: Mapping[str, str]) -> Sequence[Found]:
    """List the ways to a model that `auto` weighs, in its order, and which one it takes."""
    picked = _first_with_key(environment)
    services = [
        Found(
            variables=SERVICES[service].key_variables,
            is_set=_key(SERVICES[service], environment) is not None,
            label=f"{service}:{model}",
            is_picked=service == picked,
        )
        for service, model in DEFAULTS.items()
    ]
    return [*services, Found(variables=(), is_set=True, label="rules", is_picked=picked is None)]


def _automatic(environment: Mapping[str, str]) -> ModelName:
    service = _first_with_key(environment)
    if service is None:
        return ModelName(provider="plugin", model="rules", wire="plugin")
    return _at(SERVICES[service], DEFAULTS[service], environment)


def _first_with_key(environment: Mapping[str, str]) -> str | None:
    return next((service for service in DEFAULTS if _key(SERVICES[service], environment)), None)


def _at(service: Service, model: str, environment: Mapping[str, str]) -> ModelName:
    given = environment.get(service.address_variable, "").strip() if service.address_variable else ""
    address = _checked(given or service.address, given and service.address_variable)
    if service.name == "openai" and address != service.address:
        return _endpoint(f"{address}#{model}", environment)
    key = _key(service, environment)
    if key is None and not is_loopback(address):
        variables = " or ".join(service.key_variables)
        raise ConfigError(f"{variables} is not set, so {service.name}:{model} cannot be asked; export it, {_KEYLESS}")
    return ModelName(provider=service.name, model=model, wire=service.wire, base_url=address, key_variable=key)


def _endpoint(name: str, environment: Mapping[str, str]) -> ModelName:
    address, _, model = name.partition("#")
    address = _checked(address, None)
    if not model:
        raise ConfigError(f"{address} names no model; write {address}#MODEL with a model that the endpoint serves")
    openai = environment.get("OPENAI_BASE_URL", "").strip().rstrip("/")
    variable = "OPENAI_API_KEY" if openai == address else ENDPOINT_KEY
    is_set = bool(environment.get(variable, "").strip())
    if not is_set and not is_loopback(address):
        raise ConfigError(
            f"{variable} is not set, so {address} cannot be asked; export the key that it takes, {_KEYLESS}"
        )
    key = variable if is_set else None
    return ModelName(provider="endpoint", model=model, wire="chat", base_url=address, key_variable=key)


def _checked(address: str, variable: str | None) -> str:
    where = f"{variable} is {address!r}" if variable else f"{address!r} is given as an address"
    try:
        parts = urlsplit(address)
        has_port = parts.port is not None or not parts.netloc.endswith(":")
    except ValueError:
        raise ConfigError(f"{where}, which is no address; write http://HOST:PORT/v1") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not has_port:
        raise ConfigError(f"{where}, which is no address; write http://HOST:PORT/v1")
    if parts.username or parts.password:
        raise ConfigError(f"the address of {parts.hostname} holds a key; put it into {ENDPOINT_KEY} instead")
    return address.rstrip("/")


def _key(service: Service, environment: Mapping[str, str]) -> str | None:
    return next((variable for variable in service.key_variables if environment.get(variable, "").strip()), None)
