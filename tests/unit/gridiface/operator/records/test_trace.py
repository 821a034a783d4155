"""The protocol trace: bounded, searched, with the device's name."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.traffic import Passed
from gridiface.operator.records import trace as module
from gridiface.operator.records.trace import Trace


def passed(what: str, *, protocol: str = "sep2", peer: str = "AA", size: int = 10, text: str = "<xml/>") -> Passed:
    return Passed(
        at=1.0,
        protocol=protocol,
        received=True,
        peer=peer,
        address="127.0.0.1",
        what=what,
        size=size,
        text=lambda: text,
    )


def test_newest_first_and_found_by_anything_it_says() -> None:
    trace = Trace(devices=lambda: {"AA": "inverter1"})
    trace.note(passed("GET /dcap"))
    trace.note(passed("POST /rsps", text="<mRID>77FE</mRID>", peer="BB"))
    trace.note(passed("oadrPoll", protocol="openadr", peer="CC"))
    assert [line.passed.what for line in trace.find()] == ["oadrPoll", "POST /rsps", "GET /dcap"]
    for wanted, found in (("77fe", "POST /rsps"), ("INVERTER1", "GET /dcap"), ("dcap", "GET /dcap")):
        assert [line.passed.what for line in trace.find(text=wanted)] == [found]
    assert len(trace.find(protocol="openadr")) == 1
    assert [line.passed.what for line in trace.find(peer="inverter1")] == ["GET /dcap"]
    assert [line.number for line in trace.find(after=2)] == [3]
    assert len(trace.find(limit=1)) == 1
    assert trace.line(2) is not None
    assert trace.line(9) is None


def test_messages_and_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    trace = Trace()
    for number in range(5):
        trace.note(passed(str(number)))
    assert (len(trace), trace.dropped) == (3, 2)
    monkeypatch.setattr(module, "BYTES", 100)
    trace.note(passed("large", size=95))
    assert [line.passed.what for line in trace.find()] == ["large"]


def test_long_messages_are_cut_and_a_pause_keeps_nothing() -> None:
    trace = Trace()
    trace.note(passed("long", text="x" * (module.SHOWN + 5)))
    assert trace.find()[0].text().endswith("... cut")
    trace.paused = True
    trace.note(passed("not kept"))
    assert len(trace) == 1


async def test_over_rest_and_on_the_page_for_engineers_only(house: Any) -> None:
    house.desk.trace.note(passed("GET /edev", text="<EndDevice>&</EndDevice>"))
    for path in ("/trace", "/trace/1", "/api/v1/trace", "/api/v1/trace/1"):
        status, _, _ = await house.ask("GET", path, allow_redirects=False)
        assert status == (401 if path.startswith("/api/") else 303)
        assert (await house.ask("GET", path, scope="read"))[0] == 403
    _, found, _ = await house.ask("GET", "/api/v1/trace?text=enddevice&whole=true", scope="configure")
    assert found["messages"][0]["text"] == "<EndDevice>&</EndDevice>"
    _, found, _ = await house.ask("GET", "/api/v1/trace?protocol=dnp3", scope="configure")
    assert found["messages"] == []
    _, found, _ = await house.ask("GET", "/api/v1/trace/1", scope="configure")
    assert found["what"] == "GET /edev"
    assert (await house.ask("GET", "/api/v1/trace/x", scope="configure"))[0] == 404
    _, text, _ = await house.ask("GET", "/trace", scope="configure")
    assert "GET /edev" in text
    _, text, _ = await house.ask("GET", "/trace/1", scope="configure")
    assert "&lt;EndDevice&gt;&amp;" in text
    assert (await house.ask("GET", "/trace/7", scope="configure"))[0] == 404
