"""The tool that publishes an evaluated model."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ml_intern.config import Settings
from ml_intern.core.errors import ToolError
from ml_intern.core.facts import Published
from ml_intern.core.folds import chosen_training
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.publishing import bundle as bundles
from ml_intern.publishing.destination import Destination
from ml_intern.publishing.prose import Prose
from ml_intern.publishing.push import CARD, choose, confirm, push, stage
from ml_intern.publishing.record import ModelRecord, gather
from ml_intern.publishing.roundtrip import try_snippet
from ml_intern.tools._define import Toolset, tool
from ml_intern.tools._evaluation import bundled, stored_self_test
from ml_intern.tools._overruled import overruled

_CHANGED = "the bundle is not the one that was evaluated"


class HubDeployer(Toolset):
    """Publishes to the Hub of the person's token, else to a folder of this machine."""

    def __init__(self, *, settings: Settings | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._sleep = sleep

    @tool(effect="publish", recovery="verify", requires=("evaluated", "contract_kept"), verify="_happened")
    def publish(  # noqa: D417 - the model does not see `context`
        self,
        repository: str,
        title: str,
        summary: str,
        intended_use: str,
        limitations: str,
        context: ToolContext,
        license: str = "apache-2.0",
        private: bool = True,
        training: str = "",
    ) -> Observation:
        """Publish an evaluated model: network source, weights, model card and provenance.

        The card's numbers (scores, hyperparameters, data, digests) are written by code from what was recorded; you
        write words only. A decimal number or percentage that was not measured is refused.
        Afterwards all is downloaded, compared, and the card's example run.

        Args:
            repository: `name`, or `namespace/name`. Without a Hub token it goes to a local folder.
            title: one line.
            summary: what it is and why so, a paragraph.
            intended_use: what it is for, and what not.
            limitations: where it fails or was not tested.
            license: its name on the Hub, such as `mit`; must agree with that of the data.
            private: keep True unless the task asks for a public model.
            training: its call id, default the newest; must be evaluated on final.

        Example: publish(repository="digits-mlp", title="Digits MLP", summary="A small ...", intended_use="...",
        limitations="...")
        """
        prose = Prose(title=title, summary=summary, intended_use=intended_use, limitations=limitations, license=license)
        settings = self._load(context)
        record, bundle = _evaluated(context, training)
        destination = choose(settings, sleep=self._sleep)
        full = destination.complete(repository)
        files = _staged(context)
        stage(
            files,
            bundle=bundle,
            record=record,
            prose=prose,
            repository=full,
            destination=destination,
            self_test=stored_self_test(context, record.evaluated),
        )
        revision = push(files, destination, full, private=private, key=_key(context), settings=settings, title=full)
        return _checked(files, destination, full, revision, context, record=record, bundle=bundle)

    def _happened(
        self,
        repository: str,
        title: str,
        summary: str,
        intended_use: str,
        limitations: str,
        context: ToolContext,
        license: str = "apache-2.0",
        private: bool = True,
        training: str = "",
    ) -> Observation | None:
        """Look for the commit of this call; the checks that follow a push are made now if it is there."""
        del title, summary, intended_use, limitations, license, private
        destination = choose(self._load(context), sleep=self._sleep)
        full = destination.complete(repository)
        revision = destination.find(full, _key(context)) if _staged(context).exists() else None
        if revision is None:
            return None
        record, bundle = _evaluated(context, training)
        return _checked(_staged(context), destination, full, revision, context, record=record, bundle=bundle)

    def _load(self, context: ToolContext) -> Settings:
        return self._settings or Settings.load(os.environ, home=context.home)


def _key(context: ToolContext) -> str:
    """Name the call among those of all runs."""
    return f"{context.run}/{context.call_id}"


def _staged(context: ToolContext) -> Path:
    return context.paths.call(context.call_id) / "publication"


def _evaluated(context: ToolContext, training: str) -> tuple[ModelRecord, bundles.Bundle]:
    """Give the evaluation of a training, the newest if none is named, and the bundle it was made with.

    The run keeps one bundle, of the training that was looked at last; that of another is assembled again.

    Raises:
        ToolError: the bundle is not the evaluated one.
    """
    chosen = chosen_training(context.records, training)
    record = gather(context.records, run=context.run, weights=chosen.weights_digest if chosen else "")
    bundle = bundles.read(context.paths.bundle)
    if bundle.digest != record.evaluated.bundle_digest:
        bundle = _again(context, record.trained.call_id)
    if bundle.digest != record.evaluated.bundle_digest:
        raise ToolError(f"{_CHANGED}; evaluate {record.trained.call_id} again, then publish")
    allowed = tuple(overruled(context, record.evaluated))
    return replace(record, departures=(*record.departures, *allowed)), bundle


def _again(context: ToolContext, training: str) -> bundles.Bundle:
    try:
        return bundled(context, training)
    except ToolError as error:
        raise ToolError(f"{_CHANGED} and cannot be made again: {error}") from error


def _checked(
    files: Path,
    destination: Destination,
    repository: str,
    revision: str,
    context: ToolContext,
    *,
    record: ModelRecord,
    bundle: bundles.Bundle,
) -> Observation:
    """Download, compare, run the example, and say what was published."""
    call = context.paths.call(context.call_id)
    fetched = confirm(files, destination, repository, revision, into=call / "fetched")
    works, output = try_snippet(
        context.sandboxes(),
        run=context.run,
        directory=call / "example",
        card_text=(fetched.folder / CARD).read_text("utf-8"),
        fetched=fetched.shown,
        hub_cache=fetched.cache,
        cancelled=context.cancelled,
    )
    if not works:
        raise ToolError(
            f"{repository} was pushed (commit {revision}), but the usage example of its card fails, so it does not "
            f"count as published. Correct the network's predict and publish again. It printed:\n{output}"
        )
    url = destination.url(repository)
    where = (
        f"Published {repository} at {url}, commit {revision}."
        if destination.location == "hub"
        else f"No Hub token is set, so the model was published to a local folder, not to the Hub: {url} ({revision})."
    )
    output += f"\nThe card: read_file calls/{context.call_id}/{CARD}."
    return Observation(
        text=f"{where} Every file was fetched again and is equal; the card's example ran and printed:\n{output}",
        facts=(
            *overruled(context, record.evaluated),
            Published(
                repository=repository,
                revision=revision,
                url=url,
                location=destination.location,
                bundle_digest=bundle.digest,
            ),
        ),
    )
