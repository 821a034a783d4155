"""Advice of the server in the words of the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gridiface import operator
from gridiface.cli.main import app
from gridiface.cli.places.hints import VERBS, as_verbs

#: Lists that no verb shows by itself.
_WITHOUT = {"session/all"}


@pytest.mark.parametrize("verb", sorted(VERBS.values()))
def test_each_verb_is_there(verb: str) -> None:
    assert CliRunner().invoke(app, [*verb.split(), "--help"]).exit_code == 0


def test_every_list_that_the_server_names_has_its_verb() -> None:
    folder = Path(next(iter(operator.__path__)))
    sources = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    named = set(re.findall(r"GET /api/v1/(\S+) lists ", sources))
    assert {route for route in named if as_verbs(f"GET /api/v1/{route} lists ").startswith("GET")} == _WITHOUT


def test_routes_become_verbs_and_the_rest_stays() -> None:
    assert as_verbs("GET /api/v1/groups lists them") == "`gridiface group list` lists them"
    assert as_verbs("GET /api/v1/dnp3/outstations/a;b/points lists them") == "`gridiface dnp3 live 'a;b'` lists them"
    assert as_verbs("GET /api/v1/dnp3/outstations/gw/masters lists them") == "`gridiface dnp3 masters gw` lists them"
    assert as_verbs("GET /api/v1/dnp3/outstations shows what is blocked").startswith("`gridiface dnp3 stations` shows")
    for other in ("do this", "GET /api/v1/session/all lists them", "read GET /api/v1/groups and send its `csrf`"):
        assert as_verbs(other) == other
