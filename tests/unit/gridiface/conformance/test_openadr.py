"""Targets and envelopes; the procedures themselves run in tests/loopback/test_conformance.py."""

from __future__ import annotations

import pytest

from gridiface.conformance.openadr import OpenAdrSession, OpenAdrTarget, envelope
from gridiface.errors import ConfigError
from gridiface.protocols.openadr.payloads.envelope import decode_payload


def test_an_envelope_is_a_payload_that_the_core_reads():
    document = envelope('<oadr:oadrPoll ei:schemaVersion="2.0b"><ei:venID>V</ei:venID></oadr:oadrPoll>')
    payload, _ = decode_payload(document.encode())
    assert payload.venID == "V"


def test_targets():
    session = OpenAdrSession(OpenAdrTarget(url="http://h.test:8080/pre/", ven_id="V"))
    assert session.names["base"] == "/pre/OpenADR2/Simple/2.0b"
    assert session.wire.authority == "h.test:8080"
    assert OpenAdrTarget(url="http://h", ven_id="V").options == {"ven-id"}
    with pytest.raises(ConfigError, match="https needs"):
        OpenAdrSession(OpenAdrTarget(url="https://h.test"))
    with pytest.raises(ConfigError, match="write http"):
        OpenAdrSession(OpenAdrTarget(url="h.test"))
