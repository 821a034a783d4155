"""A meter that does not see what its members do is not followed; one that sees them in trouble is."""

import math
import random

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.aggregation.listening.sight import Sight
from gridiface.domain.controls import Delivery, DeliveryOutcome, ServiceClass
from gridiface.domain.fleet import Device, DeviceKind, Group, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot

NAMES = [f"b{at}" for at in range(6)]
RATING = 30_000.0


class Site:
    """Six batteries with ramps behind a meter with a load; `show` is what the meter makes of the truth."""

    def __init__(self, *, load=-6_000.0, period_s=1.0, lag_s=0.0, **config):
        self.now, self.load, self.period_s, self.lag_s = T0, load, period_s, lag_s
        self.w, self.goal = dict.fromkeys(NAMES, 0.0), dict.fromkeys(NAMES, 0.0)
        self.show = lambda total: total
        self.decisions, self.past, self.totals = [], [], []
        self.engine = Engine(EngineConfig(**config))
        self.engine.add_device(Device(id="m", nameplate=Nameplate(max_w=0.0), kind=DeviceKind.METER), T0)
        for name in NAMES:
            self.engine.add_device(battery(name, settings=Settings(ramp_w_per_s=2_500.0)), T0)
        self.engine.set_groups([Group(id="all", members=tuple(NAMES), meter="m")], T0)

    @property
    def total(self):
        """What the meter should show, W."""
        return sum(self.w.values()) + self.load

    def run(self, seconds, load=None):
        """Half seconds; `load(t)`: W, of the seconds since the start."""
        for _ in range(round(seconds * 2)):
            self.now += 0.5
            if load is not None:
                self.load = load(self.now - T0)
            for name in NAMES:
                self.w[name] += max(-1_250.0, min(1_250.0, self.goal[name] - self.w[name]))
            self.past.append(self.total)
            shots = dict(self.w)
            if (self.now - T0) % self.period_s == 0.0:
                shots["m"] = self.show(self.past[-1 - min(round(self.lag_s * 2), len(self.past) - 1)])
            self.engine.observe(
                [
                    Snapshot(device_id=n, source_time=self.now, received=self.now, w=w, soc=0.5)
                    for n, w in shots.items()
                ],
                self.now,
            )
            result = self.engine.tick(self.now)
            self.decisions += result.decisions
            points = list(result.setpoints)
            for point in points:
                self.goal[point.device_id] = point.active_power_w or 0.0
            done = [
                Delivery(device_id=p.device_id, outcome=DeliveryOutcome.ACKNOWLEDGED, at=self.now, setpoint=p)
                for p in points
            ]
            self.engine.deliver(done, self.now)
            self.totals.append(self.total)
        return self.totals[-1]

    def ask(self, name, **more):
        """A control from now on."""
        self.engine.admit(ask(name, start=self.now - T0, program="p", created=self.now, **more), self.now)

    @property
    def aside(self):
        """Who was quarantined."""
        return [one.target.id for one in self.decisions if one.verdict == "quarantined"]


def frozen(site):
    """It stands still."""
    last = site.total
    return lambda total: last


def turned(site):
    """It counts the other way round."""
    return lambda total: -total


def in_kilowatts(site):
    """Its scale is another one."""
    return lambda total: total / 1_000.0


@pytest.mark.parametrize(
    ("fault", "first", "second"), [(frozen, 8_000, 12_000), (turned, 1_000, 3_000), (in_kilowatts, 8_000, 12_000)]
)
def test_a_meter_that_goes_wrong_does_not_lead_the_fleet_away(fault, first, second):
    site = Site()
    site.ask("c1", set_w=first)
    assert site.run(40) == pytest.approx(first, rel=0.01)
    site.show = fault(site)
    site.ask("c2", set_w=second)
    site.run(60)
    assert site.aside == ["m"]
    assert site.run(30) == pytest.approx(second, abs=0.04 * RATING)
    assert "m" in site.engine.desk.quarantined()
    site.show = lambda total: total
    before = site.total
    site.engine.desk.believe("m", site.now)
    since = len(site.totals)
    assert site.run(60) == pytest.approx(second, rel=0.01)
    back = site.totals[since:]
    assert max(back) <= max(before, second) + 200.0
    assert min(back) >= min(before, second) - 200.0


@pytest.mark.parametrize("period_s", [0.5, 1.0, 5.0, 10.0])
@pytest.mark.parametrize("lag_s", [0.0, 1.0, 3.0])
def test_one_that_works_is_followed_whatever_lies_beside_the_members(period_s, lag_s):
    for seed in range(4):
        site, drawn = Site(period_s=period_s, lag_s=lag_s), random.Random(f"{seed} {period_s} {lag_s}")
        kettles = [drawn.uniform(0.0, 400.0) for _ in range(12)]
        slope, noise = drawn.uniform(-60.0, 60.0), drawn.choice((0.0, 50.0, 600.0))

        def load(t, kettles=kettles, slope=slope, noise=noise, drawn=drawn):
            on = sum(2_000.0 for at in kettles if at <= t < at + 30.0)
            return -4_000.0 - on + slope * min(t, 150.0) + 2_000.0 * math.sin(t / 20.0) + drawn.gauss(0.0, noise)

        for at in range(5):
            site.ask(f"c{at}", set_w=drawn.uniform(-10_000.0, 10_000.0))
            if seed % 2:
                for k in range(12):
                    site.ask(f"r{at}.{k}", regulation=drawn.uniform(-5e3, 5e3), service_class=ServiceClass.REGULATION)
                    site.run(4, load)
            else:
                site.run(48, load)
        assert site.aside == []


