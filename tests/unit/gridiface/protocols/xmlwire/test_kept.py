"""What is written once stands in many documents, as if it had been written each time."""

from __future__ import annotations

import pytest

from gridiface.errors import LocalProtocolError
from gridiface.protocols.openadr.payloads.common import EiResponse
from gridiface.protocols.openadr.payloads.event import OadrResponse
from gridiface.protocols.xmlwire import encode, kept, plain

ANSWER = EiResponse(responseCode="200", responseDescription="a < b", requestID="r")


def test_the_text_is_the_same_and_made_once() -> None:
    shared = kept(EiResponse(responseCode="200", responseDescription="a < b", requestID="r"))
    first = encode(OadrResponse(eiResponse=shared, venID="A"))
    assert first == encode(OadrResponse(eiResponse=ANSWER, venID="A"))
    plain(shared).requestID = "changed, which nobody may do"
    assert encode(OadrResponse(eiResponse=shared, venID="B")) == encode(OadrResponse(eiResponse=ANSWER, venID="B"))


def test_who_reads_it_reads_the_object() -> None:
    assert kept(ANSWER).requestID == "r"
    assert plain(kept(ANSWER)) is ANSWER
    assert plain(ANSWER) is ANSWER


def test_what_is_not_valid_or_of_another_class_is_not_written() -> None:
    with pytest.raises(LocalProtocolError):
        encode(OadrResponse(eiResponse=kept(EiResponse(responseCode="x", requestID="r")), venID="A"))
    with pytest.raises(LocalProtocolError):
        encode(OadrResponse(eiResponse=kept(OadrResponse(eiResponse=ANSWER)), venID="A"))  # type: ignore[arg-type]  # a wrong class is the case
