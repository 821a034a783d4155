"""Wire objects as JSON: there and back, for every type; faults name their place."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.sep2.resources import ELEMENTS, DERControl, TextMessage
from gridiface.protocols.xmlwire.json_form import from_json, to_json
from gridiface.protocols.xmlwire.samples import sample

#: What they hold may be of any type, which JSON does not say.
OPEN = {"Notification", "NotificationList", "ResponseList"}


def test_there_and_back_is_the_same_for_every_type() -> None:
    for name in sorted(set(ELEMENTS) - OPEN):
        for optionals in (0.0, 1.0):
            obj = sample(ELEMENTS[name], Random(3), optionals=optionals)
            assert from_json(type(obj), to_json(obj)) == obj, name


@pytest.mark.parametrize(
    ("data", "detail", "place"),
    [
        ({}, 0, "needs mRID"),
        ([], 0, "is an object"),
        ({"mRID": "AB", "more": 1}, 0, "has no more"),
        ({"mRID": "XY"}, 1, "mRID"),
        ({"mRID": 1.5}, 0, "mRID"),
        ({"mRID": "AB", "creationTime": "now"}, 1, "creationTime"),
    ],
)
def test_faults_name_their_place(data: Any, detail: int, place: str) -> None:
    with pytest.raises(RemoteProtocolError, match=place) as problem:
        from_json(TextMessage, data)
    assert problem.value.detail == detail


def test_numbers_and_truth_may_be_texts() -> None:
    control = sample(DERControl, Random(1))
    as_text = {k: str(v) if isinstance(v, int) else v for k, v in to_json(control).items()}
    assert from_json(DERControl, as_text) == control
