"""The streams of the command."""

from io import StringIO

from ml_intern.cli.terminal import Terminal


def test_data_and_notes_are_neutral_wherever_their_text_came_from() -> None:
    out, err = StringIO(), StringIO()
    terminal = Terminal(stdin=StringIO(), stdout=out, stderr=err, environment={})

    terminal.data("\x1b[31mred\x07")
    terminal.note("\u202eolleh")

    assert (out.getvalue(), err.getvalue()) == ("red\\x07\n", "\\u202eolleh\n")


def test_json_holds_no_number_that_json_cannot() -> None:
    out = StringIO()
    terminal = Terminal(stdin=StringIO(), stdout=out, stderr=StringIO(), environment={})

    terminal.json({"a": [float("nan"), (float("-inf"), 1.5)], "b": {"c": "\x7f\u202e"}})

    assert out.getvalue() == '{"a": [null, [null, 1.5]], "b": {"c": "\\u007f\\u202e"}}\n'


def test_a_stream_that_is_no_terminal_is_neither_asked_nor_coloured() -> None:
    terminal = Terminal(stdin=StringIO(), stdout=StringIO(), stderr=StringIO(), environment={"TERM": "xterm"})

    assert (terminal.is_interactive, terminal.is_rich) == (False, False)
