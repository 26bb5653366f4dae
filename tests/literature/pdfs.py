"""The smallest PDF that has pages of text."""

from __future__ import annotations

from collections.abc import Sequence

from literature.canvas import assembled


def pdf(*pages: Sequence[str]) -> bytes:
    """Write a file with one page for each sequence of lines, in Helvetica, from the top down."""
    bodies = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids: list[int] = []
    for lines in pages:
        stream = "".join(
            f"BT /F1 10 Tf 1 0 0 1 60 {780 - 14 * row} Tm ({_escaped(line)}) Tj ET\n" for row, line in enumerate(lines)
        ).encode("latin-1")
        bodies.append(b"<< /Length %d >>\nstream\n%sendstream" % (len(stream), stream))
        kids.append(len(bodies) + 1)
        bodies.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 800] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % len(bodies)
        )
    listed = " ".join(f"{kid} 0 R" for kid in kids).encode()
    bodies[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (listed, len(kids))
    return assembled(bodies)


def _escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


FILLING = "The networks of this study are trained with patches of four by four pixels and nothing else."


def paper(title: str = "Patches Are Enough: a Study of Small Vision Networks") -> bytes:
    """Give a paper of two pages with broken words, a list that looks like headings, and references."""
    return pdf(
        [
            title,
            "Abstract",
            "We cut images into patches. " + FILLING,
            "1 Introduction",
            "Pre-trained networks are well known. Some are pre-",
            "trained on many images, some learn a new representa-",
            "tion of patches.",
            "Our steps are these:",
            "1. We cut the images into patches that do not overlap,",
            "2. We train for seven epochs.",
            "2 Method",
            FILLING,
            "2.1 Attention",
            "Heads 8 12 16",
        ],
        [
            FILLING,
            "3 Results",
            "The small network reaches 91.5 (top-5).",
            "References",
            "[1] A. Author. An old net.",
            "In a journal, 1989.",
            "[2] B. Writer. A new net. 2020.",
            "A Settings",
            "We train for 7 epochs. " + FILLING,
        ],
    )
