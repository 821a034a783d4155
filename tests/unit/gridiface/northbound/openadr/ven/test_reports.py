"""What our VEN offers, and its values: from snapshots, in the profile's sign."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from tests.clocks import StandingClock

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.ports import FleetView
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import Snapshot
from gridiface.northbound.openadr.settings import QUANTITIES, ResourceSettings, VenSettings
from gridiface.northbound.openadr.ven.reports import ENERGY, METERED, OTHER, STATUS, USAGE, FleetSamples, offers_of
from gridiface.protocols.openadr.ven import VenConfig
from gridiface.protocols.openadr.ven.offers import metadata_of

NOW = 1_800_000_000.0
SITE = Target(TargetKind.GROUP, "fleet")
USAGE_REPORT = "telemetry-usage"


class Fleet:
    state: Snapshot | None = Snapshot(
        device_id="fleet",
        source_time=NOW,
        received=NOW,
        w=6000.0,
        var=-50.0,
        va=6001.0,
        hz=50.0,
        volts={Phase.A: 231.0},
        available_wh=2500.0,
    )

    def snapshot(self, target: Target) -> Snapshot | None:
        assert target == SITE
        return self.state


def settings(**more: Any) -> VenSettings:
    resource = ResourceSettings(resource="site/a", target=SITE, **more)
    return VenSettings(name="u", url="http://v", core=VenConfig(name="u"), programs={}, resources=(resource,))


def samples(**more: Any) -> tuple[FleetSamples, Fleet, StandingClock]:
    fleet, clock = Fleet(), StandingClock(NOW, 0.0)
    return FleetSamples(settings(**more), cast(FleetView, fleet), clock), fleet, clock


def test_r331_usage_is_power_and_what_else_is_measured_is_a_report_of_our_own() -> None:
    usage, other, status = offers_of(settings(usage=QUANTITIES))
    assert (usage.name, other.name, status.name) == (USAGE, OTHER, STATUS)
    assert [(point.rid, point.report_type, point.reading_type) for point in usage.points] == [
        ("site/a/W", "usage", "Direct Read")
    ]
    assert [point.rid for point in other.points] == [f"site/a/{name}" for name in QUANTITIES if name != "W"]
    assert [point.rid for point in status.points] == ["site/a/status"]
    assert all(point.unit is not None for point in (*usage.points, *other.points))
    assert {point.rid.rpartition("/")[2]: point.report_type for point in other.points} == {
        "var": "usage",
        "VA": "usage",
        "V": "reading",
        "Hz": "reading",
        "stored": "storedEnergy",
    }
    metadata = metadata_of(other, NOW)
    assert (metadata.reportName, metadata.oadrReportDescription[0].oadrSamplingRate is None) == (OTHER, False)
    assert offers_of(settings(usage=(), status=False)) == ()


def test_the_present_is_looked_at_when_it_is_asked_for() -> None:
    source, _, _ = samples(usage=QUANTITIES)
    reports = {name: USAGE_REPORT if name == "W" else "telemetry-other" for name in QUANTITIES}
    values = {name: source.at(reports[name], f"site/a/{name}", NOW) for name in QUANTITIES}
    assert {name: sample.value for name, sample in values.items() if sample} == {
        "W": -6000.0,
        "var": 50.0,
        "VA": 6001.0,
        "V": 231.0,
        "Hz": 50.0,
        "stored": 2500.0,
    }


def test_delivered_is_positive_where_the_program_says_so() -> None:
    source, _, _ = samples(generation_positive=True)
    found = source.at("telemetry-usage", "site/a/W", NOW)
    assert found is not None
    assert found.value == 6000.0


def test_status_tells_whether_anything_answers() -> None:
    source, fleet, clock = samples()
    found = source.at("telemetry-status", "site/a/status", NOW)
    assert found is not None
    assert found.status is not None
    assert found.status.oadrOnline
    fleet.state, clock.at = None, NOW + 10
    lost = source.at("telemetry-status", "site/a/status", NOW + 10)
    assert lost is not None
    assert lost.status is not None
    assert not lost.status.oadrOnline
    assert "Comm Failure" in lost.quality


def test_running_requests_are_sampled_in_their_period() -> None:
    source, fleet, clock = samples()
    key = ("telemetry-usage", "site/a/W")
    for second in range(5):
        clock.at = NOW + second
        fleet.state = Snapshot(device_id="fleet", source_time=clock.at, received=clock.at, w=100.0 * second)
        source.take({key: 2, ("x", "y"): 1}, clock.at)
    assert [sample.value for sample in source.between(*key, NOW, NOW + 10)] == [0.0, -200.0, -400.0]
    assert source.next_due() == NOW + 6
    source.take({}, clock.at)
    assert source.next_due() == float("inf")
    # The past is what was recorded.
    past = source.at(*key, NOW + 2.5)
    assert past is not None
    assert past.value == -200.0


def test_65_r312_as_much_is_kept_as_is_offered_at_the_fastest_rate() -> None:
    source, fleet, clock = samples()
    (usage, _) = offers_of(settings())
    key, (point,) = (USAGE_REPORT, "site/a/W"), usage.points
    for second in range(0, usage.duration, point.min_period):
        clock.at = NOW + second
        fleet.state = Snapshot(device_id="fleet", source_time=clock.at, received=clock.at, w=float(second))
        source.take({key: point.min_period}, clock.at)
    assert len(source.between(*key, NOW, clock.at + 1)) == usage.duration // point.min_period


def test_67_r317_values_on_change_are_looked_for_at_the_fastest_rate_that_is_offered() -> None:
    fleet, clock = Fleet(), StandingClock(NOW, 0.0)
    slow = replace(settings(), min_period_s=3)
    assert all(point.on_change and point.min_period == 3 for offer in offers_of(slow) for point in offer.points)
    source = FleetSamples(slow, cast(FleetView, fleet), clock)
    key = (USAGE_REPORT, "site/a/W")
    for second in range(7):
        clock.at = NOW + second
        fleet.state = Snapshot(device_id="fleet", source_time=clock.at, received=clock.at, w=float(second))
        source.take({key: 0}, clock.at)
    assert [sample.at - NOW for sample in source.between(*key, NOW, NOW + 10)] == [0.0, 3.0, 6.0]


def test_samples_go_on_when_the_clock_was_set_back() -> None:
    source, _, clock = samples()
    key = ("telemetry-usage", "site/a/W")
    source.keep({key: 7200})
    source.take({key: 60}, NOW)
    clock.at = NOW - 3600
    source.take({key: 60}, clock.at)
    source.take({key: 60}, clock.at + 59)
    assert next(sample.at for sample in source._memory.between(*key, NOW - 4000, NOW + 1)) == NOW - 3600
    assert source.next_due() == NOW - 3600 + 60


def test_a_device_whose_clock_is_ahead_reports_the_present() -> None:
    source, fleet, _ = samples()
    fleet.state = Snapshot(device_id="fleet", source_time=NOW + 60, received=NOW, w=1.0)
    found = source.at("telemetry-usage", "site/a/W", NOW)
    assert found is not None
    assert found.at == NOW


def test_history_and_green_button_are_offered_and_served() -> None:
    source, _, clock = samples(history=True)
    assert [offer.name for offer in offers_of(settings(history=True))][-2:] == ["HISTORY_USAGE", "HISTORY_GREENBUTTON"]
    for _ in range(901):
        source.history.look(clock.at)
        clock.at += 1.0
    rows = source.between("history-usage", "site/a/W", 0.0, clock.at)
    assert [sample.value for sample in rows] == [-6000.0] * len(rows)
    assert len(rows) >= 2
    (energy, *_) = source.between("history-usage", "site/a/Wh", 0.0, clock.at)
    assert (energy.value, energy.duration) == (-500.0, 300)
    (feed,) = source.between("history-greenbutton", "site/a/feed", 0.0, clock.at)
    assert feed.feed is not None
    assert feed.feed.count(b"IntervalReading>") == 2 * len(rows)
    assert source.between("history-greenbutton", "site/a/feed", clock.at, clock.at + 1) == []


def test_energy_is_telemetry_in_a_report_of_its_own_where_it_is_wanted() -> None:
    made = settings(usage=("W", ENERGY), status=False)
    power, energy = offers_of(made)
    assert (power.name, energy.name) == (USAGE, USAGE)
    assert [(point.rid, point.min_period) for point in energy.points] == [("site/a/Wh", 300)]
    source, _, clock = samples(usage=("W", ENERGY), status=False)
    for _ in range(901):
        source.history.look(clock.at)
        clock.at += 1.0
    (row, *_) = source.between(METERED, "site/a/Wh", 0.0, clock.at)
    assert (row.value, row.duration) == (-500.0, 300)


def test_samples_of_the_next_report_outlive_a_restart() -> None:
    source, _, clock = samples(usage=("W",))
    keys = {("telemetry-usage", "site/a/W"): 10, ("telemetry-status", "site/a/status"): 10}
    source.keep(dict.fromkeys(keys, 60))
    for _ in range(4):
        source.take(keys, clock.at)
        clock.at += 10.0
    stored = {change.key: change.body for change in source.changes()}
    assert source.changes() == []
    again, _, other = samples(usage=("W",))
    other.at = clock.at
    again.load(stored)
    for specifier, rid in keys:
        assert again.between(specifier, rid, 0.0, 1e12) == source.between(specifier, rid, 0.0, 1e12)
        assert again.between(specifier, rid, 0.0, 1e12)
    # Nothing is kept for requests that have ended.
    source.keep({})
    assert {type(change).__name__ for change in source.changes()} == {"DeleteDocument"}
