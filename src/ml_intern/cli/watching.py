"""Look for new papers, print them, and carry a task out for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from ml_intern.cli import follow
from ml_intern.cli.invocation import Invocation
from ml_intern.cli.options import AgentOptions, Output
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.literature.library import Library
from ml_intern.literature.paper import Paper
from ml_intern.literature.watching import Watched


class Watch:
    """One look at the newest papers of a query."""

    def __init__(self, invocation: Invocation, options: AgentOptions, output: Output) -> None:
        self._invocation = invocation
        self._options = options
        self._output: Output = output
        self._watched = Watched(invocation.settings.home / "watch")

    def look(self, query: str, *, limit: int) -> tuple[Paper, ...]:
        """Give the new papers, the oldest first.

        Raises:
            ConfigError: arXiv cannot be asked.
        """
        library = Library(self._invocation.settings)
        try:
            return self._watched.new(query, library.newest(query, limit=limit))
        except ToolError as error:
            raise ConfigError(str(error)) from error
        finally:
            library.close()

    def tell(self, query: str, papers: Sequence[Paper]) -> None:
        """Print them, and remember that they were told."""
        terminal = self._invocation.terminal
        if not papers:
            terminal.note(f"nothing new for {query!r}")
        for paper in papers:
            if self._output == "json":
                terminal.json(asdict(paper))
            else:
                terminal.data(f"{paper.name}  {paper.published}  {paper.title}")
        self._watched.saw(query, papers)

    def carry_out(self, query: str, papers: Sequence[Paper], task: str) -> int:
        """Run the task for one paper after the other, its identifier in place of `{paper}`.

        Each is remembered once its run has begun. A run that fails does not
        keep the next from starting. Gives the first exit status that is not 0.
        """
        if not papers:
            self._invocation.terminal.note(f"nothing new for {query!r}")
        first = 0
        for paper in papers:
            self._watched.saw(query, [paper])
            status = follow.start(task.replace("{paper}", paper.name), self._options, self._output, self._invocation)
            first = first or status
        return first
