"""`gridiface sep2`: which request each verb makes of the server, with its body word for word."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.cli.sep2.app import app
from gridiface.errors import ConfigError

LFDI = "3E4F45AB31EDFE5B67E343E5E4562E31984E23E5"
DEVICE = f"/sep2/end-devices/{LFDI}"
WHY = {"reason": "why"}
REASON = ["--reason", "why"]
CLIENTS = [
    (["client", LFDI], ("GET", DEVICE, {})),
    (
        ["register", LFDI, "--device", "inv-1", "--role", "aggregator", "--pin", "123455"],
        ("PUT", DEVICE, {"device": "inv-1", "role": "aggregator", "pin": 123455}),
    ),
    (["register", LFDI], ("PUT", DEVICE, {"device": None, "role": None, "pin": None})),
    (["unregister", LFDI], ("DELETE", DEVICE, {})),
    (["manage", LFDI, "inv-1", *REASON], ("POST", f"{DEVICE}/manage", {"device": "inv-1", **WHY})),
    (["release", LFDI, "inv-1", *REASON], ("POST", f"{DEVICE}/release", {"device": "inv-1", **WHY})),
    (["grant", LFDI, *REASON], ("POST", f"{DEVICE}/grant", WHY)),
    (["revoke", LFDI, *REASON], ("POST", f"{DEVICE}/revoke", WHY)),
    (["post-rate", LFDI, "60"], ("PUT", f"{DEVICE}/post-rate", {"seconds": 60})),
    (["empty-mirrors", "--of", LFDI, *REASON], ("POST", "/sep2/mirrors/empty", {"lfdi": LFDI, **WHY})),
    (["unsubscribe", "/edev/1/sub/1"], ("POST", "/sep2/subscriptions/cancel", {"path": "/edev/1/sub/1"})),
    (["reset", "--yes", *REASON], ("POST", "/sep2/reset", WHY)),
]
FLOW = [
    (
        ["flow-grant", "/edev/3/frq/1", "--power", "3000", "--start", "1700000000", "--duration", "60"],
        (
            "POST",
            "/sep2/flow-reservations/answer",
            {"path": "/edev/3/frq/1", "energy_wh": None, "power_w": 3000.0, "start": 1_700_000_000, "duration": 60,
             "reason": ""},
        ),
    ),
    (
        ["flow-refuse", "/edev/3/frq/1", *REASON],
        ("POST", "/sep2/flow-reservations/answer", {"path": "/edev/3/frq/1", "refuse": True, **WHY}),
    ),
    (
        ["flow-cancel", "/edev/3/frq/1", *REASON],
        ("POST", "/sep2/flow-reservations/cancel", {"path": "/edev/3/frq/1", **WHY}),
    ),
]  # fmt: skip
PROGRAMS = [
    (["programs", "--number", "3"], ("GET", "/sep2/programs/3", {})),
    (["assign", LFDI, "summer"], ("POST", "/sep2/assignments", {"lfdi": LFDI, "name": "summer"})),
    (["unassign", LFDI, "/edev/1/fsa/a1"],
     ("POST", "/sep2/assignments/remove", {"lfdi": LFDI, "path": "/edev/1/fsa/a1"})),
    (
        ["program", LFDI, "/edev/1/fsa/a1", "summer", "--primacy", "3"],
        ("POST", "/sep2/programs", {"lfdi": LFDI, "assignment": "/edev/1/fsa/a1", "name": "summer", "primacy": 3}),
    ),
    (["primacy", "4", "2"], ("PUT", "/sep2/programs/4/primacy", {"primacy": 2})),
    (["drop-program", "12"], ("DELETE", "/sep2/programs/12", {})),
    (
        ["control", "--device", "inv-1", "--set", "opModMaxLimW=5000", "--start", "1700000000", "--duration", "600"],
        (
            "POST",
            "/sep2/controls",
            {"base": {"opModMaxLimW": 5000}, "program": None, "device": "inv-1", "group": None, "node": False,
             "start": 1_700_000_000, "duration": 600, "randomize_start": 0, "randomize_duration": 0, "category": None,
             "responses": "03"},
        ),
    ),
]  # fmt: skip
RESOURCES = [
    (["show", "/derp/1/derc", "--from", "5", "--limit", "2"],
     ("GET", "/sep2/resource", {"href": "/derp/1/derc", "start": 5, "limit": 2})),
    (["create", "/msg", "--set", "mRID=0A", "--set", "primacy=0", "--group", "north"],
     ("POST", "/sep2/resource", {"path": "/msg", "resource": {"mRID": "0A", "primacy": 0}, "device": None,
                                 "group": "north"})),
    (["replace", "/ppy/1/os", "--set", "serviceStatus=1"],
     ("POST", "/sep2/resource/replace", {"path": "/ppy/1/os", "resource": {"serviceStatus": 1}})),
    (["cancel", "/derp/1/derc/3", "--randomised", *REASON],
     ("POST", "/sep2/resource/cancel", {"path": "/derp/1/derc/3", "randomised": True, **WHY})),
    (["remove", "/msg/1", *REASON], ("POST", "/sep2/resource/remove", {"path": "/msg/1", **WHY})),
    (["message", "Storm", "--group", "north", "--priority", "2", "--start", "1700000000", "--originator", "us"],
     ("POST", "/sep2/messages", {"text": "Storm", "device": None, "group": "north", "start": 1.7e9, "duration": 3600,
                                 "priority": 2, "language": "en", "originator": "us", "instead": None})),
    (["price", "0.31", "--currency", "978", "--tier", "2", "--instead", "/tp/1"],
     ("POST", "/sep2/prices", {"price": 0.31, "device": None, "group": None, "start": None, "duration": 3600,
                               "currency": 978, "tier": 2, "instead": "/tp/1"})),
    (["dr", "--set", "DutyCycle.normalValue=40", "--device", "inv-1", "--mandatory", "--primacy", "5"],
     ("POST", "/sep2/dr-events", {"asked": {"DutyCycle": {"normalValue": 40}}, "device": "inv-1", "group": None,
                                  "start": None, "duration": 3600, "randomize_start": 0, "randomize_duration": 0,
                                  "category": "00000000", "mandatory": True, "primacy": 5, "instead": None})),
]  # fmt: skip


@pytest.mark.parametrize(("words", "request_"), [*CLIENTS, *FLOW, *PROGRAMS, *RESOURCES])
def test_each_verb_asks_for_what_it_says(asked: Any, words: list[str], request_: Any) -> None:
    answer = CliRunner().invoke(app, [*words, "--json"])
    assert answer.exit_code == 0, (answer.output, answer.exception)
    assert asked.requests == [request_]


@pytest.mark.parametrize(
    ("verb", "path", "key"),
    [
        ("clients", "/sep2/end-devices", "end_devices"),
        ("flow", "/sep2/flow-reservations", "requests"),
        ("programs", "/sep2/programs", "programs"),
        ("subscriptions", "/sep2/subscriptions", "subscriptions"),
    ],
)
def test_a_list_asks_for_no_more_than_is_wanted(asked: Any, verb: str, path: str, key: str) -> None:
    answer = CliRunner().invoke(app, [verb, "--limit", "7", "--json"])
    assert json.loads(answer.output) == {key: []}
    assert asked.requests == [("GET", path, {"limit": 7})]


def test_a_reset_that_is_not_confirmed_asks_for_nothing(asked: Any) -> None:
    assert CliRunner().invoke(app, ["reset"], input="n\n").exit_code == 1
    assert asked.requests == []


def test_a_file_goes_as_it_is_and_one_that_is_not_there_goes_nowhere(asked: Any, tmp_path: Path) -> None:
    content = tmp_path / "firmware.bin"
    words = ["file", str(content), "--model", "M1", "--file-version", "2.0", "--maker", "40732", "--json"]
    assert isinstance(CliRunner().invoke(app, words).exception, ConfigError)
    assert asked.requests == []
    content.write_bytes(bytes(range(256)))
    assert CliRunner().invoke(app, words).exit_code == 0
    [(method, path, body)] = asked.requests
    assert (method, path, base64.b64decode(body["content"])) == ("POST", "/sep2/files", bytes(range(256)))
    assert {k: body[k] for k in ("model", "version", "maker", "type")} == {
        "model": "M1", "version": "2.0", "maker": 40732, "type": "00"}  # fmt: skip
