"""Print the text of each page of a PDF as JSON; runs as a process of its own.

A PDF is a stranger's program for a large C++ library. Here a crash, an endless loop or a bomb ends one process that
has no secrets in its environment, and not the agent. Standard input: the file. Standard output: a list of pages.
Exit status 3: the file cannot be read, and standard error says why in one line.
"""

from __future__ import annotations

import json
import resource
import sys

CPU_SECONDS = 120
MEMORY_BYTES = 3 << 30
MAX_PAGES = 1_500
MAX_CHARACTERS = 12_000_000


def page_texts(pdf: bytes) -> list[str]:
    """Give the text of each page in the order in which the library finds it.

    Raises:
        ValueError: damaged, encrypted, or too long.
    """
    import pypdfium2  # type: ignore[import-untyped]  # noqa: PLC0415 - loaded after the limits are set

    try:
        document = pypdfium2.PdfDocument(pdf)
    except pypdfium2.PdfiumError as error:
        raise ValueError(f"it is damaged or encrypted ({error})") from error
    if len(document) > MAX_PAGES:
        raise ValueError(f"it has {len(document)} pages; at most {MAX_PAGES} are read")
    texts: list[str] = []
    room = MAX_CHARACTERS
    for page in document:
        texts.append(str(page.get_textpage().get_text_range()))
        page.close()
        room -= len(texts[-1])
        if room < 0:
            raise ValueError(f"it has more than {MAX_CHARACTERS} characters of text")
    return texts


def main() -> int:
    """Read, print, and give the exit status."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        texts = page_texts(sys.stdin.buffer.read())
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    json.dump(texts, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
