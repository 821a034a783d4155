"""The engine's own methods, one rule each; whole stories are in tests/flows/engine."""

from dataclasses import replace

import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    ControlState,
    Delivery,
    DeliveryOutcome,
    ModeValue,
    Outcome,
    OutcomeKind,
    Source,
    Target,
    TargetKind,
    Verdict,
)
from gridiface.domain.fleet import Capability, Device, DriverTraits, Group, Nameplate
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot
from gridiface.errors import ConfigError

T0 = 1_700_000_000.0
ABLE = frozenset({Capability.SET_W, Capability.LIMIT_W})
GROUP = Target(TargetKind.GROUP, "all")


def device(name, **more):
    plate = {"max_w": 5_000.0, "max_charge_w": 5_000.0, "energy_wh": 10_000.0, "capabilities": ABLE}
    return Device(id=name, nameplate=Nameplate(**plate), **more)


def control(name="c1", start=0.0, duration=60.0, target=GROUP, **modes):
    more = {key: modes.pop(key) for key in ("is_default", "created", "randomize_start_s") if key in modes}
    return Control(
        id=name,
        source=Source(protocol="t", program="p"),
        target=target,
        values={ControlMode(mode): ModeValue(value) for mode, value in modes.items()},
        interval=Interval(T0 + start, duration),
        **({"created": T0} | more),
    )


def look(engine, now, watts=0.0, soc=0.5):
    engine.observe(
        [Snapshot(device_id=d.id, source_time=now, received=now, w=watts, soc=soc) for d in engine.devices()], now
    )


@pytest.fixture
def engine():
    engine = Engine()
    for name in "abcd":
        engine.add_device(device(name, traits=DriverTraits(answers_itself=name == "d")), T0)
    engine.set_groups([Group(id="all", members=tuple("abcd"))], T0)
    look(engine, T0)
    engine.tick(T0)
    return engine


def admit(engine, one, now=T0):
    answer, drawn, _ = engine.decide(one, now)
    assert answer.will_run, answer
    engine.admit(drawn, now)
    return drawn


def answer_all(engine, result, now, outcome=DeliveryOutcome.ACKNOWLEDGED):
    engine.deliver(
        [Delivery(device_id=s.device_id, outcome=outcome, at=now, setpoint=s) for s in result.setpoints], now
    )


def kinds(outcomes):
    return [(outcome.device_id, outcome.kind.name) for outcome in outcomes]


def test_decide_changes_nothing_and_says_the_same_again(engine):
    one = control(set_w=4_000.0, start=50.0, randomize_start_s=20.0)
    assert engine.decide(one, T0) == engine.decide(one, T0)
    assert engine.control("c1") is None
    assert engine.tick(T0).outcomes == ()


def test_the_same_seed_draws_the_same_effective_interval():
    drawn = []
    for seed in (3, 3, 4):
        engine = Engine(seed=seed)
        engine.add_device(device("a"), T0)
        engine.set_groups([Group(id="all", members=("a",))], T0)
        drawn.append(engine.decide(control(set_w=1.0, start=50.0, randomize_start_s=20.0), T0)[1].effective)
    assert drawn[0] == drawn[1] != drawn[2]


def test_more_than_can_be_held_is_accepted_in_part_with_what_is_feasible(engine):
    answer, _, decisions = engine.decide(control(set_w=30_000.0), T0)
    assert answer.verdict is Verdict.PARTIAL
    assert answer.feasible_w == pytest.approx(20_000.0)
    assert decisions[0].verdict == "partial"
    long = control(set_w=20_000.0, duration=7_200.0)
    assert engine.decide(long, T0)[0].feasible_w == pytest.approx(0.48 * 20_000.0, rel=0.05)


def test_a_standing_limit_counts_in_what_is_feasible(engine):
    admit(engine, control("l", export_limit=2_000.0))
    engine.tick(T0)
    assert engine.decide(control(set_w=5_000.0), T0)[0].feasible_w == pytest.approx(2_000.0)


def test_devices_that_answer_themselves_are_told_only_by_their_reports(engine):
    admit(engine, control(set_w=8_000.0))
    result = engine.tick(T0)
    assert (None, "RECEIVED") in kinds(result.outcomes)
    assert ("a", "RECEIVED") in kinds(result.outcomes)
    assert ("d", "RECEIVED") not in kinds(result.outcomes)
    answer_all(engine, result, T0)
    assert ("d", "STARTED") not in kinds(engine.tick(T0).outcomes)
    said = Outcome(control_id="c1", kind=OutcomeKind.STARTED, at=T0 + 3, device_id="d")
    engine.report([said, said], T0 + 3)
    assert kinds(engine.tick(T0 + 3).outcomes) == [("d", "STARTED")]


