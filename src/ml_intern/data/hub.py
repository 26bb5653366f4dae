"""Download a data set of the Hugging Face Hub at a pinned commit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import httpx2  # the HTTP client of huggingface_hub, whose errors of the network it raises as they are
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import DatasetInfo
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars

from ml_intern.config import Settings
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.data.forms import MOST_FILES, SUFFIXES

QUESTION_TIMEOUT = 30.0
_COMMIT = re.compile(r"[0-9a-f]{40}")
_UNREACHABLE = (httpx2.HTTPError, OfflineModeIsEnabled, LocalEntryNotFoundError)


def download(name: str, revision: str | None, settings: Settings, *, limit: int) -> tuple[Path, str]:
    """Give the folder with the data files of `name` and the commit they are of.

    A complete copy of a commit named in full is used without asking the Hub.

    Raises:
        ToolError: it does not exist, needs access, is too large, or the Hub cannot be reached.
        ConfigError: the Hub refuses the token.
    """
    cache = settings.home / "datasets" / name.replace("/", "--")
    if revision and _COMMIT.fullmatch(revision) and _mark(cache, revision).exists():
        return cache / revision, revision
    token = settings.hub_token.reveal() if settings.hub_token else False
    api = HfApi(endpoint=settings.hub_endpoint, token=token)
    try:
        info = api.dataset_info(name, revision=revision, files_metadata=True, timeout=QUESTION_TIMEOUT)
        commit = info.sha or ""
        if not _COMMIT.fullmatch(commit):  # it becomes the name of a folder
            raise ToolError(f"the Hub named no commit for {name}; try again later or choose another data set")
        _require_fit(info, name, limit)
        if not _mark(cache, commit).exists():
            _fetch(api, name, commit, cache / commit)
            _mark(cache, commit).touch()
    except (HfHubHTTPError, HFValidationError, *_UNREACHABLE) as error:
        _explain(error, name, revision, settings)
    return cache / commit, commit


def _mark(cache: Path, commit: str) -> Path:
    """The file that says a download was finished."""
    return cache / f"{commit}.complete"


def _fetch(api: HfApi, name: str, commit: str, folder: Path) -> None:
    """Download data files and the card, which names classes and configurations."""
    if not are_progress_bars_disabled():
        disable_progress_bars()  # standard error belongs to the surfaces
    api.snapshot_download(  # pyright: ignore[reportUnknownMemberType] # one of its types is generic without a parameter
        name,
        repo_type="dataset",
        revision=commit,
        local_dir=folder,
        allow_patterns=["README.md", *(f"*{form}" for suffix in SUFFIXES for form in (suffix, suffix.upper()))],
        ignore_patterns=[".*", "*/.*"],
    )


def _require_fit(info: DatasetInfo, name: str, limit: int) -> None:
    """Look at the list of files before any is fetched.

    Raises:
        ToolError: there are no data files, or they are too large.
    """
    data = [s for s in info.siblings or [] if Path(s.rfilename).suffix.lower() in SUFFIXES]
    if not data:
        raise ToolError(
            f"{name} has no data files of a known form (loading scripts are not run); choose another data set, or "
            f"try {name}@refs/convert/parquet"
        )
    size = sum(s.size or 0 for s in data)
    if size > limit or len(data) > MOST_FILES:
        raise ToolError(
            f"{name} is too large: {size / 1e9:.1f} GB in {len(data)} files, the limit is {limit / 1e9:.1f} GB; "
            "choose a smaller data set or a subset of it"
        )


def _explain(error: Exception, name: str, revision: str | None, settings: Settings) -> NoReturn:
    """Say in one sentence what happened and what can be done."""
    where = settings.hub_endpoint or "the Hub"
    has_token = settings.hub_token is not None
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, GatedRepoError):
        advice = "the owner has not granted this token access" if has_token else "no token is set (HF_TOKEN)"
        text = f"{name} is gated and {advice}; choose another data set, or let the person ask for access"
    elif isinstance(error, RevisionNotFoundError):
        text = f"{name} has no revision {revision!r}; leave it out to use the newest"
    elif isinstance(error, RepositoryNotFoundError):
        hint = "" if has_token else ", or is private and no token is set (HF_TOKEN)"
        text = f"there is no data set {name} at {where}{hint}; check the name. A local folder is written ./{name}"
    elif isinstance(error, HFValidationError):
        text = f"{name!r} is not a valid name of a data set: {error}"
    elif status in {401, 403}:
        raise ConfigError(f"{where} refused the token ({status}); set HF_TOKEN to a valid one, or unset it") from error
    elif status is not None:
        text = (
            f"{where} answered with status {status} for {name}; try again later or use sklearn/digits or a local path"
        )
    else:
        text = f"{where} cannot be reached ({type(error).__name__}); use sklearn/digits or a local path instead"
    raise ToolError(text) from error
