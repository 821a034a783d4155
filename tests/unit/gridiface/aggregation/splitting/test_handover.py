"""A new split of a total that stands makes no gap: who gives back waits for those who take over."""

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.aggregation.splitting.handover import COMING_MOST_S, PART
from gridiface.domain.controls import Delivery, DeliveryOutcome, ServiceClass
from gridiface.domain.fleet import DriverTraits, Group, Settings
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import Snapshot

POLLS = DriverTraits(answers_itself=True, polls=True)
STRATEGIES = ("fewest-units", "water-filling", "soc-balancing", "merit-order", "proportional")


class Fleet:
    """Three batteries behind a wire, three inverters that fetch what they are told every `poll_s`; all with ramps."""

    def __init__(self, poll_s, *, ramp=2_500.0, groups=(), period_s=0.5, report_s=1.0):
        self.engine, self.now, self.period_s = Engine(EngineConfig(strategies=(("all", "merit-order"),))), T0, period_s
        settings = Settings(ramp_w_per_s=ramp)
        self.devices = [battery(f"quick{at}", settings=settings) for at in range(3)]
        self.devices += [battery(f"slow{at}", settings=settings, traits=POLLS, tier=2) for at in range(3)]
        self.ids = [device.id for device in self.devices]
        self.w = np.zeros(6)
        self.goal, self.next = np.zeros(6), {}
        self.poll_s, self.ramp, self.report_s = poll_s, ramp, report_s
        self.socs = np.linspace(0.8, 0.4, 6)
        self.writes, self.totals = 0, []
        for device in self.devices:
            self.engine.add_device(device, T0)
        self.engine.set_groups(groups or [Group(id="all", members=tuple(self.ids))], T0)
        self.look()
        self.tick()

    def look(self):
        """One reading of every device."""
        shots = [
            Snapshot(device_id=name, source_time=self.now, received=self.now, w=w, soc=soc)
            for name, w, soc in zip(self.ids, self.w, self.socs, strict=True)
        ]
        self.engine.observe(shots, self.now)

    def tick(self):
        """What is told goes out: at once over the wire, or into the list of who fetches."""
        sent = list(self.engine.tick(self.now).setpoints)
        self.writes += len(sent)
        for point in sent:
            at = self.ids.index(point.device_id)
            goal = 0.0 if point.release or point.active_power_w is None else point.active_power_w
            if at < 3:
                self.goal[at] = goal
            else:
                self.next[at] = goal
        done = (DeliveryOutcome.ACKNOWLEDGED, DeliveryOutcome.PUBLISHED)
        self.engine.deliver(
            [
                Delivery(device_id=p.device_id, outcome=done[p.device_id in self.ids[3:]], at=self.now, setpoint=p)
                for p in sent
            ],
            self.now,
        )

    def run(self, seconds):
        """The totals of these seconds, in steps of a tenth."""
        first = len(self.totals)
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            tenth = round((self.now - T0) * 10)
            for at in range(3, 6):
                if tenth % round(self.poll_s * 10) == at and at in self.next:
                    self.goal[at] = self.next.pop(at)
            self.w += np.clip(self.goal - self.w, -0.1 * self.ramp, 0.1 * self.ramp)
            if tenth % round(self.report_s * 10) == 0:
                self.look()
            if tenth % round(self.period_s * 10) == 0:
                self.tick()
            self.totals.append(float(self.w.sum()))
        return np.array(self.totals[first:])

    def choose(self, name, group="all"):
        """Split by another strategy from now on."""
        self.engine.desk.choose_strategy(group, name, self.now)


@pytest.mark.parametrize("poll_s", [1.0, 8.0])
@pytest.mark.parametrize("asked", [12_000.0, -12_000.0])
def test_the_total_stands_while_the_strategy_is_switched(poll_s, asked):
    fleet = Fleet(poll_s)
    fleet.engine.admit(ask(set_w=asked), fleet.now)
    fleet.run(20 + 3 * poll_s)
    before = fleet.w.copy()
    for name in STRATEGIES:
        fleet.choose(name)
        totals = fleet.run(20 + 5 * poll_s)
        assert np.abs(totals - asked).max() <= (PART + 0.01) * abs(asked)
        assert not np.allclose(fleet.w, before, atol=100.0)
        before = fleet.w.copy()


