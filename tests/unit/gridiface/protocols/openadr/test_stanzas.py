"""The XMPP profile as names: discovery items, errors and statuses both ways, payloads from an IQ's child."""

from __future__ import annotations

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.payloads.envelope import encode_payload
from gridiface.protocols.openadr.payloads.event import OadrPoll
from gridiface.protocols.openadr.stanzas import (
    PAYLOAD_TAG,
    SERVICES,
    error_of,
    payload_of,
    service_node,
    service_of_local_part,
    services_of,
    status_of,
)


def test_the_nodes_are_those_of_the_profile():
    assert service_node("EiEvent") == "http://openadr.org/OpenADR2/EiEvent"
    assert PAYLOAD_TAG == "{http://openadr.org/oadr-2.0b/2012/07}oadrPayload"


def test_items_name_the_jid_of_each_service_and_the_first_counts():
    items = [("event@vtn.x", service_node("EiEvent")), ("b@vtn.x", service_node("EiEvent")), ("c@vtn.x", "other")]
    assert services_of(items) == {"EiEvent": "event@vtn.x"}


def test_local_parts_are_folded_by_servers():
    assert [service_of_local_part(service.lower()) for service in SERVICES] == list(SERVICES)
    assert service_of_local_part("mallory") == ""


@pytest.mark.parametrize("status", [403, 404, 406, 413, 500, 503])
def test_a_status_comes_back_as_itself(status):
    assert status_of(error_of(status).condition) == status


def test_a_condition_that_says_nobody_is_there_may_be_tried_again():
    assert status_of("service-unavailable") is None
    assert status_of("remote-server-timeout") is None


def test_a_payload_comes_whole_and_anything_else_is_refused_with_406():
    assert payload_of(encode_payload(OadrPoll(venID="V"))) == OadrPoll(venID="V")
    with pytest.raises(RemoteProtocolError) as refused:
        payload_of(b"<oadrPayload/>")
    assert refused.value.answer == 406


def test_a_payload_may_be_as_large_as_over_http():
    large = encode_payload(OadrPoll(venID="V")).replace(b"</", b" " * 900_000 + b"</", 1)
    assert payload_of(large).venID.strip() == "V"
    with pytest.raises(RemoteProtocolError) as refused:
        payload_of(large + b" " * 200_000)
    assert refused.value.answer == 413