def test_moves_in_a_row_count_and_one_that_is_seen_ends_the_row():
    sight, at, found = Sight(), 0.0, []

    def move(by, shown):
        nonlocal at
        for second in range(12):
            at += 1.0
            part = min(second / 2.0, 1.0)
            looked = sight.look(
                at, metered + shown * part, members + by * part, -100.0, rating_w=10_000.0, period_s=1.0, least_s=20.0
            )
            found.append(looked)

    metered, members = 0.0, 0.0
    for by, shown in ((900.0, 0.0), (900.0, 0.0), (-900.0, -900.0), (900.0, 0.0), (900.0, 0.0), (100.0, 0.0)):
        move(by, shown)
        members, metered = members + by, metered + shown
    assert set(found) == {None}
    move(900.0, 0.0)
    assert [one for one in found if one is not None] == [-100.0]


def test_it_is_not_looked_at_where_steps_are_not_checked():
    site = Site(meter_check_rel=0.0)
    site.ask("c1", set_w=8_000.0)
    site.run(40)
    site.show = frozen(site)
    site.ask("c2", set_w=12_000.0)
    site.run(90)
    assert site.aside == []


@pytest.mark.parametrize(("scale", "asked"), [(-1.0, 8_000.0), (-1.0, 3_000.0), (-1.0, -8_000.0), (0.1, 8_000.0)])
def test_until_a_meter_is_doubted_the_loop_goes_so_far_and_no_further(scale, asked):
    site = Site(load=0.0)
    site.show = lambda total: scale * total
    site.run(10)
    site.ask("c1", set_w=asked)
    site.run(90)
    farthest = max(abs(total - asked) for total in site.totals[40:])
    assert farthest <= 0.45 * RATING, "it ran to the end of the fleet"
    assert site.aside == ["m"]
    assert site.total == pytest.approx(asked, abs=0.01 * RATING)


@pytest.mark.parametrize(("show", "settles"), [(lambda total: -6_000.0, 8_000.0), (lambda total: 0.1 * total, 2_600.0)])
def test_one_that_is_wrong_from_its_first_reading_is_doubted_with_the_first_move(show, settles):
    """Members had not stood still for long when the control came: it ran to the fleet's end and was never found."""
    site = Site()
    site.show = show
    site.run(1)
    site.ask("c1", set_w=8_000.0)
    site.run(70)
    assert site.aside == ["m"]
    assert site.total == pytest.approx(settles, abs=0.01 * RATING), "what its first reading left beside them counts on"
    assert max(site.totals) - settles <= 0.31 * RATING, "it ran away before it was doubted"


@pytest.mark.parametrize("lag_s", [0.0, 1.0, 2.0])
def test_one_that_is_right_is_followed_from_a_control_that_was_there_before_it(lag_s):
    site = Site(lag_s=lag_s)
    site.ask("c1", set_w=8_000.0)
    site.run(90, load=lambda seconds: -6_000.0 if seconds < 30.0 else -2_000.0)
    assert site.aside == []
    assert site.total == pytest.approx(8_000.0, abs=0.02 * RATING)


def test_a_meter_that_is_right_is_followed_though_a_load_hid_the_first_move():
    site = Site(load=-2_000.0)
    site.run(10)
    site.ask("c1", set_w=8_000.0)
    site.run(90, load=lambda seconds: -2_000.0 if seconds < 11.0 else -10_000.0)
    assert site.aside == []
    assert site.total == pytest.approx(8_000.0, abs=0.02 * RATING)


def test_a_leash_is_let_out_step_by_step_and_is_none_while_moves_are_seen():
    sight, values = Sight(), {"rating_w": 1_000.0, "period_s": 1.0, "least_s": 60.0}
    assert sight.leash(0.0, 1_000.0) is None
    for second in range(12):
        sight.look(float(second), 500.0, 0.0, 500.0, **values)
    for second in range(12, 20):
        sight.look(float(second), 500.0, 300.0, 500.0, **values)  # they moved, and it stands
    start = 11.0
    assert sight.leash(start + 9.0, 1_000.0) == pytest.approx((400.0, 600.0))
    assert sight.leash(start + 11.0, 1_000.0) == pytest.approx((300.0, 700.0))
    for second in range(20, 32):
        sight.look(float(second), 500.0, 300.0, 500.0, **values)
    for second in range(32, 40):
        sight.look(float(second), 800.0, 600.0, 500.0, **values)
    assert sight.leash(40.0, 1_000.0) is None
