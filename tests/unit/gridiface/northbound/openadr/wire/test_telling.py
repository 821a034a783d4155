"""What the trace is told of a request over simple HTTP."""

from __future__ import annotations

from gridiface.northbound.openadr.wire.telling import exchanged
from gridiface.protocols.openadr.exchange import HttpMessage


def test_a_request_is_told_by_its_service_and_payloads() -> None:
    asked = HttpMessage(
        0, {}, b"<p:oadrPayload><p:oadrSignedObject><p:oadrPoll/></p:oadrSignedObject>", "POST", "/x/OadrPoll"
    )
    said = HttpMessage(200, {}, b"<oadrPayload><oadrSignedObject><oadrResponse >")
    found = exchanged(asked, said, "AA:BB", "10.0.0.1", at=17.0, received=True)
    assert found.what == "OadrPoll oadrPoll \u2192 200 oadrResponse"
    assert found.at == 17.0
    assert found.text().startswith("POST /x/OadrPoll")
    assert "oadrResponse" in found.text()
    assert found.size == len(asked.body) + len(said.body)


def test_nothing_in_it_breaks_the_trace() -> None:
    asked = HttpMessage(0, {}, b"\xff\x00", "POST", "")
    found = exchanged(asked, HttpMessage(400, {}, b""), "", "", at=0.0, received=False)
    assert found.what == "\u2192 400"
    assert "\ufffd" in found.text()
