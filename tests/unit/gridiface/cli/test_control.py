"""`gridiface control`: what it says of events and times; the verbs themselves run in tests/loopback/operator."""

from __future__ import annotations

import time

import pytest
from typer.testing import CliRunner

from gridiface.cli.control import lines_of
from gridiface.cli.main import app
from gridiface.cli.places.event_stream import Event
from gridiface.cli.places.remote import Remote
from gridiface.errors import ConfigError


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            Event("", "outcome", {"control": "c", "device": None, "step": "started", "at": 0.0, "reason": "now"}),
            "1970-01-01 00:00:00 the whole control: started now [c]",
        ),
        (
            Event("", "deliveries", {"deliveries": [{"device": "d", "outcome": "timeout", "detail": "", "at": 1.0}]}),
            "1970-01-01 00:00:01 d: set-point timeout",
        ),
        (Event("", "gap", {"detail": "lost"}), "gap: lost"),
    ],
)
def test_event_is_one_line(event: Event, line: str) -> None:
    assert lines_of(event) == [line]


@pytest.mark.parametrize("given", ["+600", "2036-07-01T10:00:00Z", "5"])
def test_a_start_is_from_now_on_or_as_the_server_reads_it(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, object]] = []

    def post(_: Remote, path: str, body: dict[str, object], **more: object) -> dict[str, object]:
        sent.append(body)
        return {"will_run": True, "verdict": "accepted"}

    monkeypatch.setattr(Remote, "post", post)
    begun = time.time()
    words = ["control", "send", "set_w=1", "--group", "g", "--start", given, "--json"]
    assert CliRunner().invoke(app, words).exit_code == 0
    start = sent[0]["start"]
    assert start == given or (isinstance(start, float) and start >= begun + 600)


@pytest.mark.parametrize("given", ["set_w", "set_w=", "set_w=abc", "set_w=1e999", "set_w=nan"])
def test_what_is_no_number_is_not_sent(given: str) -> None:
    result = CliRunner().invoke(app, ["control", "send", given, "--group", "fleet", "--url", "http://127.0.0.1:1"])
    assert isinstance(result.exception, ConfigError)
    assert "MODE=NUMBER" in str(result.exception)