def test_a_device_that_declines_gives_its_share_to_the_others(engine):
    admit(engine, control(set_w=8_000.0))
    answer_all(engine, engine.tick(T0), T0)
    engine.report([Outcome(control_id="c1", kind=OutcomeKind.FAILED, at=T0 + 1, device_id="d")], T0 + 1)
    assert engine.next_timer(T0 + 1) == T0 + 1
    result = engine.tick(T0 + 1)
    assert sum(s.active_power_w for s in result.setpoints) == pytest.approx(8_000.0)
    assert "d" not in {s.device_id for s in result.setpoints}


def test_a_late_delivery_is_not_the_devices_fault_and_is_told_anew(engine):
    admit(engine, control(set_w=8_000.0))
    result = engine.tick(T0)
    late = Delivery(device_id="a", outcome=DeliveryOutcome.LATE, at=T0 + 1, setpoint=result.setpoints[0])
    engine.deliver([late], T0 + 1)
    again = engine.tick(T0 + 1)
    assert [s.device_id for s in again.setpoints] == ["a"]
    assert [d.verdict for d in again.decisions if d.signal == "delivery"] == ["late"]


def test_unchanged_and_published(engine):
    admit(engine, control(set_w=8_000.0))
    result = engine.tick(T0)
    answer_all(engine, result, T0, DeliveryOutcome.PUBLISHED)
    assert not [k for k in kinds(engine.tick(T0).outcomes) if k[1] == "STARTED"]
    answer_all(engine, result, T0 + 1, DeliveryOutcome.UNCHANGED)
    assert (None, "STARTED") in kinds(engine.tick(T0 + 1).outcomes)


def test_prices_inform_and_move_nobody(engine):
    admit(engine, control(price=0.3, duration=10.0))
    result = engine.tick(T0)
    assert not result.setpoints
    assert (None, "STARTED") in kinds(result.outcomes)
    assert (None, "COMPLETED") in kinds(engine.tick(T0 + 10).outcomes)
    assert engine.control("c1").state is ControlState.COMPLETED


def test_timers_lead_from_edge_to_edge(engine):
    assert engine.next_timer(T0) > T0
    admit(engine, control(set_w=1_000.0, start=7.0, duration=9.0))
    assert engine.next_timer(T0) == T0
    engine.tick(T0)
    look(engine, T0 + 6)
    assert engine.next_timer(T0 + 6.9) <= T0 + 7.0
    assert engine.tick(T0 + 7).setpoints
    assert Engine().next_timer(T0) is None


def test_a_default_is_replaced_and_taken_away(engine):
    first = control("d", 0.0, None, set_w=1_000.0, is_default=True)
    admit(engine, first)
    assert sum(s.active_power_w for s in engine.tick(T0).setpoints) == pytest.approx(1_000.0)
    admit(engine, replace(first, values={ControlMode.SET_W: ModeValue(3_000.0)}, created=T0 + 1))
    assert sum(s.active_power_w for s in engine.tick(T0 + 1).setpoints) == pytest.approx(3_000.0)
    assert engine.cancel("d", T0 + 2)
    assert all(s.release for s in engine.tick(T0 + 2).setpoints)
    assert not engine.cancel("d", T0 + 3)


def test_the_share_of_a_removed_device_goes_to_the_others(engine):
    admit(engine, control(set_w=8_000.0))
    answer_all(engine, engine.tick(T0), T0)
    engine.remove_device("b", T0 + 1)
    engine.remove_device("nobody", T0 + 1)
    result = engine.tick(T0 + 1)
    assert {s.device_id: s.active_power_w for s in result.setpoints} == pytest.approx(dict.fromkeys("acd", 8_000 / 3))
    assert engine.members("all") == ("a", "c", "d")
    assert engine.setpoint("b") is None


def test_a_device_that_joins_takes_part(engine):
    admit(engine, control(set_w=8_000.0))
    answer_all(engine, engine.tick(T0), T0)
    engine.set_groups([Group(id="all", members=tuple("abcde"))], T0 + 1)
    engine.add_device(device("e"), T0 + 1)
    assert engine.setpoint("a").active_power_w == pytest.approx(2_000.0)
    engine.tick(T0 + 1)
    assert engine.setpoint("e").active_power_w == pytest.approx(1_600.0)


