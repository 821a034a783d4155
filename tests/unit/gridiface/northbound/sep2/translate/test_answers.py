"""The table "What we answer" of the translation page."""

from __future__ import annotations

import pytest

from gridiface.domain.controls import Acceptance, OutcomeKind, Verdict
from gridiface.northbound.sep2.translate.answers import (
    DER_STATUSES,
    acceptance_to_http,
    outcome_to_status,
    status_to_outcome,
    verdict_to_status,
    wants_response,
)


@pytest.mark.parametrize(
    ("verdict", "http", "status"),
    [
        (Verdict.ACCEPTED, 201, None),
        (Verdict.PARTIAL, 201, None),
        (Verdict.SUPERSEDED, 201, 14),
        (Verdict.UNSUPPORTED, 400, 252),
        (Verdict.INVALID, 400, 253),
        (Verdict.LATE, 400, 254),
        (Verdict.BLOCKED, 409, 4),
        (Verdict.NOT_ALLOWED, 403, 253),
    ],
)
def test_every_verdict_has_its_answer(verdict: Verdict, http: int, status: int | None) -> None:
    assert acceptance_to_http(Acceptance(control_id="c", verdict=verdict)).status == http
    assert verdict_to_status(verdict) == status


@pytest.mark.parametrize(
    ("kind", "status"),
    [(OutcomeKind.RECEIVED, 1), (OutcomeKind.STARTED, 2), (OutcomeKind.COMPLETED, 3), (OutcomeKind.CANCELLED, 6),
     (OutcomeKind.SUPERSEDED, 7), (OutcomeKind.PARTIAL, 8), (OutcomeKind.FAILED, 10), (OutcomeKind.REFUSED, 253)],
)  # fmt: skip
def test_every_outcome_has_its_status(kind: OutcomeKind, status: int) -> None:
    assert outcome_to_status(kind) == status


def test_superseded_before_the_start_is_an_abort() -> None:
    assert outcome_to_status(OutcomeKind.SUPERSEDED, started=False) == 14


@pytest.mark.parametrize(
    ("reason", "status"),
    [("unsupported: no such mode", 252), ("late", 254), ("blocked: local mode", 4), ("superseded", 14), ("other", 253)],
)
def test_the_reason_of_a_refusal_chooses_its_status(reason: str, status: int) -> None:
    assert outcome_to_status(OutcomeKind.REFUSED, reason) == status


@pytest.mark.parametrize("status", sorted(DER_STATUSES))
def test_every_status_of_a_device_is_a_step_or_an_opt_in(status: int) -> None:
    step = status_to_outcome(status)
    assert (step is None) == (status == 5)
    if step is not None and step[0] is OutcomeKind.REFUSED:
        assert outcome_to_status(step[0], step[1]) in {14, 252, 253, 254}


def test_message_statuses_are_not_for_controls() -> None:
    assert not DER_STATUSES & {0, 11, 12, 15, 251, 255}
    assert len(DER_STATUSES) == 15


@pytest.mark.parametrize(
    ("mask", "status", "wanted"),
    [(None, 1, False), (0, 2, False), (1, 1, True), (1, 2, False), (2, 1, False), (2, 3, True), (4, 4, True),
     (4, 2, False), (3, 4, True), (7, 14, True)],
)  # fmt: skip
def test_only_what_the_mask_asks_for(mask: int | None, status: int, wanted: bool) -> None:
    assert wants_response(mask, status) is wanted
