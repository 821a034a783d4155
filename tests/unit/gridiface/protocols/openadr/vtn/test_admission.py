"""Rules 509 and 511: a payload says its version and comes to its service."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.protocols.openadr.answers import Refusal, ok
from gridiface.protocols.openadr.payloads.envelope import decode_payload, encode_payload
from gridiface.protocols.openadr.payloads.event import OadrPoll, OadrResponse
from gridiface.protocols.openadr.payloads.registration import OadrCreatePartyRegistration, OadrQueryRegistration
from gridiface.protocols.openadr.vtn import Peer, Ven, Vtn, VtnConfig
from gridiface.protocols.openadr.vtn.admission import check_service

SAID = b' ei:schemaVersion="2.0b"'
OTHER = [b"", b' ei:schemaVersion="2.0a"', b' ei:schemaVersion="x-2"']
CREATE = OadrCreatePartyRegistration(
    requestID="r",
    oadrProfileName="2.0b",
    oadrTransportName="simpleHttp",
    oadrReportOnly=False,
    oadrXmlSignature=False,
    oadrHttpPullModel=True,
)


def vtn_with(**more: Any) -> Vtn:
    ids = iter(f"ID{number}" for number in range(1000))
    vtn = Vtn(VtnConfig(vtn_id="VTN", open_registration=True, **more), lambda: next(ids))
    vtn.put_ven(Ven(venID="A", registrationID="R"))
    return vtn


def code_of(vtn: Vtn, payload: Any, version: bytes) -> str:
    document = encode_payload(payload)
    assert SAID in document
    said: Any = vtn.handle(decode_payload(document.replace(SAID, version))[0], Peer(), 0.0).reply
    return str(said.eiResponse.responseCode)


@pytest.mark.parametrize("version", OTHER)
@pytest.mark.parametrize("payload", [OadrPoll(venID="A"), OadrQueryRegistration(requestID="r"), CREATE])
def test_r509_another_version_or_none_gets_459_in_the_payload_that_fits(payload: Any, version: bytes) -> None:
    vtn = vtn_with()
    assert code_of(vtn, payload, version) == "459"
    assert len(vtn.vens) == 1
    assert code_of(vtn, payload, SAID) == "200"
    assert code_of(vtn, payload, b' schemaVersion="2.0b"') == "200"  # the prefix alone is forgotten


def test_r509_a_version_may_be_left_out_where_that_is_configured_for_the_ven_or_for_all() -> None:
    assert code_of(vtn_with(version_optional_of=frozenset({"A"})), OadrPoll(venID="A"), b"") == "200"
    assert code_of(vtn_with(version_optional_of=frozenset({"B"})), OadrPoll(venID="A"), b"") == "459"
    everybody = vtn_with(version_optional=True)
    assert code_of(everybody, CREATE, b"") == "200"
    assert code_of(everybody, OadrPoll(venID="A"), OTHER[1]) == "459"


def test_r509_nobody_is_held_to_a_version_that_the_transport_loses() -> None:
    vtn = vtn_with()
    document = encode_payload(OadrPoll(venID="A"))
    for version, code in ((b"", "200"), (OTHER[1], "459")):
        payload = decode_payload(document.replace(SAID, version))[0]
        said: Any = vtn.handle(payload, Peer(version_lost=True), 0.0).reply
        assert str(said.eiResponse.responseCode) == code


def test_r517_who_is_not_registered_is_told_that_first() -> None:
    vtn = vtn_with()
    vtn.put_ven(Ven(venID="new"))
    assert code_of(vtn, OadrPoll(venID="new"), b"") == "463"


def test_r511_a_payload_at_another_service_is_refused() -> None:
    check_service(OadrPoll(venID="A"), "OadrPoll")
    check_service(OadrPoll(venID="A"), "")
    with pytest.raises(Refusal) as refused:
        check_service(OadrPoll(venID="A"), "EiEvent")
    assert refused.value.answer == 459
    check_service(OadrResponse(eiResponse=ok("r"), venID="A"), "EiReport")  # answers payloads of every service
