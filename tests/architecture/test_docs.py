"""The documentation covers the code: generated pages are current, every verb and key is explained."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest
from typer.main import get_command

from gridiface.app.config import reference as config_reference
from gridiface.cli import reference
from gridiface.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = reference.pages(ROOT)
COMMANDS = dict(reference.commands(get_command(app)))


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_generated_page_is_current(path: Path) -> None:
    assert path.exists(), f"{path} is missing: run `make reference`"
    assert path.read_text() == PAGES[path](), f"{path} is not what the code says: run `make reference`"


@pytest.mark.parametrize("name", COMMANDS)
def test_verb_has_help_with_an_example(name: str) -> None:
    text = COMMANDS[name].help or ""
    assert "Example" in text, f"`{name} --help` has no example"


def examples(text: str) -> list[list[str]]:
    """The words of each example, as a shell takes them, as far as its first command goes."""
    found = re.findall(r"^ *(?:Example|then|or): *(gridiface .*)$", re.sub(r"\\ *\n *", "", text), re.MULTILINE)
    return [list(takewhile(lambda word: word not in {"&&", "|", ">", ";"}, shlex.split(line))) for line in found]


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_what_the_verb_takes(name: str) -> None:
    """No option that is not there, no word too few or too many, no value of another kind."""
    for words in examples(COMMANDS[name].help or ""):
        verb = max((one for one in COMMANDS if words[: len(one.split())] == one.split()), key=len)
        COMMANDS[verb].make_context(verb, words[len(verb.split()) :])


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_explained(name: str) -> None:
    unexplained = [p.name for p in COMMANDS[name].params if not getattr(p, "help", None) and p.name != "help"]
    assert not unexplained, f"`{name}`: no help for {unexplained}"


@pytest.mark.parametrize("name", COMMANDS)
def test_verb_offers_json(name: str) -> None:
    if name.endswith((" serve", " reference")):
        pytest.skip("serve runs until it is stopped; its records are in the log and on the page")
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts]
    assert "--json" in options


def test_every_key_is_on_the_page() -> None:
    page = config_reference.page()
    missing = [name for name, _ in config_reference.entries() if f"`{name}`" not in page]
    unexplained = [name for name, field in config_reference.entries() if not config_reference.meaning(field)]
    assert not missing
    assert not unexplained, f"keys without a description: {unexplained}"


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for part in page.read_text().split("](")[1:]:
            target = part.split(")")[0].split("#")[0]
            if target and "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert not broken
