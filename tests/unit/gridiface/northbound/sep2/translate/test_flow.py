"""What of a flow reservation can be granted, whatever is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.domain.controls import ControlMode
from gridiface.domain.fleet import Device, Nameplate
from gridiface.northbound.sep2.translate.flow import (
    Grant,
    grant_for,
    grant_to_control,
    grant_to_response,
    narrowed,
    reduced,
)
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    FlowReservationRequest,
    RequestStatus,
    SignedRealEnergy,
)


def request(
    energy: int, power: int, duration: int | None = None, start: int = 1000, window: int = 7200
) -> FlowReservationRequest:
    return FlowReservationRequest(
        mRID="F1",
        creationTime=0,
        durationRequested=duration,
        energyRequested=SignedRealEnergy(multiplier=0, value=energy),
        intervalRequested=DateTimeInterval(duration=window, start=start),
        powerRequested=ActivePower(multiplier=0, value=power),
        requestStatus=RequestStatus(dateTime=0, requestStatus=0),
    )


def device(charge: float = 0.0, discharge: float = 0.0) -> Device:
    return Device(id="a", nameplate=Nameplate(max_w=discharge, max_charge_w=charge))


@given(
    energy=st.integers(-(10**9), 10**9),
    power=st.integers(0, 32767),
    duration=st.none() | st.integers(0, 65535),
    window=st.integers(1, 10**6),
    now=st.integers(0, 10**6),
    rating=st.floats(0, 1e6),
)
def test_a_grant_is_never_more_than_was_asked_and_stays_in_its_window(
    energy: int, power: int, duration: int | None, window: int, now: int, rating: float
) -> None:
    sign = -1 if energy < 0 else 1
    asked = request(energy, sign * power, duration, window=window)
    grant = grant_for(asked, device(rating, rating), float(now))
    assert abs(grant.energy_wh) <= abs(energy)
    assert abs(grant.power_w) <= power
    assert grant.energy_wh * sign >= 0
    if not grant.is_empty:
        assert grant.start >= max(1000, now)
        assert grant.start + grant.duration <= 1000 + window
        assert abs(grant.energy_wh) <= abs(grant.power_w) * grant.duration / 3600 + 1e-6
        if rating > 0:
            assert abs(grant.power_w) <= rating


def test_charging_is_positive_on_the_wire_and_negative_for_the_domain() -> None:
    grant = grant_for(request(2000, 1000), device(), 0.0)
    assert grant == Grant(1000, 7200, 2000.0, 1000.0)
    control = grant_to_control(request(2000, 1000), grant, "a", "u", 10, 3)
    assert control.values[ControlMode.ENERGY_TARGET].value == -2000.0
    assert control.id == "sep2:flow:F1:3"
    back = grant_for(request(-2000, -1000), device(), 0.0)
    assert (back.energy_wh, back.power_w) == (-2000.0, -1000.0)


def test_what_the_engine_calls_feasible_reduces_power_and_energy() -> None:
    grant = Grant(0, 3600, 1000.0, 1000.0)
    assert reduced(grant, None) == grant
    assert reduced(grant, -5000.0) == grant
    assert reduced(grant, -400.0) == Grant(0, 3600, 400.0, 400.0)
    assert reduced(grant, 100.0).is_empty  # it would deliver instead of take


def test_a_grant_on_the_wire_answers_its_request() -> None:
    response = grant_to_response(request(2000, 1000), Grant(1000, 60, 5.4, 1000.0), "AB", 1000.0)
    assert (response.subject, response.energyAvailable.value, response.eventStatus.currentStatus) == ("F1", 5, 1)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((None, 2501.0, None, None), "the 2500 W that were asked for"),
        ((5001.0, None, None, None), "the 5000 Wh that were asked for"),
        ((None, None, 940, None), "60 s before the time"),
        ((None, None, 1600, 7000), "400 s after that time"),
        ((None, None, 8200, None), "1 s after that time"),
    ],
)
def test_what_is_more_than_was_asked_for_is_named(answer: tuple[float | None, ...], said: str) -> None:
    energy, power, start, duration = answer
    for sign in (1, -1):
        asked = request(sign * 5000, sign * 2500)
        with pytest.raises(ValueError, match=said):
            narrowed(
                asked, energy, power, None if start is None else int(start), None if duration is None else int(duration)
            )
    assert narrowed(request(5000, 2500), 5000.0, 2500.0, 1000, 7200).durationRequested == 7200
