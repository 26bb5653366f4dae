"""docs/cli.md says what the parser takes and what the command leaves with, no more and no less."""

import argparse
import re
from pathlib import Path

import pytest

from ml_intern.cli.invocation import Verb
from ml_intern.cli.parser import VERBS, add_arguments
from ml_intern.cli.statuses import MEANINGS
from ml_intern.core.events import EXIT_STATUS

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
EVERYWHERE = PAGE.split("\n## ", maxsplit=1)[0]


def documented(text: str) -> set[str]:
    """Options in the first column of the tables of `text`."""
    rows = [row.split("|")[1] for row in text.splitlines() if row.startswith("| `-")]
    return {option for row in rows for option in re.findall(r"--[a-z-]+", row)}


def taken(verb: Verb) -> set[str]:
    """Options of a verb's parser."""
    parser = argparse.ArgumentParser(verb.name)
    add_arguments(parser, verb)
    return set(re.findall(r"--[a-z-]+", parser.format_usage())) | {"--help"}


def test_every_verb_is_documented_and_every_documented_verb_exists() -> None:
    assert {name.removeprefix("ml-intern ") for name in SECTIONS if name != "Exit status"} == {v.name for v in VERBS}


@pytest.mark.parametrize("verb", VERBS, ids=[v.name for v in VERBS])
def test_the_options_of_each_verb_are_those_of_its_parser(verb: Verb) -> None:
    section = SECTIONS[f"ml-intern {verb.name}"]
    shared = SECTIONS["ml-intern run"] if "takes the options of `run`" in section else ""

    assert documented(EVERYWHERE) | documented(shared) | documented(section) == taken(verb)


def test_the_table_of_statuses_is_the_one_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \|$", SECTIONS["Exit status"], re.MULTILINE)

    assert {int(status): meaning for status, meaning in rows} == dict(MEANINGS)


def test_every_outcome_of_a_run_has_a_documented_status() -> None:
    assert set(EXIT_STATUS.values()) <= set(MEANINGS)