def test_it_ends_where_a_fresh_engine_would_begin():
    fleet, fresh = Fleet(1.0), Fleet(1.0)
    for one in (fleet, fresh):
        one.engine.admit(ask(set_w=12_000.0), one.now)
    fresh.choose("proportional")
    fresh.run(30)
    fleet.run(30)
    assert fleet.w == pytest.approx([5_000.0, 5_000.0, 2_000.0, 0.0, 0.0, 0.0], abs=100.0)
    fleet.choose("proportional")
    fleet.run(200)
    assert fleet.w == pytest.approx(fresh.w, abs=40.0)
    quiet = fleet.writes
    fleet.run(100)
    assert fleet.writes - quiet <= 6


def test_what_is_asked_anew_meanwhile_is_not_held_up():
    fleet, fresh = Fleet(8.0), Fleet(8.0)
    fleet.engine.admit(ask(set_w=9_000.0, program="p"), fleet.now)
    fleet.run(30)
    fleet.choose("fewest-units")
    fleet.run(10)
    for name, asked in (("up", 14_000.0), ("down", 4_000.0)):
        at = fleet.now - T0
        fleet.engine.admit(ask(name, start=at, set_w=asked, program="p", created=T0 + at), fleet.now)
        before = fleet.totals[-1]
        totals = fleet.run(2.5)
        assert abs(totals[-1] - before) > 4_500.0
        fleet.run(20)
        assert fleet.totals[-1] == pytest.approx(asked, rel=0.05)
    fresh.engine.admit(ask("f", set_w=4_000.0), fresh.now)
    fresh.choose("fewest-units")
    fresh.run(40)
    fleet.run(300)
    assert fleet.w.sum() == pytest.approx(4_000.0, rel=0.01)
    assert sum(w > 100.0 for w in fleet.w) == sum(w > 100.0 for w in fresh.w)


def test_a_limit_does_not_wait_for_anybody():
    groups = [
        Group(id="all", members=("in", "slow0", "slow1", "slow2")),
        Group(id="in", members=("quick0", "quick1", "quick2")),
    ]
    fleet = Fleet(8.0, groups=groups)
    fleet.engine.admit(ask(set_w=12_000.0), fleet.now)
    fleet.run(30)
    fleet.choose("proportional")
    fleet.run(5)
    fleet.engine.admit(ask("l", start=fleet.now - T0, group="in", export_limit=3_000.0), fleet.now)
    fleet.run(4)
    assert fleet.w[:3].sum() <= 3_001.0


def test_a_signal_every_few_seconds_goes_on():
    fleet = Fleet(1.0)
    fleet.engine.admit(ask(set_w=10_000.0, program="p"), fleet.now)
    fleet.run(20)
    fleet.choose("proportional")
    signal, off = 0.0, []
    for at in range(60):
        signal = 1_500.0 * np.sin(at / 3.0)
        control = ask(
            f"r{at}", start=fleet.now - T0, regulation=signal, program="agc", service_class=ServiceClass.REGULATION,
            created=fleet.now,
        )  # fmt: skip
        fleet.engine.admit(control, fleet.now)
        off.append(abs(fleet.run(4)[-1] - 10_000.0 - signal))
    assert max(off) <= 0.035 * 10_000.0
    assert fleet.w[:3].sum() < 7_000.0


def test_the_account_says_what_can_be_reached():
    fleet = Fleet(8.0)
    fleet.engine.admit(ask(set_w=9_000.0), fleet.now)
    fleet.run(30)
    fleet.choose("proportional")
    fleet.run(2)
    result = fleet.engine._stepper.results["all"]
    assert (result.low, result.high) == pytest.approx((-30_000.0, 30_000.0))


@pytest.mark.parametrize("name", ["slow0", "quick0"])
def test_who_is_back_and_fetches_what_it_is_told_takes_over_before_others_give_back(name):
    fleet = Fleet(8.0)
    fleet.choose("proportional")
    fleet.engine.admit(ask(set_w=12_000.0), fleet.now)
    fleet.run(30)
    at = fleet.ids.index(name)
    fleet.engine.desk.block(name, True, fleet.now)
    fleet.run(30)
    assert fleet.w[at] == pytest.approx(0.0, abs=1.0)
    fleet.engine.desk.block(name, False, fleet.now)
    totals = fleet.run(120)
    assert fleet.w[at] == pytest.approx(2_000.0, abs=20.0)
    least = (1.0 - PART - 0.005) * 12_000.0 if name == "slow0" else 10_000.0
    assert totals.min() >= least