@pytest.mark.parametrize("state", [{"connected": False}, {"state": OperatingState.FAULT}, {"local_control": True}])
def test_who_says_it_cannot_is_left_out_and_comes_back(engine, state):
    admit(engine, control(set_w=8_000.0))
    answer_all(engine, engine.tick(T0), T0)
    engine.observe([Snapshot(device_id="a", source_time=T0 + 1, received=T0 + 1, w=0.0, **state)], T0 + 1)
    result = engine.tick(T0 + 1)
    assert sum(s.active_power_w for s in result.setpoints) == pytest.approx(8_000.0)
    assert [d.verdict for d in result.decisions if d.signal == "availability"] == ["unavailable"]
    engine.observe([Snapshot(device_id="a", source_time=T0 + 2, received=T0 + 2, w=0.0, connected=True)], T0 + 2)
    assert "a" in {s.device_id for s in engine.tick(T0 + 2).setpoints}


def test_a_power_beyond_physics_is_not_believed(engine):
    engine.observe([Snapshot(device_id="a", source_time=T0 + 1, received=T0 + 1, w=9e6)], T0 + 1)
    result = engine.tick(T0 + 1)
    assert [d.verdict for d in result.decisions if d.signal == "telemetry"] == ["quarantined"]
    assert engine.snapshot(GROUP).w == 0.0


def test_old_telemetry_is_shown_as_stale(engine):
    for at in range(1, 4):
        look(engine, T0 + at)
    engine.observe([], T0 + 6)
    assert engine.snapshot(Target(TargetKind.DEVICE, "a")).quality is Quality.STALE
    assert engine.snapshot(Target(TargetKind.DEVICE, "nobody")) is None


def test_silent_devices_are_lost_and_said(engine):
    for at in range(1, 31):
        look(engine, T0 + at)
    result = engine.tick(T0 + 35)
    assert [d.verdict for d in result.decisions if d.signal == "availability"] == ["lost"] * 4
    assert "members_lost" in engine.snapshot(GROUP).alarms


def test_a_device_that_tells_all_at_once_and_then_nothing_for_minutes_is_not_lost(engine):
    inverter = Target(TargetKind.DEVICE, "d")
    for second in range(1, 1200):
        for part in range(6 if second % 300 == 1 else 0):
            at = T0 + second + 0.02 * part
            engine.observe([Snapshot(device_id="d", source_time=at, received=at, w=0.0, soc=0.5)], at)
        engine.observe([], T0 + second + 0.5)
        assert engine.snapshot(inverter).quality is Quality.GOOD
    for second in range(1200, 2000):
        engine.observe([], T0 + second)
    assert engine.snapshot(inverter).quality is Quality.STALE


def test_a_device_is_missed_by_the_pace_it_was_asked_for(engine):
    engine.add_device(device("e", traits=DriverTraits(answers_itself=True, report_period_s=2.0)), T0)
    for second in range(11):
        at = T0 + second
        if second in (0, 2, 4):
            engine.observe([Snapshot(device_id="e", source_time=at, received=at, w=0.0, soc=0.5)], at)
        result = engine.tick(at)
        assert not [one for one in result.decisions if one.verdict == "lost" and one.target.id == "e"]
    assert [one.target.id for one in engine.tick(T0 + 10.1).decisions if one.verdict == "lost"].count("e") == 1


def test_strategies_by_group_and_by_configuration():
    config = EngineConfig(strategies=(("all", "merit-order"),))
    engine = Engine(config)
    for name, tier in (("a", 2), ("b", 1)):
        engine.add_device(device(name, tier=tier), T0)
    engine.set_groups([Group(id="all", members=("a", "b"))], T0)
    admit(engine, control(set_w=4_000.0))
    assert {s.device_id: s.active_power_w for s in engine.tick(T0).setpoints} == {"a": 0.0, "b": 4_000.0}
    with pytest.raises(ConfigError):
        Engine(EngineConfig(strategy="nobody"))
    with pytest.raises(ConfigError):
        engine.set_groups([Group(id="all", members=("a",), strategy="nobody")], T0)
    assert engine.group("all").strategy == "water-filling"


def test_configuration_that_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match="hold_time_s"):
        EngineConfig(hold_time_s=0.0)
    with pytest.raises(ConfigError, match="lost_after_s"):
        EngineConfig(stale_after_s=9.0, lost_after_s=3.0)


