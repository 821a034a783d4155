"""A snapshot as readings."""

from __future__ import annotations

from gridiface.app.dispatching.readings import readings_of
from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.telemetry import Quality, Snapshot


def test_each_known_value_becomes_a_reading_with_quality_and_times() -> None:
    snapshot = Snapshot(
        device_id="d", source_time=10.0, received=11.0, quality=Quality.STALE, w=5.0, soc=0.5, volts={Phase.AN: 230.0}
    )
    found = {(r.quantity, r.phase): r for r in readings_of(snapshot)}
    assert set(found) == {
        (Quantity.ACTIVE_POWER, Phase.ALL),
        (Quantity.STATE_OF_CHARGE, Phase.ALL),
        (Quantity.VOLTAGE, Phase.AN),
    }
    power = found[Quantity.ACTIVE_POWER, Phase.ALL]
    assert (power.value, power.quality, power.source_time, power.received) == (5.0, Quality.STALE, 10.0, 11.0)


def test_nothing_known_gives_nothing() -> None:
    assert list(readings_of(Snapshot(device_id="d", source_time=0.0, received=0.0))) == []


def test_means_keep_their_duration_and_states_have_none() -> None:
    snapshot = Snapshot(device_id="d", source_time=900.0, received=901.0, duration_s=900.0, w=5.0, soc=0.5)
    durations = {reading.quantity: reading.duration_s for reading in readings_of(snapshot)}
    assert durations == {Quantity.ACTIVE_POWER: 900.0, Quantity.STATE_OF_CHARGE: 0.0}
