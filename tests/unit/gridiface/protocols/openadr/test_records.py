"""State as JSON documents."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from enum import StrEnum

import pytest

from gridiface.errors import LocalProtocolError
from gridiface.protocols.openadr import records
from gridiface.protocols.openadr.payloads.common import EiTarget
from gridiface.protocols.openadr.payloads.event import OadrPoll
from gridiface.protocols.openadr.payloads.opt import OadrCancelOpt
from gridiface.protocols.openadr.times import CalendarDuration


class Colour(StrEnum):
    RED = "red"


@dataclass
class Inner:
    number: int = 1
    span: int = 0


@dataclass
class Outer:
    text: str
    maybe: float | None = None
    colour: Colour = Colour.RED
    inner: Inner = field(default_factory=Inner)
    several: list[Inner] = field(default_factory=list)
    named: dict[str, Inner] = field(default_factory=dict)
    numbered: dict[int, str] = field(default_factory=dict)
    pair: tuple[float, ...] = ()
    words: frozenset[str] = frozenset()
    target: EiTarget = field(default_factory=EiTarget)
    payload: OadrPoll | OadrCancelOpt | None = None


def test_everything_comes_back():
    made = Outer(
        text='ü "\n',
        maybe=float("inf"),
        inner=Inner(2, CalendarDuration(3, 60)),
        several=[Inner(1), Inner(2)],
        named={"a": Inner(7)},
        numbered={4: "four"},
        pair=(1.0, -2.5),
        words=frozenset({"b", "a"}),
        target=EiTarget(venID=["v"], resourceID=["r1", "r2"]),
        payload=OadrCancelOpt(requestID="r", optID="o", venID="v"),
    )
    back = records.load(Outer, records.dump(made))
    assert back == made
    assert back.inner.span.months == 3
    assert records.dump(back) == records.dump(made)


def test_fields_of_other_versions_are_ignored_or_take_their_defaults():
    assert records.load(Inner, b'{"number":3,"later":[]}') == Inner(number=3)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"inner":{"number":1}}', b'{"text":"x","colour":"blue"}'])
def test_a_damaged_document_is_said_to_be_one(body):
    with pytest.raises(LocalProtocolError):
        records.load(Outer, body)


def test_an_unchanged_record_gives_the_same_bytes():
    made = Outer(text="x", words=frozenset("cab"))
    assert records.dump(made) == records.dump(dataclasses.replace(made))
