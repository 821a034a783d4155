"""Verbs load when they are called; the table says of each what the verb itself says."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gridiface.cli.lazy import COLUMNS, LazyGroup, Verb, flowing, joined, pasteable
from gridiface.cli.main import Verbs, app

RUN = CliRunner()


@pytest.mark.parametrize("verb", Verbs.verbs, ids=lambda v: v.name)
def test_the_row_says_what_the_verb_says(verb: Verb) -> None:
    loaded = verb.load()
    assert loaded.name == verb.name
    first = (loaded.help or "").strip().split("\n\n")[0]
    assert " ".join(first.split()) == verb.help


def test_help_lists_every_verb_and_loads_none() -> None:
    group = get_command(app)
    assert isinstance(group, LazyGroup)
    text = RUN.invoke(app, ["--help"]).output
    assert [verb.name for verb in Verbs.verbs if verb.name not in text] == []
    assert type(group.commands["serve"]) is type(Verbs.verbs[0].row())
    assert not group.commands["serve"].params


def test_a_verb_loads_with_its_own_options() -> None:
    group = get_command(app)
    assert isinstance(group, LazyGroup)
    group.load("version")
    group.load("no such verb")
    assert "--json" in [option for parameter in group.commands["version"].params for option in parameter.opts]
    assert not group.commands["serve"].params
    group.load_all()
    assert all(
        group.commands[verb.name].params or hasattr(group.commands[verb.name], "commands") for verb in Verbs.verbs
    )


def test_an_unknown_verb_gets_a_suggestion() -> None:
    result = RUN.invoke(app, ["serv"])
    assert result.exit_code == 2
    assert "'serve'" in result.output


def test_the_entry_point_imports_no_server() -> None:
    heavy = "aiohttp numpy sqlalchemy pydantic lxml pymodbus gridiface.app gridiface.store"
    probe = f"import sys, gridiface.cli.main; print([n for n in {heavy.split()!r} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


def test_paragraphs_of_a_help_are_one_line_each_and_examples_stay() -> None:
    text = "Do it.\n\nLong words\nof two lines.\n\n- one\n- two\n\nExample: a\nthen:    b\n\n    as it is\n    here"
    assert flowing(text) == text.replace("words\nof", "words of")


def test_no_help_breaks_its_lines_by_itself() -> None:
    group = get_command(app)
    assert isinstance(group, LazyGroup)
    group.load("demo")
    assert "the server's VEN opts in, the fleet follows" in (group.commands["demo"].help or "")


def test_a_long_example_is_broken_as_a_shell_joins_it() -> None:
    """Broken by the terminal, its first half ran without the rest: a device was added, and to no group."""
    asked = '  Example: gridiface device add b7 --driver sunspec -c host=10.0.0.17 -c unit_id=1 --reason "as it is"'
    said = "Says so.\n\n" + asked + "\n  then:    gridiface device list\n\nWords that go on and on" + " and on" * 20
    broken = pasteable(said)
    assert broken.splitlines()[2:4] == [
        "  Example: gridiface device add b7 --driver sunspec -c host=10.0.0.17 \\",
        '      -c unit_id=1 --reason "as it is"',
    ]
    assert joined(broken) == said
    assert pasteable(broken) == broken


def test_no_example_is_wider_than_a_terminal() -> None:
    def helps(command: object) -> list[str]:
        inner = getattr(command, "commands", {}).values()
        return [getattr(command, "help", "") or "", *(text for one in inner for text in helps(one))]

    shown = [text for verb in Verbs.verbs for text in helps(verb.load())]
    lines = [
        line for text in shown for part in text.split("\n\n") if "gridiface " in part for line in part.splitlines()
    ]
    commands = [line for line in lines if "Example: " in line or line.endswith(" \\")]
    assert len(commands) > 150
    assert [line for line in commands if len(line) > COLUMNS] == []
