"""Draw the pages of a PDF: text at places, in the fonts every reader has, rules, and what goes wrong in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

FONTS = {
    "roman": b"Times-Roman",
    "bold": b"Times-Bold",
    "italic": b"Times-Italic",
    "sans": b"Helvetica",
    "symbol": b"Symbol",
    "large": b"CMEX10",
    "letters": b"CMMI10",
    "signs": b"CMSY10",
    "typewriter": b"Courier",
}
WIDTH, HEIGHT = 612.0, 792.0


@dataclass(slots=True)
class Page:
    """Operators of one page; the origin of `y` is its top. `turn` is the page's own rotation in degrees."""

    operators: list[str] = field(default_factory=list[str])
    turn: int = 0
    in_matrix: bool = False

    def text(self, x: float, y: float, text: str, *, font: str = "roman", size: float = 10.0) -> Page:
        name = list(FONTS).index(font)
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        # some programs put the size into the matrix and set size 1
        scale, set_size = (size, 1.0) if self.in_matrix else (1.0, size)
        self.operators.append(
            f"BT /F{name} {set_size:g} Tf {scale:g} 0 0 {scale:g} {x:.2f} {HEIGHT - y:.2f} Tm ({escaped}) Tj ET"
        )
        return self

    def turned(self, x: float, y: float, text: str) -> Page:
        """Write from bottom to top, as arXiv stamps its pages."""
        self.operators.append(f"BT /F0 10 Tf 0 1 -1 0 {x:.2f} {HEIGHT - y:.2f} Tm ({text}) Tj ET")
        return self

    def rule(self, x0: float, x1: float, y: float) -> Page:
        self.operators.append(f"0.6 w {x0:.2f} {HEIGHT - y:.2f} m {x1:.2f} {HEIGHT - y:.2f} l S")
        return self

    def picture(self, x0: float, y0: float, x1: float, y1: float) -> Page:
        """Draw an image of one grey pixel over a rectangle."""
        self.operators.append(
            f"q {x1 - x0:.2f} 0 0 {y1 - y0:.2f} {x0:.2f} {HEIGHT - y1:.2f} cm BI /W 1 /H 1 /BPC 8 /CS /G ID x EI Q"
        )
        return self

    def paragraph(self, x: float, y: float, lines: Sequence[str], *, size: float = 10.0, lead: float = 12.0) -> Page:
        for number, line in enumerate(lines):
            self.text(x, y + number * lead, line, size=size)
        return self


def document(*pages: Page) -> bytes:
    """Write the file."""
    fonts = [b"<< /Type /Font /Subtype /Type1 /BaseFont /%s >>" % name for name in FONTS.values()]
    bodies = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", *fonts]
    resources = b" ".join(b"/F%d %d 0 R" % (number, number + 3) for number in range(len(fonts)))
    kids: list[int] = []
    for page in pages:
        stream = "\n".join(page.operators).encode("latin-1", "replace")
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(len(bodies) + 1)
        bodies.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Rotate %d /Contents %d 0 R"
            b" /Resources << /Font << %s >> >> >>" % (WIDTH, HEIGHT, page.turn, len(bodies), resources)
        )
    listed = b" ".join(b"%d 0 R" % kid for kid in kids)
    bodies[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (listed, len(kids))
    return assembled(bodies)


def assembled(bodies: Sequence[bytes]) -> bytes:
    """Number the objects and write the table of their places."""
    file = bytearray(b"%PDF-1.4\n")
    offsets: list[int] = []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    file += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    file += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, start)
    return bytes(file)


def column(topic: str, count: int, width: int = 46) -> list[str]:
    """Give lines of running text about `topic` that fill a column; each names its number."""
    words = f"the network of this study about {topic} is trained with small patches and then measured again".split()
    lines: list[str] = []
    place = 0
    for number in range(count):
        line = f"{topic}{number}"
        while len(line) < width:
            line += " " + words[place % len(words)]
            place += 1
        lines.append(line)
    return lines
