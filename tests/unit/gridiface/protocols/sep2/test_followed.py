"""The values of a client's following of events: which responses a server asks for."""

from __future__ import annotations

import pytest

from gridiface.protocols.sep2.enums import ResponseStatus as Status
from gridiface.protocols.sep2.followed import wanted


@pytest.mark.parametrize(
    ("status", "mask", "answer"),
    [
        (Status.RECEIVED, 1, True),
        (Status.RECEIVED, 6, False),
        (Status.STARTED, 2, True),
        (Status.STARTED, 5, False),
        (Status.ABORTED_OTHER_PROGRAM, 2, True),
        (Status.OPTED_OUT, 4, True),
        (Status.OPTED_OUT, 3, False),
        (Status.COMPLETED_NO_PARTICIPATION, 4, True),
        (Status.REJECTED_INVALID, 1, True),
        (Status.REJECTED_INVALID, 2, True),
        (Status.REJECTED_INVALID, 4, False),
        (Status.COMPLETED, 0, False),
    ],
)
def test_only_wanted_responses_are_sent(status: Status, mask: int, answer: bool) -> None:
    assert wanted(status, mask) is answer
