"""Start the sandboxes of an evaluation while the training still runs, so that their libraries are loaded by its end.

They are as fresh as any other: no code of the agent runs in them before the evaluation, and what each of them mounts is
the same. What is not used ends with the session, with the next training, or with the agent.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import TracebackType

from ml_intern.core.errors import SandboxError
from ml_intern.core.facts import DatasetPrepared
from ml_intern.core.folds import facts
from ml_intern.core.protocols import ToolContext
from ml_intern.core.sandbox import Job, has_walls
from ml_intern.data import recheck
from ml_intern.data.jobs import Desk
from ml_intern.evaluation import evaluator
from ml_intern.tools._own_metric import own_metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What waits for the evaluation of the training `call_id` on the final part."""

    call_id: str
    evaluation: evaluator.Standing
    desk: Desk
    recheck: Job

    def fill(self, bundle: Path) -> None:
        """Put the bundle where the predictor sees it."""
        shutil.copytree(bundle, self.evaluation.bundle, dirs_exist_ok=True)

    def hand_over(self, made: Path) -> None:
        """Move what the predictor wrote to where an evaluation that was not prepared would have it."""
        shutil.rmtree(self.evaluation.bundle, ignore_errors=True)
        if self.evaluation.made is not None:
            made.parent.mkdir(parents=True, exist_ok=True)
            self.evaluation.made.rename(made)

    def __enter__(self) -> Standing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dismiss()

    def dismiss(self) -> None:
        """End what was not used; safe to call twice."""
        self.evaluation.dismiss()
        self.recheck.stop("not needed")


def stand_by(context: ToolContext) -> Standing | None:
    """Start them beside the training that this call runs; None where there is no hidden part, or no wall before it.

    Raises:
        SandboxError: one cannot start.
    """
    if not facts(context.records, DatasetPrepared) or not has_walls(context.sandboxes()):
        return None
    paths, place = context.paths, context.paths.call(context.call_id) / "ahead"
    bundle = place / "bundle"
    bundle.mkdir(parents=True, exist_ok=True)
    desk = Desk(backend=context.sandboxes(), run=context.run, directory=place, cancelled=context.cancelled)
    return Standing(
        call_id=context.call_id,
        evaluation=evaluator.stand_by(
            context.sandboxes(),
            run=context.run,
            directory=place,
            bundle=bundle,
            hidden=paths.hidden_data,
            own=own_metric(paths),
            examines=True,
        ),
        desk=desk,
        recheck=recheck.stand_by(
            desk,
            visible=paths.visible_data,
            hidden=paths.hidden_data,
            source=paths.call(context.call_id) / "source",
        ),
    )


class Ahead:
    """Keeps what stands by for the evaluation of the newest training; it is got ready in the background."""

    def __init__(self) -> None:
        self._coming: tuple[str, Future[Standing | None]] | None = None

    def prepare(self, context: ToolContext) -> None:
        """Begin to get it ready for the training that this call runs."""
        self.close()
        coming = Future[Standing | None]()
        self._coming = (context.call_id, coming)
        Thread(target=_fulfil, args=(coming, lambda: stand_by(context)), daemon=True).start()

    def take(self, training: str) -> Standing | None:
        """Give what stands by for `training`, once; None where there is nothing, or it could not be started."""
        if self._coming is None or self._coming[0] != training:
            return None
        (_, coming), self._coming = self._coming, None
        return coming.result()

    def close(self) -> None:
        """End what was not taken; safe to call twice."""
        if self._coming is not None and (standing := self.take(self._coming[0])) is not None:
            standing.dismiss()


def _fulfil(coming: Future[Standing | None], make: Callable[[], Standing | None]) -> None:
    try:
        coming.set_result(make())
    except (SandboxError, OSError):  # the evaluation starts its own, and says what is wrong
        coming.set_result(None)
    except BaseException as error:
        coming.set_exception(error)
        raise
