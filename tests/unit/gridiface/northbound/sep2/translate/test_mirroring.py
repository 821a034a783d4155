"""Readings out: means, units, direction, and names that stay."""

from __future__ import annotations

import math

import pytest

from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.telemetry import Quality, Reading, Snapshot
from gridiface.northbound.sep2.translate.mirroring import (
    CHANNELS,
    Means,
    MirrorNames,
    mirror,
    reading_post,
    reading_type,
)
from gridiface.northbound.sep2.translate.readings import meaning_of, mirror_to_readings
from gridiface.protocols.sep2.resources import MirrorMeterReadingList, MirrorUsagePoint, ReadingType
from gridiface.protocols.xmlwire import decode, encode

NAMES = MirrorNames(session="utility", lfdi="A" * 40, pen=40732)


def snapshot(at: float, w: float | None, **more: object) -> Snapshot:
    return Snapshot(**{"device_id": "d", "source_time": at, "received": at, "w": w} | more)  # type: ignore[arg-type]


def values(post: MirrorMeterReadingList | None) -> dict[tuple[int | None, int | None], float]:
    assert post is not None
    found = {}
    for reading in post.members:
        kind = reading.readingType
        assert kind is not None
        meaning = meaning_of(kind)
        (value,) = reading.mirrorReadingSet[0].reading
        found[kind.uom, kind.phase] = meaning.sign * (value.value or 0) * 10.0**meaning.exponent
    return found


def test_the_mean_of_an_interval_reads_back_as_it_was() -> None:
    means = Means()
    means.take(snapshot(1, -1000.0, var=10.0, hz=50.01, volts={Phase.AN: 230.04, Phase.BN: 231.0}))
    means.take(snapshot(2, -3000.0, var=20.0, hz=49.99))
    post = reading_post(NAMES, means, 1000, 300)
    assert values(post) == {(38, 0): -2000.0, (63, 0): 15.0, (33, 0): 50.0, (29, 129): 230.0, (29, 65): 231.0}
    assert post is not None
    assert decode(encode(post), MirrorMeterReadingList) == post


def test_repeats_and_useless_samples_do_not_count() -> None:
    means = Means()
    for shot in (
        snapshot(5, 100.0),
        snapshot(5, 900.0),
        snapshot(4, 900.0),
        snapshot(6, 900.0, quality=Quality.STALE),
        snapshot(7, 900.0, quality=Quality.BAD),
        snapshot(8, math.nan),
    ):
        means.take(shot)
    assert means.values() == {(Quantity.ACTIVE_POWER, Phase.ALL): 100.0}
    assert reading_post(NAMES, Means(), 0, 300) is None


def test_the_record_gives_the_same_as_the_samples() -> None:
    means = Means()
    means.take_readings(
        Reading(device_id="d", quantity=quantity, value=value, source_time=1, received=1, quality=quality)
        for quantity, value, quality in (
            (Quantity.ACTIVE_POWER, 10.0, Quality.GOOD),
            (Quantity.ACTIVE_POWER, 20.0, Quality.ESTIMATED),
            (Quantity.ACTIVE_POWER, 90.0, Quality.BAD),
            (Quantity.STATE_OF_CHARGE, 0.5, Quality.GOOD),
        )
    )
    assert means.values() == {(Quantity.ACTIVE_POWER, Phase.ALL): 15.0}
    assert means.flags() == 1 << 3


def test_names_follow_from_what_they_name_and_end_in_our_number() -> None:
    other = MirrorNames(session="utility", lfdi="B" * 40, pen=40732)
    names = {NAMES.mirror, other.mirror, *(NAMES.meter(c) for c in CHANNELS), NAMES.reading_set(CHANNELS[0], 300)}
    assert len(names) == 4 + len(CHANNELS) - 1
    assert all(len(name) == 32 and name.endswith("00009F1C") for name in names)
    assert NAMES.reading_set(CHANNELS[0], 300) == NAMES.reading_set(CHANNELS[0], 300)
    assert NAMES.reading_set(CHANNELS[0], 300) != NAMES.reading_set(CHANNELS[0], 600)


def test_a_mirror_names_its_device_and_what_csip_asks_for() -> None:
    made = mirror(NAMES, "a title that is longer than thirty-two characters", 300)
    assert decode(encode(made), MirrorUsagePoint) == made
    assert (made.deviceLFDI, made.roleFlags, made.postRate) == ("A" * 40, 0x49, 300)
    assert [m.readingType.uom for m in made.mirrorMeterReading if m.readingType] == [38, 63, 33, 29]


@pytest.mark.parametrize(
    ("quantity", "direction"),
    [
        (Quantity.ACTIVE_POWER, 19),
        (Quantity.REACTIVE_POWER, 19),
        (Quantity.APPARENT_POWER, 0),
        (Quantity.VOLTAGE, 0),
        (Quantity.FREQUENCY, 0),
    ],
)
def test_only_what_flows_has_a_direction_and_ours_is_delivered(quantity: Quantity, direction: int) -> None:
    kind = reading_type((quantity, Phase.ALL), 300)
    assert (kind.flowDirection, kind.intervalLength, kind.phase) == (direction, 300, 0)
    assert (kind.accumulationBehaviour, kind.commodity, kind.dataQualifier, kind.kind) == (12, 1, 2, 37)


def test_who_reads_our_mirror_by_the_same_words_gets_our_values() -> None:
    means = Means()
    means.take(snapshot(1, -1000.0, var=-10.0, va=1001.0, hz=50.01, volts={Phase.A: 230.1}))
    post = reading_post(NAMES, means, 1000, 300)
    assert post is not None
    found = {
        (reading.quantity, reading.phase): reading.value
        for meter in post.members
        for reading in mirror_to_readings(meter, meaning_of(meter.readingType or ReadingType()), "d", 2000.0)
    }
    assert found == pytest.approx(means.values())


def test_the_quality_of_samples_is_told_with_their_mean() -> None:
    for quality, flags in ((Quality.GOOD, 0), (Quality.ESTIMATED, 1 << 3), (Quality.SUBSTITUTED, 1 << 5)):
        means = Means()
        means.take(snapshot(1, 5.0, quality=quality))
        post = reading_post(NAMES, means, 1000, 300)
        assert post is not None
        ((reading,),) = [s.reading for m in post.members for s in m.mirrorReadingSet]
        assert (reading.qualityFlags or 0) & ~1 == flags
