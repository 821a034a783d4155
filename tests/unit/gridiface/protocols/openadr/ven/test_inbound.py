"""Which desk a payload of the VTN goes to, and how it is refused: always by an answer of its kind that names us."""

from __future__ import annotations

import pytest

from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.payloads import event, opt, registration, report


@pytest.fixture
def made(talk):
    conversation = talk()
    conversation.run()
    return conversation


@pytest.mark.parametrize(
    ("payload", "answer", "code"),
    [
        (opt.OadrCancelOpt(requestID="r", optID="o", venID=""), opt.OadrCanceledOpt, "459"),
        (report.OadrUpdateReport(requestID="r"), report.OadrUpdatedReport, "452"),
        (report.OadrRegisterReport(requestID="r"), report.OadrRegisteredReport, "200"),
        (report.OadrRegisterReport(requestID="r", venID="another"), report.OadrRegisteredReport, "452"),
        (registration.OadrRequestReregistration(venID="another"), event.OadrResponse, "452"),
        (
            registration.OadrCancelPartyRegistration(requestID="r", registrationID="another"),
            registration.OadrCanceledPartyRegistration,
            "452",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str | type) else "",
)
def test_a_push_is_answered_in_the_payload_that_fits_it(made, payload, answer, code):
    said = made.ven.receive_push(payload, made.now)
    assert type(said) is answer
    assert said.eiResponse.responseCode == code
    if hasattr(said, "venID"):
        assert said.venID == made.ven.registration.venID


def test_an_empty_answer_to_a_poll_is_no_payload(made):
    made.ven._inbound.answered("poll", None, made.now)
    made.ven._inbound.answered("poll", event.OadrResponse(eiResponse=ok("")), made.now)
    assert made.ven.waiting == 0
