"""A Hub as a destination: the real client, one commit a push, and the token in this process only."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ml_intern.config import Secret, Settings
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.core.facts import Location
from ml_intern.publishing.bundle import file_names
from ml_intern.publishing.destination import Fetched, check_repository, commit_line
from ml_intern.publishing.retry import BusyError, exactly_once, retry

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

PUBLIC_HUB = "https://huggingface.co"
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_UNAUTHORIZED = 401
_MAIN = "main"


class HubDestination:
    """Repositories of the account that a token belongs to, private unless asked otherwise."""

    def __init__(
        self, *, token: Secret, endpoint: str | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._token = token
        self._endpoint = (endpoint or PUBLIC_HUB).rstrip("/")
        self._sleep = sleep

    @property
    def location(self) -> Location:
        """The kind of place."""
        return "hub"

    def complete(self, name: str) -> str:
        """Put the account's name before a name without namespace."""
        name = check_repository(name)
        if "/" in name:
            return name
        return f"{retry(self._account, sleep=self._sleep)}/{name}"

    def folder(self, repository: str) -> Path | None:
        """Give None: nothing of a Hub is a folder here."""
        del repository
        return None

    def url(self, repository: str) -> str:
        """Give the address of the repository's page."""
        return f"{self._endpoint}/{repository}"

    def push(self, files: Path, repository: str, *, private: bool, key: str, message: str) -> str:
        """Create the repository where it is missing and put every file of `files` into one commit.

        The commit names its parent, so that a request which the Hub carries out late, after it was repeated, is
        refused by the Hub instead of committed a second time.
        """
        parent = retry(lambda: self._prepare(repository, private=private), sleep=self._sleep)
        return exactly_once(
            lambda: self._commit(files, repository, parent=parent, key=key, message=message),
            lambda: self.find(repository, key),
            sleep=self._sleep,
        )

    def find(self, repository: str, key: str) -> str | None:
        """Look for `key` in the messages of the commits on `main`."""
        from huggingface_hub.errors import RepositoryNotFoundError  # noqa: PLC0415 - slow to import

        line = commit_line(key)
        with _explained(f"list the commits of {repository}"):
            try:
                commits = self._api().list_repo_commits(repository)
            except RepositoryNotFoundError as error:
                if error.response.status_code == _UNAUTHORIZED:
                    raise
                return None
        return next((c.commit_id for c in commits if line in c.message.splitlines()), None)

    def fetch(self, repository: str, revision: str, into: Path) -> Fetched:
        """Download into a cache of its own, by commit and by the name that the card's example uses.

        Raises:
            ToolError: somebody committed after `revision`.
        """

        def download(name: str) -> Path:
            fetch = self._api().snapshot_download  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            with _explained(f"download {repository}"):
                return Path(fetch(repository, revision=name, cache_dir=into))

        folder = retry(lambda: download(revision), sleep=self._sleep)
        newest = retry(lambda: download(_MAIN), sleep=self._sleep)
        if newest != folder:
            raise ToolError(
                f"{repository} has a newer commit than {revision}: somebody else pushed to it. "
                "Publish under a new name."
            )
        _open_to_others(into)
        return Fetched(folder=folder, shown=folder, cache=into)

    def _api(self) -> HfApi:
        from huggingface_hub import HfApi  # noqa: PLC0415 - slow to import
        from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415

        disable_progress_bars()
        return HfApi(endpoint=self._endpoint, token=self._token.reveal(), library_name="ml-intern")

    def _account(self) -> str:
        with _explained("ask whose token this is"):
            account = self._api().whoami()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return str(account["name"])  # pyright: ignore[reportUnknownArgumentType] - the client annotates a bare dict

    def _prepare(self, repository: str, *, private: bool) -> str:
        """Make sure that the repository exists and is as hidden as asked; give its newest commit."""
        with _explained(f"create {repository}"):
            self._api().create_repo(repository, private=private, exist_ok=True)
            info = self._api().model_info(repository)
        if private and not info.private:
            raise ToolError(
                f"{repository} exists and is public, but private=True was asked. Use a new name, or private=False if "
                "the person wants it public."
            )
        return str(info.sha)

    def _commit(self, files: Path, repository: str, *, parent: str, key: str, message: str) -> str:
        from huggingface_hub import CommitOperationAdd  # noqa: PLC0415 - slow to import

        additions = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=files / name) for name in file_names(files)]
        with _explained(f"commit to {repository}"):
            commit = self._api().create_commit(
                repository,
                additions,
                commit_message=message,
                commit_description=commit_line(key),
                parent_commit=parent,
            )
        return commit.oid


def download(repository: str, revision: str, settings: Settings, *, into: Path) -> Path:
    """Download a revision of a repository as plain files into the folder `into`; needs no token where it is public.

    Raises:
        ToolError: it does not exist, or the Hub does not answer.
        ConfigError: the Hub refuses the token.
    """
    from huggingface_hub import HfApi  # noqa: PLC0415 - slow to import
    from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415

    disable_progress_bars()
    token = settings.hub_token.reveal() if settings.hub_token else False
    fetch = HfApi(endpoint=settings.hub_endpoint, token=token).snapshot_download  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    with _explained(f"download {repository}"):
        fetch(check_repository(repository), revision=revision, local_dir=into)
    shutil.rmtree(into / ".cache", ignore_errors=True)  # what the client notes for itself
    return into


def _open_to_others(cache: Path) -> None:
    """Let the user of a sandbox read the cache: the client keeps its listings of trees to its own user."""
    for path in cache.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o444)


@contextmanager
def _explained(doing: str) -> Generator[None]:
    """Turn the client's errors into ours, by who can act."""
    from httpx2 import HTTPError  # noqa: PLC0415 - what the Hub's client raises when there is no answer
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    try:
        yield
    except HfHubHTTPError as error:
        raise _refusal(doing, error) from error
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        # The client wraps failures of uploads, downloads and cards in builtin errors, and reads JSON where none came.
        if isinstance(error.__cause__, HfHubHTTPError):
            raise _refusal(doing, error.__cause__) from error
        raise BusyError(f"cannot {doing}: no answer from the Hub ({_first_line(error)})") from error


def _refusal(doing: str, error: HfHubHTTPError) -> ToolError | ConfigError:
    status = error.response.status_code
    said = f"cannot {doing}: {_first_line(error)}"
    if status in _BUSY:
        return BusyError(f"cannot {doing}: the Hub answers {status}", wait=_retry_after(error))
    match status:
        case 401:
            return ConfigError(
                f"cannot {doing}: the Hub refuses the token (401). Set HF_TOKEN to a token with write access, or "
                "remove it to publish to a folder of this machine."
            )
        case 403:
            return ToolError(f"cannot {doing}: this token may not (403). Give a name without namespace to use its own.")
        case 412:
            # The parent moved: perhaps by our own request, which the Hub carried out late.
            return BusyError(f"cannot {doing}: another commit came first", wait=0.0)
        case _:
            return ToolError(f"{said}. Correct what it names and publish again.")


def _retry_after(error: HfHubHTTPError) -> float | None:
    stated = error.response.headers.get("Retry-After", "")
    return float(stated) if re.fullmatch(r"\d{1,6}", stated) else None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) if lines else type(error).__name__
