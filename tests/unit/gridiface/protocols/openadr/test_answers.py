"""Which payload answers which, and how it refuses."""

from __future__ import annotations

import pytest

from gridiface.protocols.openadr.answers import (
    Code,
    Refusal,
    ok,
    refusal_of,
    request_id_of,
    response,
    succeeded,
    ven_id_of,
)
from gridiface.protocols.openadr.payloads.common import EiResponse
from gridiface.protocols.openadr.payloads.envelope import PAYLOADS, encode_payload
from gridiface.protocols.openadr.payloads.event import OadrResponse


@pytest.mark.parametrize("cls", PAYLOADS, ids=lambda cls: cls.__name__)
def test_every_payload_can_be_refused_in_a_valid_answer(cls, maker):
    for seed in range(5):
        payload = maker(seed).make(cls)
        answer = refusal_of(payload, Code.COMPLIANCE, "no", vtn_id="VTN", created=lambda e: OadrResponse(eiResponse=e))
        assert answer.eiResponse.responseCode == "459"
        assert answer.eiResponse.requestID == request_id_of(payload)
        assert encode_payload(answer)


@pytest.mark.parametrize("cls", PAYLOADS, ids=lambda cls: cls.__name__)
def test_ids_are_found_wherever_they_are(cls, maker):
    payload = maker(3).make(cls)
    assert isinstance(request_id_of(payload), str)
    assert ven_id_of(payload) is None or isinstance(ven_id_of(payload), str)


def test_success_is_the_second_class():
    assert succeeded(ok("r"))
    assert succeeded(EiResponse(responseCode="201", requestID=""))
    assert not succeeded(response(452, "", ""))
    assert not succeeded(EiResponse(responseCode="599", requestID=""))


def test_a_refusal_carries_its_code():
    assert Refusal(Code.INVALID_ID, "x").answer == 452
