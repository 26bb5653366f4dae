from __future__ import annotations

from collections.abc import Iterator

import pytest

from literature.arxiv_server import ArXiv, serving
from literature.virtual_time import VirtualTime


@pytest.fixture
def arxiv() -> Iterator[ArXiv]:
    with serving() as state:
        yield state


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()
