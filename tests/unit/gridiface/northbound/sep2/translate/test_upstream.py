"""Events and defaults of a utility's server as controls of ours."""

from __future__ import annotations

from random import Random

import pytest

from gridiface.domain.controls import ControlMode, Target, TargetKind
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.translate.upstream import Origin, default_control, event_control
from gridiface.protocols.sep2.event_client import EventFollower
from gridiface.protocols.sep2.events import facts_of
from gridiface.protocols.sep2.followed import Followed
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DefaultDERControl,
    DERControl,
    DERControlBase,
    EventStatus,
    Link,
    TextMessage,
)

ORIGIN = Origin(
    upstream="utility",
    identity="F" * 40,
    lfdi="A" * 40,
    target=Target(TargetKind.DEVICE, "d1"),
    storage=True,
    authority=255.0,
    offset=1000.0,
)


def followed(base: DERControlBase, **more: int) -> Followed:
    event = DERControl(
        mRID="0C" * 16,
        description="peak",
        responseRequired=3,
        creationTime=5000,
        eventStatus=EventStatus(currentStatus=0, dateTime=5000, potentiallySuperseded=False),
        interval=DateTimeInterval(duration=100, start=6000),
        derControlBase=base,
        **more,
    )
    follower = EventFollower(Random(1))
    follower.update(event, facts_of(event, primacy=4, program="AA", server="s"), 5000)
    return follower.events["0C" * 16]


def test_times_are_ours_and_the_primacy_is_an_authority() -> None:
    base = DERControlBase(opModTargetW=ActivePower(multiplier=1, value=300), rampTms=500)
    control = event_control(followed(base, randomizeStart=30, randomizeDuration=-20), ORIGIN, 7, lambda _href: None)
    assert control.id == f"sep2-upstream:utility:{'0C' * 16}:{'A' * 40}~0007"
    assert (control.interval.start, control.interval.duration, control.created) == (5000, 100, 4000)
    assert control.effective is not None
    assert 5000 <= control.effective.start <= 5030
    assert 80 <= (control.effective.duration or 0) <= 100
    assert (control.source.authority, control.source.program) == (251.0, "utility/AA")
    assert (control.ramp_s, control.response_required, control.description) == (5.0, True, "peak")
    assert control.values[ControlMode.SET_W].value == 3000.0


def test_only_what_is_left_of_an_event_is_asked_for() -> None:
    found = followed(DERControlBase(opModConnect=True, opModMaxLimW=5000))
    found.remaining = frozenset({"opModConnect"})
    assert set(event_control(found, ORIGIN, 1, lambda _href: None).values) == {ControlMode.CONNECT}
    found.remaining = frozenset()
    with pytest.raises(RemoteProtocolError):
        event_control(found, ORIGIN, 1, lambda _href: None)


def test_a_curve_that_is_not_there_and_a_value_out_of_range_are_the_servers_mistakes() -> None:
    for base in (DERControlBase(opModVoltVar=Link(href="/dc/1")), DERControlBase(opModMaxLimW=20_000)):
        with pytest.raises(RemoteProtocolError):
            event_control(followed(base), ORIGIN, 1, lambda _href: None)


def test_other_events_are_no_controls() -> None:
    found = followed(DERControlBase(opModConnect=True))
    found.event = TextMessage(
        mRID="01", creationTime=1, eventStatus=found.event.eventStatus, interval=found.event.interval, priority=0,
        textMessage="x",
    )  # fmt: skip
    with pytest.raises(TypeError):
        event_control(found, ORIGIN, 1, lambda _href: None)


def test_a_default_stands_open_ended_and_one_of_gradients_only_is_none() -> None:
    default = DefaultDERControl(mRID="DD", setGradW=27, derControlBase=DERControlBase(opModMaxLimW=4000))
    control = default_control(default, "AA", 4, ORIGIN, lambda _href: None, 10.0)
    assert control is not None
    assert (control.is_default, control.interval.duration, control.extra["setGradW"]) == (True, None, "27")
    assert control.id == f"sep2-upstream:utility:default:AA:{'A' * 40}"
    empty = DefaultDERControl(mRID="DD", setGradW=27, derControlBase=DERControlBase())
    assert default_control(empty, "AA", 4, ORIGIN, lambda _href: None, 10.0) is None
