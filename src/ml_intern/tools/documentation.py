"""Let the language model look up what the sandbox's libraries offer, in the versions that are installed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ml_intern.core.facts import PackagesInstalled
from ml_intern.core.folds import facts
from ml_intern.core.protocols import ToolContext
from ml_intern.documentation.index import Added, Desk, ask
from ml_intern.documentation.rendering import render
from ml_intern.sandboxes import layers
from ml_intern.tools._define import Toolset, tool
from ml_intern.tools._foreign import fenced


class LibraryDocs(Toolset):
    """Search the documentation of the packages in the sandbox; nothing is started before the first call."""

    @tool(recovery="repeat")
    def search_docs(self, context: ToolContext, query: str, page: Annotated[int, Field(ge=1)] = 1) -> str:
        """Look up the sandbox's libraries as installed: signatures, docstrings.

        Words find entries ("cosine schedule with warmup"); a dotted name (torch.nn.LSTM) gives its whole entry, paged.
        """
        answer = ask(_desk(context), query, page=page)
        text = render(answer, query)
        return fenced(text, "Documentation of installed packages") if answer.entry or answer.hits else text


def _desk(context: ToolContext) -> Desk:
    installed = facts(context.records, PackagesInstalled)
    added = None
    if installed:
        layer = installed[-1].layer
        added = Added(packages=layers.folder(context.paths, layer), kept=context.paths.root / "docs" / layer)
    return Desk(
        backend=context.sandboxes(),
        run=context.run,
        directory=context.paths.call(context.call_id) / "docs",
        added=added,
        cancelled=context.cancelled,
    )
