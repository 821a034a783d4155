"""Power over fixed intervals: means, energies, quality; over restarts and gaps."""

from __future__ import annotations

from typing import Any, cast

from gridiface.domain.changes import DeleteDocument, PutDocument
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.ports import FleetView
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.northbound.openadr.settings import ResourceSettings
from gridiface.northbound.openadr.ven.history import UNCERTAIN, FleetHistory
from gridiface.protocols.openadr.payloads.stream import QUALITY_BAD, QUALITY_GOOD

NOW = 1_800_000_000.0  # A multiple of 60.
SITE = Target(TargetKind.GROUP, "fleet")


class Fleet:
    w: float | None = 6000.0
    quality = Quality.GOOD

    def snapshot(self, target: Target) -> Snapshot | None:
        return Snapshot(device_id="fleet", source_time=NOW, received=NOW, w=self.w, quality=self.quality)


def history(fleet: Fleet, **more: Any) -> FleetHistory:
    resource = ResourceSettings(resource="site", target=SITE, **more)
    return FleetHistory("space", [resource], cast(FleetView, fleet), period_s=60, keep_s=600)


def watch(made: FleetHistory, start: float, seconds: int, step: float = 1.0) -> None:
    at = start
    while at <= start + seconds:
        made.look(at)
        at += step


def values(made: FleetHistory, unit: Any = "W") -> list[tuple[float, float | None, str]]:
    return [(s.at - NOW, s.value, s.quality) for s in made.between("site", unit, 0.0, 1e12)]


def test_means_and_energies_are_consumption() -> None:
    fleet = Fleet()
    made = history(fleet)
    watch(made, NOW, 30)
    fleet.w = -2000.0
    watch(made, NOW + 31, 89)
    assert values(made)[0][0] == 0.0
    assert abs(values(made)[0][1] - -(31 * 6000 - 29 * 2000) / 60) < 1e-6
    assert abs(values(made)[1][1] - 2000.0) < 1e-6
    assert abs(values(made, "Wh")[1][1] - 2000 / 60) < 1e-6
    assert {row[2] for row in values(made)} == {QUALITY_GOOD}
    assert values(history(fleet, generation_positive=True)) == []


def test_what_was_not_watched_says_so() -> None:
    fleet = Fleet()
    made = history(fleet)
    watch(made, NOW, 40)
    fleet.w = None  # Nobody knows for the rest of the interval and all of the next.
    watch(made, NOW + 41, 80)
    fleet.w, fleet.quality = 6000.0, Quality.STALE
    watch(made, NOW + 122, 60)
    assert [(at, quality) for at, _, quality in values(made)] == [
        (0.0, UNCERTAIN),
        (60.0, QUALITY_BAD),
        (120.0, QUALITY_BAD),
    ]


def test_a_long_pause_is_worth_nothing() -> None:
    made = history(Fleet())
    made.look(NOW)
    made.look(NOW + 121)
    assert [quality for _, _, quality in values(made)] == [QUALITY_BAD]


def test_a_restart_goes_on_and_old_days_go() -> None:
    fleet = Fleet()
    made = history(fleet)
    watch(made, NOW, 180)
    stored: dict[str, bytes] = {}

    def store(from_: FleetHistory) -> None:
        for change in from_.changes():
            if isinstance(change, PutDocument):
                assert change.space == "space"
                stored[change.key] = change.body
            elif isinstance(change, DeleteDocument):
                stored.pop(change.key)

    store(made)
    assert made.changes() == []
    again = history(fleet)
    again.load(stored)
    assert values(again) == values(made)
    watch(again, NOW + 200, 100)
    assert [at for at, _, _ in values(again)] == [0.0, 60.0, 120.0, 180.0, 240.0]
    assert [quality for _, _, quality in values(again)[-2:]] == [UNCERTAIN, QUALITY_GOOD]
    # A day and more later, all of that day's document is gone.
    watch(again, NOW + 200_000, 130)
    store(again)
    assert len(stored) == 1
    assert all(at >= 199_000 for at, _, _ in values(again))


def test_only_whole_intervals_inside_the_span_are_told() -> None:
    made = history(Fleet())
    watch(made, NOW, 240)
    assert [s.at - NOW for s in made.between("site", "W", NOW + 1, NOW + 180)] == [60.0, 120.0]
    assert made.between("site", "W", NOW + 1000, NOW + 2000) == []


def test_a_clock_that_goes_back_spoils_nothing() -> None:
    made = history(Fleet())
    watch(made, NOW, 130)
    before = values(made)
    watch(made, NOW + 10, 60)
    assert values(made)[: len(before)] == before


def test_a_clock_that_was_ahead_for_a_while_costs_no_later_interval() -> None:
    made = history(Fleet())
    watch(made, NOW, 70)
    watch(made, NOW + 300, 70)  # set forwards by mistake, then back
    watch(made, NOW + 71, 289)
    first, torn, *later = [(at, quality) for at, _, quality in values(made) if at < 360]
    assert (first, torn) == ((0.0, QUALITY_GOOD), (60.0, UNCERTAIN))
    assert later == [(60.0 * number, QUALITY_GOOD) for number in range(2, 6)]
