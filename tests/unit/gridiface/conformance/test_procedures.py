"""Procedures as data: those we bring are well-formed and use what exists; mistakes are told with their file."""

from __future__ import annotations

import re

import pytest

from gridiface.conformance import expectations
from gridiface.conformance.dnp3 import Dnp3Session, Dnp3Target
from gridiface.conformance.http_session import HttpSession
from gridiface.conformance.http_wire import Wire
from gridiface.conformance.openadr import OpenAdrSession, OpenAdrTarget
from gridiface.conformance.procedures import PROTOCOLS, load_procedures, select
from gridiface.conformance.sep2 import Sep2Session
from gridiface.errors import ConfigError

SEP2 = {*HttpSession(Wire("h", 1, None), "x").actions} | {
    "follow", "pick", "every_link", "handshake", "as_utility", "plain", "near_now", "wait",
}  # fmt: skip
ACTIONS = {
    "sep2": SEP2,
    "openadr": {*OpenAdrSession(OpenAdrTarget(url="http://h")).actions},
    "dnp3": {*Dnp3Session(Dnp3Target(host="h", port=1)).actions},
}


def every(protocol):
    return [(procedure, step) for procedure in load_procedures(protocol) for step in procedure.steps]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_step_names_an_action_and_every_expectation_is_known(protocol):
    known = expectations.NAMES if protocol != "dnp3" else None
    for procedure, step in every(protocol):
        assert step.action in ACTIONS[protocol], procedure.id
        wanted = step.arguments.get("expect", {})
        if known is not None and isinstance(wanted, dict):
            assert set(wanted) <= known, procedure.id


def test_the_2030_5_session_has_the_actions_that_are_told_here():
    assert all(callable(getattr(Sep2Session, name)) for name in SEP2)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_procedure_expects_something(protocol):
    for procedure in load_procedures(protocol):
        asserted = [
            step
            for step in procedure.steps
            if step.arguments.get("expect")
            or step.action in {"every_link", "same", "near_now", "follow", "repeat", "register"}
        ]
        assert asserted, procedure.id


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ids_are_short_words_and_rules_are_named(protocol):
    for procedure in load_procedures(protocol):
        assert re.fullmatch(r"[A-Z][A-Za-z0-9.-]{2,30}", procedure.id)
        assert len(procedure.cites) > 5


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{}", "not a list"),
        ("- {id: A}", "id, title, cites and steps"),
        ("- {id: A, title: t, cites: c, steps: [], extra: 1}", "id, title, cites and steps"),
        ("- {id: A, title: t, cites: c, steps: []}", "at least one"),
        ("- {id: A, title: t, cites: c, steps: [{a: {}, b: {}}]}", "one-key"),
        ("- {id: A, title: t, cites: c, steps: [{a: }]}\n- {id: A, title: t, cites: c, steps: [{a: }]}", "twice"),
        ("- [", "cannot be read"),
    ],
)
def test_mistakes_are_told(tmp_path, text, word):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=word):
        load_procedures("dnp3", tmp_path)


def test_unknown_protocols_empty_folders_and_names_that_fit_nothing(tmp_path):
    with pytest.raises(ConfigError, match="no protocol"):
        load_procedures("modbus")
    with pytest.raises(ConfigError, match="no procedures"):
        load_procedures("dnp3", tmp_path)
    found = load_procedures("dnp3")
    assert [p.id for p in select(found, ["LINK-"])] == ["LINK-1", "LINK-2"]
    assert select(found, []) == found
    with pytest.raises(ConfigError, match="begins with 'X'"):
        select(found, ["X"])
