"""What closed loops hold goes over a restart: the total that they keep makes no step."""

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.aggregation.loops import Held
from gridiface.domain.controls import Delivery, DeliveryOutcome
from gridiface.domain.fleet import Device, DeviceKind, DriverTraits, Group, Nameplate
from gridiface.domain.telemetry import Snapshot

POLLS = DriverTraits(answers_itself=True, polls=True)
NAMES = ("a", "b", "slow")


class Site:
    """Two batteries, an inverter that polls, a load beside them, a meter; members give 95 % of what they are told."""

    def __init__(self, strategy="water-filling"):
        self.now, self.holds, self.outcomes = T0, dict.fromkeys(NAMES, 0.0), []
        self.control = ask(set_w=8_000.0)
        self.strategy = strategy
        self.engine = self.fresh()
        self.engine.admit(self.control, self.now)

    def fresh(self):
        """An engine as after a start."""
        engine = Engine(EngineConfig(strategies=(("all", self.strategy),)))
        engine.add_device(Device(id="m", nameplate=Nameplate(max_w=0.0), kind=DeviceKind.METER), self.now)
        for name in NAMES:
            engine.add_device(battery(name, traits=POLLS if name == "slow" else DriverTraits()), self.now)
        engine.set_groups([Group(id="all", members=NAMES, meter="m")], self.now)
        return engine

    @property
    def total(self):
        """At the meter, W."""
        return 0.95 * sum(self.holds.values()) - 2_000.0

    def run(self, seconds, read=("m", *NAMES)):
        """The totals of these seconds, one for each."""
        totals = []
        for _ in range(seconds):
            self.now += 1.0
            shown = {name: 0.95 * held for name, held in self.holds.items()} | {"m": self.total}
            self.engine.observe(
                [Snapshot(device_id=n, source_time=self.now, received=self.now, w=shown[n], soc=0.6) for n in read],
                self.now,
            )
            result = self.engine.tick(self.now)
            self.outcomes += result.outcomes
            done = []
            for point in result.setpoints:
                if point.active_power_w is not None:
                    self.holds[point.device_id] = point.active_power_w
                done.append(
                    Delivery(
                        device_id=point.device_id, outcome=DeliveryOutcome.ACKNOWLEDGED, at=self.now, setpoint=point
                    )
                )
            self.engine.deliver(done, self.now)
            totals.append(self.total)
        return totals

    def restart(self, *, carried=True):
        """Another engine takes over."""
        held = self.engine.desk.loops.held()
        running = self.engine.control("c1")
        self.engine = self.fresh()
        if carried:
            self.engine.desk.loops.carry(held)
        self.engine.restore([running], self.outcomes, self.now)
        return held


@pytest.mark.parametrize("strategy", ["water-filling", "fewest-units", "soc-balancing"])
def test_the_total_makes_no_step(strategy):
    site = Site(strategy)
    assert site.run(90)[-1] == pytest.approx(8_000.0, rel=0.005)
    held = site.restart()
    assert held["all"].beside_w == pytest.approx(-2_000.0, abs=5.0)
    assert held["all"].trim_w == pytest.approx(500.0, rel=0.1)
    assert site.run(40) == [pytest.approx(8_000.0, rel=0.01)] * 40
    site.restart(carried=False)
    assert min(site.run(40)) < 7_800.0


def test_what_is_not_heard_yet_is_not_taken_for_something_beside_the_members():
    site = Site()
    site.run(90)
    site.restart()
    assert site.run(1, read=("m",)) == [pytest.approx(8_000.0, rel=0.005)]
    early = site.run(14, read=("m", "a", "b"))
    assert early + site.run(30) == [pytest.approx(8_000.0, rel=0.02)] * 44


def test_a_control_that_begins_anew_begins_without_the_trim_of_one_before():
    site = Site()
    site.run(90)
    site.engine.cancel("c1", site.now)
    site.run(5)
    site.engine.admit(ask("c2", start=site.now - T0, set_w=-4_000.0), site.now)
    site.run(2)
    assert site.engine.desk.loops.held()["all"].trim_w == pytest.approx(0.0, abs=150.0)


def test_what_is_carried_for_nobody_changes_nothing():
    site = Site()
    site.engine = site.fresh()
    site.engine.desk.loops.carry({"gone": Held(100.0, 50.0), "all": Held(0.0, 0.0)})
    assert site.engine.desk.loops.held() == {}
