"""Reactive power of a group at its metered point: what lies beside the members there, and meters that show nonsense."""

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.domain.controls import Delivery, DeliveryOutcome
from gridiface.domain.fleet import Capability, Device, DeviceKind, Group, Nameplate
from gridiface.domain.telemetry import Snapshot


def inverter(name):
    """5 kVA, 3 kvar."""
    able = frozenset({Capability.SET_W, Capability.SET_VAR})
    plate = {"max_w": 5_000.0, "max_charge_w": 5_000.0, "max_va": 5_000.0, "max_var": 3_000.0, "energy_wh": 10_000.0}
    return Device(id=name, nameplate=Nameplate(capabilities=able, **plate))


class Site:
    """Three inverters and a load behind a meter, which may be a member of the group itself."""

    def __init__(self, *, listed=False, load=-800.0, shows=1.0, without_watts=()):
        self.load, self.shows, self.now, self.without_watts = load, shows, T0, without_watts
        self.vars = dict.fromkeys(("a", "b", "c"), 0.0)
        self.listed, self.decisions, self.log = listed, [], []
        self.engine = self.fresh()
        self.run(20)

    def fresh(self):
        engine = Engine(EngineConfig())
        for device in (*map(inverter, self.vars), Device(id="m", kind=DeviceKind.METER, nameplate=Nameplate(max_w=0))):
            engine.add_device(device, self.now)
        engine.set_groups([Group(id="all", members=(*self.vars, *(["m"] if self.listed else [])), meter="m")], self.now)
        return engine

    @property
    def net(self):
        """What really flows at the meter, var."""
        return sum(self.vars.values()) + self.load

    def ask(self, var):
        self.asked = ask(f"q{self.now:.0f}", start=self.now - T0, created=self.now, set_var=var)
        self.engine.admit(self.asked, self.now)
        return self

    def run(self, seconds, *, read=("a", "b", "c", "m")):
        nets = []
        for _ in range(seconds):
            self.now += 1.0
            powers = self.vars | {"m": self.shows * self.net}
            seen = [(name, powers[name]) for name in read]
            times = {"source_time": self.now, "received": self.now}
            watts = {name: None if name in self.without_watts else 0.0 for name in read}
            told = [Snapshot(device_id=name, w=watts[name], var=var, **times) for name, var in seen]
            self.engine.observe(told, self.now)
            result = self.engine.tick(self.now)
            self.decisions += result.decisions
            done = []
            for point in result.setpoints:
                self.log.append(point)
                if point.reactive_power_var is not None:
                    self.vars[point.device_id] = point.reactive_power_var
                ok = DeliveryOutcome.ACKNOWLEDGED
                done.append(Delivery(device_id=point.device_id, outcome=ok, at=self.now, setpoint=point))
            self.engine.deliver(done, self.now)
            nets.append(self.net)
        return nets


@pytest.mark.parametrize("listed", [False, True])
def test_a_total_is_that_at_the_meter_whether_or_not_the_meter_is_listed_as_a_member(listed):
    site = Site(listed=listed)
    assert site.ask(2_000.0).run(20)[5:] == [pytest.approx(2_000.0, abs=5.0)] * 15
    site.load = -1_500.0
    site.run(60)
    assert site.run(10) == [pytest.approx(2_000.0, abs=20.0)] * 10
    assert site.vars["a"] == pytest.approx(3_500.0 / 3, abs=20.0)
    told = len(site.log)
    site.run(30)
    assert len(site.log) - told <= 3  # nothing swings


def test_members_that_tell_vars_and_no_watts_are_no_load_beside_the_others():
    site = Site(without_watts=("c",))
    assert site.ask(2_000.0).run(60)[5:] == [pytest.approx(2_000.0, abs=5.0)] * 55


def test_what_is_told_of_it_is_what_is_at_the_meter():
    site = Site(load=-2_000.0)
    site.ask(8_000.0).run(5)
    (short,) = [one for one in site.decisions if one.verdict == "shortfall"]
    assert short.value == pytest.approx(1_000.0, abs=5.0)
    assert "7000 var can be given" in short.reason


def test_a_meter_that_is_not_heard_any_more_leaves_what_lay_there():
    site = Site()
    site.ask(2_000.0).run(20)
    assert site.run(60, read=("a", "b", "c")) == [pytest.approx(2_000.0, abs=5.0)] * 60


def test_the_group_of_a_meter_may_get_other_members():
    site = Site()
    site.ask(2_000.0).run(20)
    site.vars["d"] = 0.0
    site.engine.add_device(inverter("d"), site.now)
    for members in ("abcd", "bd"):
        site.engine.set_groups([Group(id="all", members=tuple(members), meter="m")], site.now)
        site.run(60, read=("a", "b", "c", "d", "m"))
        assert site.run(10, read=("a", "b", "c", "d", "m")) == [pytest.approx(2_000.0, abs=20.0)] * 10


def test_a_meter_that_is_quarantined_is_not_followed_in_its_vars_either():
    site = Site()
    site.ask(2_000.0).run(20)
    site.engine.desk.quarantine("m", site.now)
    site.run(5)
    assert sum(site.vars.values()) == pytest.approx(2_000.0, abs=5.0), "the sum of the members stands in"


def test_over_a_restart_the_total_makes_no_step():
    site = Site()
    site.ask(2_000.0).run(20)
    held = site.engine.desk.loops.held()
    assert held["all"].beside_var == pytest.approx(-800.0, abs=5.0)
    site.engine = site.fresh()
    site.engine.desk.loops.carry(held)
    site.engine.restore([site.asked], [], site.now)
    assert site.run(3, read=("a", "b", "c")) == [pytest.approx(2_000.0, abs=5.0)] * 3
    assert site.run(20) == [pytest.approx(2_000.0, abs=5.0)] * 20


@pytest.mark.parametrize("shows", [-1.0, 0.0])
def test_a_meter_that_counts_the_wrong_way_round_or_not_at_all_is_found_and_not_followed(shows):
    site = Site(shows=shows, load=0.0)
    for step in range(4):
        site.ask(1_500.0 if step % 2 else -1_500.0).run(40)
    assert [one.verdict for one in site.decisions if one.signal == "meter"] == ["disbelieved"]
    assert abs(site.ask(1_500.0).run(30)[-1] - 1_500.0) <= 100.0
    assert site.engine.desk.quarantined() == ()  # its watts are believed as before