def test_coarse_devices_get_whole_steps_and_fine_ones_the_rest():
    engine = Engine()
    engine.add_device(device("coarse", traits=DriverTraits(power_step_w=1_000.0)), T0)
    engine.add_device(device("fine"), T0)
    engine.set_groups([Group(id="all", members=("coarse", "fine"))], T0)
    admit(engine, control(set_w=5_000.0))
    told = {s.device_id: s.active_power_w for s in engine.tick(T0).setpoints}
    assert told == pytest.approx({"coarse": 2_000.0, "fine": 3_000.0})


def test_cancel_before_and_after(engine):
    admit(engine, control(set_w=1_000.0, start=100.0))
    engine.tick(T0)
    assert engine.cancel("c1", T0 + 1)
    assert (None, "CANCELLED") in kinds(engine.tick(T0 + 1).outcomes)
    assert not engine.cancel("c1", T0 + 2)
    assert not engine.cancel("nobody", T0 + 2)
    assert engine.decide(control(set_w=1.0), T0 + 2)[0].verdict is Verdict.INVALID


def nested(engine):
    engine.set_groups(
        [
            Group(id="all", members=("north", "south")),
            Group(id="north", members=("a", "b"), parent="all"),
            Group(id="south", members=("c", "d"), parent="all"),
        ],
        T0,
    )


def told(engine, now):
    for point in engine.tick(now).setpoints:
        yield point.device_id, point.active_power_w


def test_default_of_a_child_stands_back_while_its_parent_is_told_a_set_point(engine):
    nested(engine)
    south = Target(TargetKind.GROUP, "south")
    admit(engine, control("d", 0.0, None, target=south, set_w=500.0, is_default=True))
    before = dict(told(engine, T0))
    assert before["c"] + before["d"] == pytest.approx(500.0)
    admit(engine, control("e", 1.0, 60.0, set_w=16_000.0), T0 + 1)
    during = dict(told(engine, T0 + 1))
    assert sum(during.values()) == pytest.approx(16_000.0)
    assert during["c"] == pytest.approx(4_000.0)


def test_default_limit_of_a_child_stays_under_its_parents_set_point(engine):
    nested(engine)
    south = Target(TargetKind.GROUP, "south")
    admit(engine, control("d", 0.0, None, target=south, export_limit=1_000.0, is_default=True))
    admit(engine, control("e", 0.0, 60.0, set_w=9_000.0))
    during = dict(told(engine, T0))
    assert during["c"] + during["d"] <= 1_000.0 + 1e-6
    assert sum(during.values()) == pytest.approx(9_000.0)


def test_shortfall_of_a_short_control_is_told_at_its_end(engine):
    admit(engine, control("big", 0.0, 20.0, set_w=50_000.0))
    outcomes = []
    for second in range(22):
        now = T0 + second
        look(engine, now, watts=5_000.0, soc=0.9)
        result = engine.tick(now)
        answer_all(engine, result, now)
        outcomes += result.outcomes
    outcomes += engine.tick(T0 + 22).outcomes
    whole = [o.kind for o in outcomes if o.control_id == "big" and o.device_id is None]
    assert OutcomeKind.PARTIAL in whole
    assert OutcomeKind.COMPLETED not in whole


def outcomes_of(bench, device_id):
    return [one.kind.name for one in bench.outcomes if one.device_id == device_id]


def test_who_joins_in_the_middle_of_a_control_has_a_beginning_an_end_and_a_line_in_its_account(bench):
    made = bench(battery("a"), battery("b"))
    made.submit(ask(duration=20.0, set_w=6_000.0))
    made.step(steps=5)
    made.engine.add_device(battery("c"), made.now)
    made.engine.join_groups("c", ["all"], made.now)
    made.step(steps=20)
    assert outcomes_of(made, "c") == ["RECEIVED", "STARTED", "COMPLETED"]
    own, *lines = made.engine.performance.report("c1")
    ends = {line.target_id: (line.intervals[0].start - T0, line.intervals[0].end - T0) for line in lines}
    assert ends == {"a": (1.0, 20.0), "b": (1.0, 20.0), "c": (6.0, 20.0)}
    energy = sum(line.mean("delivered_w") * (line.intervals[0].end - line.intervals[0].start) for line in lines)
    assert energy == pytest.approx(own.mean("delivered_w") * 19.0)