class Crowd:
    """Batteries of 5 kW that are where they were told with the next step."""

    def __init__(self, count, *, phases=(Phase.ALL,)):
        self.engine, self.now = Engine(EngineConfig()), T0
        self.devices = [battery(f"b{at:02}", phases=phases[at % len(phases)]) for at in range(count)]
        self.engine.set_groups([Group(id="all", members=tuple(device.id for device in self.devices))], T0)
        self.w, self.told = {}, dict.fromkeys((device.id for device in self.devices), 0)

    def come(self, *devices):
        """They are there from now on."""
        for device in devices:
            self.engine.add_device(device, self.now)
            self.w[device.id] = 0.0

    def step(self, seconds=0.25):
        """A step, and so much time after it; the total."""
        now = self.now
        self.engine.observe(
            [Snapshot(device_id=n, source_time=now, received=now, w=w, soc=0.5) for n, w in self.w.items()], now
        )
        sent = list(self.engine.tick(now).setpoints)
        for point in sent:
            self.told[point.device_id] += 1
            self.w[point.device_id] = point.active_power_w or 0.0
        done = DeliveryOutcome.ACKNOWLEDGED
        self.engine.deliver([Delivery(device_id=p.device_id, outcome=done, at=now, setpoint=p) for p in sent], now)
        self.now += seconds
        return sum(self.w.values())


def test_devices_that_come_one_after_the_other_do_not_change_the_shares_of_all_each_time():
    crowd = Crowd(60)
    crowd.engine.admit(ask(set_w=100_000.0), T0)
    totals = []
    for device in crowd.devices:
        crowd.come(device)
        totals.append(crowd.step())
    assert totals[:20] == pytest.approx([5_000.0 * (at + 1) for at in range(20)])
    totals = np.array(totals[20:] + [crowd.step(1.0) for _ in range(50)])
    assert np.abs(totals - 100_000.0).max() <= PART * 100_000.0
    assert list(crowd.w.values()) == pytest.approx([100_000.0 / 60] * 60, abs=30.0)
    assert max(crowd.told.values()) <= 4
    assert sum(crowd.told.values()) <= 3 * 60


def test_one_that_comes_alone_has_its_share_at_once():
    crowd = Crowd(3)
    crowd.engine.admit(ask(set_w=6_000.0), T0)
    crowd.come(*crowd.devices[:2])
    for _ in range(5):
        crowd.step(1.0)
    crowd.come(crowd.devices[2])
    crowd.step()
    assert list(crowd.w.values()) == pytest.approx([2_000.0] * 3)


def test_for_many_that_come_for_long_the_split_does_not_wait_for_ever():
    crowd = Crowd(60)
    crowd.engine.admit(ask(set_w=50_000.0), T0)
    crowd.come(*crowd.devices[:20])
    for device in crowd.devices[20:]:
        crowd.come(device)
        for _ in range(3):
            crowd.step(0.9)
    assert crowd.now - T0 > COMING_MOST_S
    assert crowd.w["b00"] < 1_500.0


def test_each_is_told_its_new_share_once_or_twice():
    crowd = Crowd(60)
    crowd.engine.admit(ask(set_w=150_000.0), T0)
    crowd.engine.desk.choose_strategy("all", "merit-order", T0)
    crowd.come(*crowd.devices)
    for _ in range(5):
        crowd.step(1.0)
    before = sum(crowd.told.values())
    crowd.engine.desk.choose_strategy("all", "proportional", crowd.now)
    totals = np.array([crowd.step(1.0) for _ in range(60)])
    assert list(crowd.w.values()) == pytest.approx([2_500.0] * 60, abs=30.0)
    assert np.abs(totals - 150_000.0).max() <= PART * 150_000.0
    assert sum(crowd.told.values()) - before <= 2.5 * 60


def test_phases_stay_in_balance_while_a_split_is_walked():
    crowd = Crowd(60, phases=(Phase.A, Phase.B, Phase.C))
    crowd.engine.admit(ask(set_w=150_000.0), T0)
    crowd.engine.desk.choose_strategy("all", "merit-order", T0)
    crowd.come(*sorted(crowd.devices, key=lambda device: device.phases))
    for _ in range(5):
        crowd.step(1.0)
    crowd.engine.desk.choose_strategy("all", "proportional", crowd.now)
    on = {phase: [d.id for d in crowd.devices if d.phases is phase] for phase in (Phase.A, Phase.B, Phase.C)}
    for _ in range(60):
        crowd.step(1.0)
        sums = [sum(crowd.w[name] for name in names) for names in on.values()]
        assert max(sums) - min(sums) <= 0.2 * 50_000.0 + 1.0
    assert list(crowd.w.values()) == pytest.approx([2_500.0] * 60, abs=30.0)
