"""Energy counters: what counts, what does not, what is kept."""

from dataclasses import replace

import pytest

from gridiface.domain.changes import Document
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.northbound.dnp3.pointmap.meanings import Measure
from gridiface.northbound.dnp3.translate.energy import SPACE, EnergyCounters

FLEET = Target(TargetKind.GROUP, "fleet")
NOW = 1.7e9
SEEN = Snapshot(device_id="fleet", source_time=NOW, received=NOW, w=3.6e6, var=-7.2e6)


def shown(one):
    names = (Measure.ENERGY_OUT, Measure.ENERGY_IN, Measure.REACTIVE_OUT, Measure.REACTIVE_IN)
    return [one.value(FLEET, name) for name in names]


def counters():
    return EnergyCounters("gw", [FLEET])


def test_each_direction_counts_by_itself():
    one = counters()
    one.count(FLEET, SEEN, NOW)
    assert shown(one) == [0, 0, 0, 0]
    one.count(FLEET, replace(SEEN, w=-1.8e6, var=None), NOW + 10)
    one.count(FLEET, SEEN, NOW + 20)
    assert shown(one) == [10_000, 5_000, 0, 20_000]


@pytest.mark.parametrize("snapshot", [None, replace(SEEN, quality=Quality.BAD), replace(SEEN, w=None)])
def test_what_nobody_saw_is_not_counted(snapshot):
    one = counters()
    one.count(FLEET, snapshot, NOW)
    one.count(FLEET, SEEN, NOW + 10)
    assert shown(one) == [0, 0, 0, 0]
    one.count(FLEET, SEEN, NOW + 500)  # nor a time in which nobody looked, nor a clock set back
    one.count(FLEET, SEEN, NOW + 400)
    assert shown(one) == [0, 0, 0, 0]


def test_it_goes_on_after_a_restart_and_wraps():
    one = counters()
    one.count(FLEET, replace(SEEN, w=2**32 * 3600.0 / 10 + 3600.0), NOW)
    one.count(FLEET, None, NOW + 10)
    assert one.value(FLEET, Measure.ENERGY_OUT) == 10
    put, other = one.document(NOW), counters()
    other.load([Document(SPACE, "else", b"{}"), Document(put.space, put.key, put.body)])
    assert shown(other) == shown(one)
    assert one.value(Target(TargetKind.DEVICE, "b1"), Measure.ENERGY_OUT) is None


@pytest.mark.parametrize("body", [b"", b"[]", b'{"group/fleet": 5}', b'{"group/fleet": ["a"]}', b"\xff"])
def test_what_cannot_be_read_counts_from_nothing(body):
    one = counters()
    one.load([Document(SPACE, "gw", body)])
    assert shown(one) == [0, 0, 0, 0]


def test_it_is_kept_each_minute():
    one = counters()
    assert not one.due(NOW)
    assert not one.due(NOW + 59)
    assert one.due(NOW + 60)
    one.document(NOW + 60)
    assert not one.due(NOW + 61)
    assert not EnergyCounters("gw", []).due(NOW + 1e6)


@pytest.mark.parametrize("seconds", [-3600.0, 30.0, 3600.0])
def test_a_clock_that_is_set_neither_adds_nor_takes_energy(seconds):
    one = counters()
    one.count(FLEET, SEEN, NOW)
    assert not one.due(NOW)
    one.clock_set(seconds)
    one.count(FLEET, SEEN, NOW + seconds + 10)
    assert shown(one) == [10_000, 0, 0, 20_000]
    assert not one.due(NOW + seconds + 59)
    assert one.due(NOW + seconds + 60)