def test_who_leaves_the_group_in_the_middle_of_a_control_has_had_a_part_of_it(bench):
    made = bench(battery("a"), battery("b"))
    made.submit(ask(duration=20.0, set_w=6_000.0))
    made.step(steps=5)
    made.engine.set_groups([Group(id="all", members=("a",))], made.now)
    made.step(steps=20)
    assert outcomes_of(made, "b") == ["RECEIVED", "STARTED", "PARTIAL"]
    assert outcomes_of(made, "a") == ["RECEIVED", "STARTED", "COMPLETED"]
    assert made.told["b"] is None


def test_a_control_of_one_device_has_one_account_in_which_what_was_requested_stays(bench):
    made = bench(battery("a"))
    one = replace(ask(duration=20.0, set_w=9_000.0), target=Target(TargetKind.DEVICE, "a"))
    made.submit(one)
    made.step(steps=3)
    made.engine.cancel("c1", made.now + 1.0)
    made.now += 1.0
    intervals = made.engine.tick(made.now).performance
    assert [(i.target_id, i.requested_w, i.allocated_w) for i in intervals] == [("a", 9_000.0, 5_000.0)]


def test_while_another_control_rules_the_power_nothing_counts_as_delivered_for_the_one_it_covers(bench):
    made = bench(battery("a"), battery("b"))
    made.submit(ask("long", duration=40.0, set_w=2_000.0))
    made.submit(ask("short", start=10.0, duration=20.0, authority=9.0, set_w=8_000.0))
    made.step(steps=41)
    assert made.engine.performance.report("long")[0].mean("delivered_w") == pytest.approx(2_000.0, rel=0.2)
    assert made.engine.performance.report("short")[0].mean("delivered_w") == pytest.approx(8_000.0, rel=0.1)


def restarted(made, *devices, groups):
    """The bench's engine anew, as it comes back from the store."""
    engine = Engine(EngineConfig())
    for device_ in devices:
        engine.add_device(device_, made.now)
    engine.set_groups(groups, made.now)
    engine.restore(
        [one for one in made.engine.controls() if one.is_default or one.span.end > made.now], made.outcomes, made.now
    )
    made.engine = engine
    return made


def test_who_left_the_group_before_a_restart_still_has_an_end_and_a_newcomer_a_receipt(bench):
    made = bench(battery("a"), battery("b"))
    made.submit(ask(duration=60.0, set_w=6_000.0))
    made.step(steps=5)
    restarted(made, *map(battery, "abc"), groups=[Group(id="all", members=("a", "c"))])
    made.step(steps=60)
    assert outcomes_of(made, "a") == ["RECEIVED", "STARTED", "COMPLETED"]
    assert outcomes_of(made, "b") == ["RECEIVED", "STARTED", "PARTIAL"]
    assert outcomes_of(made, "c") == ["RECEIVED", "STARTED", "COMPLETED"]


def test_a_receipt_that_was_not_recorded_before_a_restart_is_told_after_it(bench):
    made = bench(battery("a"))
    made.submit(ask(start=30.0, duration=60.0, set_w=6_000.0))
    restarted(made, battery("a"), groups=[Group(id="all", members=("a",))]).step()
    assert kinds(made.outcomes) == [(None, "RECEIVED"), ("a", "RECEIVED")]


class Switched:
    """A bench of one battery that says of itself whether it is on the grid."""

    def __init__(self, made, able):
        self.made, self.on, self.local = made, True, False
        made.engine.add_device(replace(battery("a"), nameplate=replace(battery("a").nameplate, capabilities=able)), T0)

    def look(self):
        now, told = self.made.now, self.made.told
        state = OperatingState.RUNNING if self.on else OperatingState.OFF
        watts = told.get("a") or 0.0 if self.on else 0.0
        seen = Snapshot(device_id="a", source_time=now, received=now, w=watts, soc=0.5, connected=self.on, state=state)
        self.made.engine.observe([replace(seen, local_control=self.local)], now)

    def step(self, steps=1):
        """Time goes on; what it was sent."""
        sent = []
        for _ in range(steps):
            self.made.now += 1.0
            self.look()
            sent += self.made.tick()
            for point in sent[-1:]:
                said = [one for one in (point.connect, point.energize) if one is not None]
                if said or point.let_go & {ControlMode.CONNECT, ControlMode.ENERGIZE}:
                    self.on = all(said)
        return sent


@pytest.fixture
def switched(bench):
    return Switched(bench(battery("a")), ABLE | {Capability.CONNECT, Capability.ENERGIZE})


