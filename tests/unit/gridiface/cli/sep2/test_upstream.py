"""`gridiface upstream`: which request each verb makes, what it shows, and the check without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.cli.sep2.upstream import app
from gridiface.errors import GridifaceError
from gridiface.northbound.sep2.upstream import finding
from gridiface.protocols.sep2.discovery import FoundServer

ROW = {
    "name": "utility", "server": "u:443", "state": "connected", "last_answer": 1.7e9, "clock_offset_s": 0.0,
    "devices": [{"id": "d1", "lfdi": "AB", "href": "/edev/2", "listed": True,
                 "programs": [{"mRID": "AA", "primacy": 4, "description": "feeder"}]},
                {"id": "d2", "lfdi": "CD", "href": None, "listed": False, "programs": []}],
    "events_live": 3, "waiting": 7, "trouble": "", "unknown_devices": ["EF"],
}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "/sep2/upstreams": {"upstreams": [ROW]},
    "/sep2/upstreams/utility": ROW,
    "/sep2/upstreams/utility/poll": ROW,
    "/sep2/upstreams/utility/resources": {
        "resources": [{"href": "/derp", "resource": "DERProgramList", "members": 2, "fetched_at": None,
                       "next_at": 1.7e9, "failures": 1, "subscribed": True}]
    },
    "/sep2/upstreams/utility/events": {
        "events": [{"mRID": "C0", "description": "peak", "target": "d1", "modes": ["opModTargetW"], "primacy": 4,
                    "phase": "active", "over": False, "begins": 1.7e9, "ends": 1.7e9, "answered": [1, 2]}]
    },
}  # fmt: skip


@pytest.fixture
def server(asked: Any) -> Any:
    """Answers from the table above."""
    asked.answers = ANSWERS
    return asked


@pytest.mark.parametrize(
    ("words", "request_", "shown"),
    [
        (["list"], ("GET", "/sep2/upstreams", {}), ["connected", "1 of 2", "7"]),
        (["show", "utility"], ("GET", "/sep2/upstreams/utility", {}), ["4 feeder", "not listed", "EF"]),
        (
            ["resources", "utility"],
            ("GET", "/sep2/upstreams/utility/resources", {"limit": 1000}),
            ["/derp", "DERProgramList"],
        ),
        (
            ["events", "utility", "--limit", "5"],
            ("GET", "/sep2/upstreams/utility/events", {"limit": 5}),
            ["peak", "1 2"],
        ),
        (
            ["poll", "utility", "--reason", "why"],
            ("POST", "/sep2/upstreams/utility/poll", {"reason": "why"}),
            ["read anew"],
        ),
    ],
)
def test_each_verb_asks_and_shows(server: Any, words: list[str], request_: Any, shown: list[str]) -> None:
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0, answer.output
    assert server.requests == [request_]
    assert all(text in answer.output for text in shown), answer.output
    assert json.loads(CliRunner().invoke(app, [*words, "--json"]).output)


def test_a_check_of_a_file_without_upstreams_says_so(tmp_path: Path) -> None:
    file = tmp_path / "gridiface.yaml"
    file.write_text("site: home\n")
    answer = CliRunner().invoke(app, ["check", str(file)])
    assert isinstance(answer.exception, GridifaceError)
    assert "there are: none" in str(answer.exception)


def test_find_shows_who_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def find_servers(*how: Any, **more: Any) -> list[FoundServer]:
        asked.append((how, more))
        return [FoundServer("S._smartenergy._tcp.site", "2001:db8::1", 8443, "/dcap", None, "-S1")]

    monkeypatch.setattr(finding, "find_servers", find_servers)
    made = CliRunner().invoke(app, ["find", "--interface", "eth1", "--subtype", "derp", "--json"])
    assert json.loads(made.output) == {
        "servers": [{"instance": "S._smartenergy._tcp.site", "url": "https://[2001:db8::1]:8443/dcap", "path": None,
                     "level": "-S1"}]
    }  # fmt: skip
    assert asked == [(("xmdns", ["eth1"], "derp"), {"wait_s": 3.0, "port": 5353})]
    assert "2001:db8::1" in CliRunner().invoke(app, ["find"]).output
    wrong = CliRunner().invoke(app, ["find", "--transport", "dns"])
    assert "mdns, xmdns" in str(wrong.exception)
