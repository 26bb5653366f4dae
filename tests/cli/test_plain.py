"""Plain lines: streamed text, and how much of a training a log gets."""

from io import StringIO

import pytest

from ml_intern.cli.plain import PlainPrinter, is_telling
from ml_intern.cli.shown import Chunk, Line, Progress


def test_streamed_words_and_lines_never_share_a_line() -> None:
    text = StringIO()
    printer = PlainPrinter(text)

    printer.show(Chunk(text="I think"))
    printer.show(Chunk(text=" so.\n"))
    printer.show(Line(text="one"))
    printer.show(Chunk(text="open"))
    printer.close()
    printer.close()

    assert text.getvalue() == "I think so.\none\nopen\n"


def test_hostile_words_are_harmless_streamed_or_not() -> None:
    text = StringIO()
    printer = PlainPrinter(text)

    printer.show(Chunk(text="\x1b[2J\x1b"))
    printer.show(Chunk(text="]0;owned\x07"))
    printer.show(Line(text="\x1b[31mred\u202e"))

    assert text.getvalue() == "\\x1b]0;owned\\x07\nred\\u202e\n"


@pytest.mark.parametrize(
    ("total", "steps"),
    [
        (20, [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]),
        (3, [1, 2, 3]),
        (None, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 200, 300]),
    ],
)
def test_a_log_gets_about_ten_lines_a_training_or_a_tenfold(total: int | None, steps: list[int]) -> None:
    assert [step for step in range(1, (total or 300) + 1) if is_telling(step, total)] == steps


def test_a_metric_without_values_or_total_is_still_a_line() -> None:
    text = StringIO()

    PlainPrinter(text).show(Progress(step=1, total=None, values={}))

    assert text.getvalue() == "  step 1\n"
