"""Settings of a machine and a person, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class Secret:
    """A token whose value never shows by accident; call `reveal` where it is used."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the value itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says.

    Attributes:
        home: where runs, sandbox environments, caches and local publications live (`ML_INTERN_HOME`).
        sandbox: name of the sandbox backend, or `auto` (`ML_INTERN_SANDBOX`).
        hub_token: from `HF_TOKEN`, else `HUGGING_FACE_HUB_TOKEN`, else the login of the Hub's own client.
        hub_endpoint: from `HF_ENDPOINT`; None means the public Hub.
        package_index: simple index that `install` takes wheels from (`ML_INTERN_PACKAGE_INDEX`); None means what pip is
            set to.
        arxiv_endpoint: where the arXiv API is asked (`ML_INTERN_ARXIV`); None means the public one.
        scholar_endpoint: where Semantic Scholar is asked (`ML_INTERN_SCHOLAR`); None means the public one.
        docling: folder with docling's models, which then reads PDFs (`ML_INTERN_DOCLING`); None means the layout does.
        embeddings: model that ranks passages of papers besides words (`ML_INTERN_EMBEDDINGS`); None means words only.
        scholar_key: from `S2_API_KEY`; without it the service is shared by everybody and often busy.
    """

    home: Path
    sandbox: str = "auto"
    hub_token: Secret | None = None
    hub_endpoint: str | None = None
    arxiv_endpoint: str | None = None
    scholar_endpoint: str | None = None
    scholar_key: Secret | None = None
    embeddings: str | None = None
    docling: Path | None = None
    package_index: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def runs(self) -> Path:
        """The folder with one folder a run."""
        return self.home / "runs"

    @property
    def local_hub(self) -> Path:
        """Where models are published when there is no token."""
        return self.home / "hub" / "models"

    @classmethod
    def load(cls, environment: Mapping[str, str], *, home: Path | None = None) -> Settings:
        """Read settings; nothing is written and no network is asked. `home` stands above the environment."""
        chosen = home or environment.get("ML_INTERN_HOME") or Path(environment.get("HOME", "~")) / ".ml-intern"
        token = _token(environment)
        return cls(
            home=Path(chosen).expanduser(),
            sandbox=environment.get("ML_INTERN_SANDBOX", "auto"),
            hub_token=Secret(token) if token else None,
            hub_endpoint=environment.get("HF_ENDPOINT"),
            arxiv_endpoint=environment.get("ML_INTERN_ARXIV"),
            scholar_endpoint=environment.get("ML_INTERN_SCHOLAR"),
            scholar_key=Secret(key) if (key := environment.get("S2_API_KEY", "").strip()) else None,
            embeddings=environment.get("ML_INTERN_EMBEDDINGS", "").strip() or None,
            docling=Path(folder).expanduser() if (folder := environment.get("ML_INTERN_DOCLING", "").strip()) else None,
            package_index=environment.get("ML_INTERN_PACKAGE_INDEX"),
            environment=dict(environment),
        )


def _token(environment: Mapping[str, str]) -> str | None:
    """Follow the order of the Hub's own client: environment, then the file that `hf auth login` wrote."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if value := environment.get(name, "").strip():
            return value
    hf_home = environment.get("HF_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".cache" / "huggingface"
    file = Path(environment.get("HF_TOKEN_PATH") or Path(hf_home) / "token")
    try:
        return file.read_text("utf-8").strip() or None
    except OSError:
        return None
