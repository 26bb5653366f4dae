"""The printer for terminals, on a stream that claims to be one."""

from io import StringIO

from ml_intern.cli.colour import ColourPrinter
from ml_intern.cli.shown import Chunk, Line, Progress, ProgressEnded
from ml_intern.core.neutral import neutral


class FakeTerminal(StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_streamed_words_and_lines_never_share_a_line() -> None:
    terminal = FakeTerminal()
    printer = ColourPrinter(terminal)

    printer.show(Chunk(text="I think"))
    printer.show(Chunk(text=" so."))
    printer.show(Line(text="> train()", style="call"))
    printer.close()

    assert neutral(terminal.getvalue()) == "I think so.\n> train()\n"


def test_brackets_of_a_model_are_no_markup() -> None:
    terminal = FakeTerminal()
    printer = ColourPrinter(terminal)

    printer.show(Line(text="[bold]x[/bold] [link=http://e]y[/link] :smile:"))

    assert neutral(terminal.getvalue()) == "[bold]x[/bold] [link=http://e]y[/link] :smile:\n"


def test_the_bar_goes_and_its_last_state_stays() -> None:
    terminal = FakeTerminal()
    printer = ColourPrinter(terminal)

    for step in (1, 2, 3):
        printer.show(Progress(step=step, total=3, values={"loss": 1.0 / step}))
    printer.show(Line(text="  | epoch 1", style="output"))
    printer.show(ProgressEnded())
    printer.close()
    printer.close()

    shown = terminal.getvalue()
    assert neutral(shown).rstrip().endswith("step 3 of 3  loss 0.3333")
    assert "epoch 1" in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")