@pytest.mark.parametrize("mode", ["connect", "energize"])
def test_a_device_that_was_taken_off_the_grid_comes_back_when_that_is_over(switched, mode):
    switched.made.submit(ask("long", duration=60.0, set_w=3_000.0))
    switched.made.submit(ask("off", duration=10.0, authority=1.0, **{mode: 0.0}))
    switched.step(8)
    assert not switched.on
    sent = switched.step(10)
    assert switched.on
    assert sent[0].active_power_w is None  # it cannot do anything yet
    assert sent[-1].active_power_w == pytest.approx(3_000.0)


def test_a_device_that_was_taken_off_the_grid_comes_back_though_nothing_else_is_asked(switched):
    switched.made.submit(ask("off", duration=10.0, energize=0.0))
    switched.step(8)
    assert not switched.on
    switched.step(10)
    assert switched.on


def test_a_device_that_was_taken_off_the_grid_comes_back_after_a_restart_in_which_that_ended(switched):
    switched.made.submit(ask("off", duration=10.0, energize=0.0))
    switched.step(8)
    able = switched.made.engine.device("a")
    restarted(switched.made, able, groups=[Group(id="all", members=("a",))])
    switched.made.now += 20.0
    switched.step(3)
    assert switched.on


def test_a_device_that_is_off_the_grid_can_be_told_to_connect_unless_it_is_in_local_control(switched):
    switched.on = False
    switched.look()
    switched.made.submit(ask("on", duration=60.0, connect=1.0))
    switched.local = True
    assert switched.step(2) == []
    switched.local = False
    assert [point.connect for point in switched.step(2)] == [True]
    assert switched.on


def test_a_device_that_is_off_by_itself_is_left_alone(switched):
    switched.made.submit(ask("long", duration=60.0, set_w=3_000.0))
    switched.step(3)
    switched.on = False
    assert switched.step(5) == []


def test_controls_that_ended_lately_are_known_after_a_restart_as_before(bench):
    made = bench(battery("a"), battery("b"))
    made.submit(ask("first", duration=600.0, set_w=2_000.0))
    made.step(steps=3)
    made.submit(ask("second", duration=600.0, set_w=3_000.0))
    made.submit(ask("third", start=300.0, duration=60.0, set_w=1_000.0))
    made.engine.cancel("third", made.now)
    made.step(steps=3)
    before = {one.id: one.state.name for one in made.engine.controls()}
    assert before == {"first": "SUPERSEDED", "second": "ACTIVE", "third": "CANCELLED"}
    told = list(made.outcomes)
    restarted(made, *map(battery, "ab"), groups=[Group(id="all", members=("a", "b"))])
    assert {one.id: one.state.name for one in made.engine.controls()} == before
    made.step(steps=3)
    assert made.outcomes == told, "nothing is told again"
    assert [one.id for one in made.engine.controls() if one.state.name == "ACTIVE"] == ["second"]


def test_another_authority_decides_anew_who_rules_at_once_and_says_so(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(ask("low", set_w=4_000.0, duration=600.0, authority=1.0))
    world.submit(ask("high", set_w=1_000.0, duration=300.0, authority=2.0))
    world.step(1)
    assert world.total == pytest.approx(1_000.0)
    assert world.engine.desk.rank("high", 0.5, world.now)
    assert world.engine.next_timer(world.now) == world.now
    world.tick()
    assert world.total == pytest.approx(4_000.0)
    assert ("ranked", "all") in world.verdicts("set_w")
    assert not world.engine.desk.rank("high", 0.5, world.now)
    assert not world.engine.desk.rank("unknown", 3.0, world.now)


def test_who_is_ranked_above_for_longer_displaces_for_good(bench):
    world = bench(battery("a"))
    world.submit(ask("one", set_w=2_000.0, duration=300.0, authority=2.0))
    world.submit(ask("two", set_w=1_000.0, duration=300.0, authority=1.0))
    world.step(1)
    kinds_of_two = [o.kind.name for o in world.outcomes if o.control_id == "two" and o.device_id is None]
    assert kinds_of_two[-1] == "SUPERSEDED"
    world.submit(ask("three", set_w=3_000.0, duration=600.0, authority=1.5))
    world.step(1)
    assert world.engine.desk.rank("three", 3.0, world.now)
    world.step(1)
    assert [o.kind.name for o in world.outcomes if o.control_id == "one" and o.device_id is None][-1] == "SUPERSEDED"
    assert world.total == pytest.approx(3_000.0)
