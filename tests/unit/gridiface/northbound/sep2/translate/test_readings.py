from __future__ import annotations

import pytest

from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.telemetry import Quality
from gridiface.northbound.sep2.translate.readings import (
    direction_sign,
    is_telemetry,
    meaning_of,
    mirror_to_readings,
    quality_of,
    readings_to_snapshots,
)
from gridiface.protocols.sep2.resources import (
    DateTimeInterval,
    MirrorMeterReading,
    MirrorReadingSet,
    Reading,
    ReadingType,
)


def mirror(*values: tuple[int, int]) -> MirrorMeterReading:
    readings = [Reading(value=v, timePeriod=DateTimeInterval(start=at, duration=10)) for at, v in values]
    period = DateTimeInterval(start=0, duration=100)
    return MirrorMeterReading(
        mRID="A", mirrorReadingSet=[MirrorReadingSet(mRID="B", timePeriod=period, reading=readings)]
    )


@pytest.mark.parametrize(
    ("uom", "flow", "multiplier", "quantity", "value"),
    [
        (38, 19, 0, Quantity.ACTIVE_POWER, 42.0),  # reverse: delivered
        (38, 1, 0, Quantity.ACTIVE_POWER, -42.0),  # forward: received
        (38, 0, 3, Quantity.ACTIVE_POWER, 42_000.0),  # no direction: the sign is ours
        (63, 19, 0, Quantity.REACTIVE_POWER, 42.0),
        (63, 1, 0, Quantity.REACTIVE_POWER, -42.0),
        (29, 1, -1, Quantity.VOLTAGE, 4.2),
        (33, 1, -2, Quantity.FREQUENCY, 0.42),
        (72, 19, 0, Quantity.ENERGY, 42.0),
        (61, 0, 0, Quantity.APPARENT_POWER, 42.0),
        (5, 0, 0, Quantity.CURRENT, 42.0),
        (169, 0, 0, Quantity.OTHER, 42.0),
    ],
)
def test_units_directions_and_powers_of_ten(
    uom: int, flow: int, multiplier: int, quantity: Quantity, value: float
) -> None:
    kind = ReadingType(uom=uom, flowDirection=flow, powerOfTenMultiplier=multiplier)
    (found,) = mirror_to_readings(mirror((50, 42)), meaning_of(kind), "d", 100.0)
    assert (found.quantity, found.value, found.source_time, found.received, found.duration_s) == (
        quantity, pytest.approx(value), 60.0, 100.0, 10.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("behaviour", "quantity"),
    [(12, Quantity.AVAILABLE_ENERGY), (6, Quantity.AVAILABLE_ENERGY), (9, Quantity.ENERGY), (4, Quantity.ENERGY)],
)
def test_stored_energy_is_energy_at_a_moment(behaviour: int, quantity: Quantity) -> None:
    """CSIP-AUS 1.3 has storage report what is in it; a summation or a difference is what passed a meter."""
    kind = ReadingType(uom=72, kind=12, accumulationBehaviour=behaviour, flowDirection=1, powerOfTenMultiplier=3)
    (found,) = mirror_to_readings(mirror((50, 7)), meaning_of(kind), "d", 100.0)
    stored = quantity is Quantity.AVAILABLE_ENERGY
    assert (found.quantity, found.value, is_telemetry(kind)) == (quantity, 7000.0 if stored else -7000.0, stored)
    snapshots, others = readings_to_snapshots([found])
    assert [s.available_wh for s in snapshots] == ([7000.0] if stored else [])
    assert len(others) == int(not stored)


def test_a_profile_may_count_forward_as_delivered() -> None:
    assert direction_sign(ReadingType(flowDirection=1), forward_is_delivered=True) == 1
    assert direction_sign(ReadingType(flowDirection=1)) == -1


@pytest.mark.parametrize(
    ("flags", "quality"),
    [(None, Quality.GOOD), (0, Quality.GOOD), (1, Quality.GOOD), (1 << 1, Quality.SUBSTITUTED),
     (1 << 2, Quality.ESTIMATED), (1 << 3, Quality.ESTIMATED), (1 << 4, Quality.ESTIMATED),
     (1 << 5, Quality.SUBSTITUTED), (1 << 6, Quality.ESTIMATED)],
)  # fmt: skip
def test_quality_flags(flags: int | None, quality: Quality) -> None:
    assert quality_of(flags) is quality


def test_readings_come_in_order_of_time_and_values_without_time_are_now() -> None:
    posted = mirror((70, 3), (50, 1))
    posted.reading = Reading(value=9)
    found = mirror_to_readings(posted, meaning_of(ReadingType(uom=38, flowDirection=19)), "d", 100.0)
    assert [(r.source_time, r.value) for r in found] == [(60.0, 1.0), (80.0, 3.0), (100.0, 9.0)]


def test_a_value_without_number_says_nothing() -> None:
    posted = MirrorMeterReading(mRID="A", reading=Reading(qualityFlags=1))
    assert mirror_to_readings(posted, meaning_of(ReadingType(uom=38)), "d", 1.0) == []


def test_extremes_are_no_telemetry() -> None:
    assert is_telemetry(ReadingType(uom=38, dataQualifier=2))
    assert is_telemetry(ReadingType(uom=29))
    assert not is_telemetry(ReadingType(uom=38, dataQualifier=8))
    assert not is_telemetry(ReadingType(uom=72))


def test_totals_and_voltages_make_snapshots_and_the_rest_stays_readings() -> None:
    def one(uom: int, phase: int, value: int) -> list:
        kind = ReadingType(uom=uom, phase=phase, flowDirection=19)
        return mirror_to_readings(mirror((50, value)), meaning_of(kind), "d", 100.0)

    snapshots, others = readings_to_snapshots(
        [*one(38, 0, 100), *one(63, 224, 20), *one(29, 129, 230), *one(29, 65, 231), *one(38, 128, 33)]
    )
    (found,) = snapshots
    assert (found.w, found.var, found.hz) == (100.0, 20.0, None)
    assert (found.source_time, found.duration_s) == (60.0, 10.0)  # means over the ten seconds that end then
    assert found.volts == {Phase.AN: 230.0, Phase.BN: 231.0}
    assert [(r.phase, r.value) for r in others] == [(Phase.A, 33.0)]
