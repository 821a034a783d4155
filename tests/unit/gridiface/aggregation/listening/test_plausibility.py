"""Who is not believed: physics, following, the group's meter; and how that ends."""

import itertools

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.domain.controls import DeliveryOutcome, Outcome, OutcomeKind, Target, TargetKind
from gridiface.domain.fleet import Device, DeviceKind, DriverTraits, Group, Nameplate
from gridiface.errors import ConfigError


def test_impossible_power_for_long_is_quarantined_until_an_operator_releases_it(bench):
    world = bench(battery("a"), battery("b"), quarantine_after_s=5.0)
    world.submit(ask(set_w=4_000.0))
    world.step(steps=2)
    world.lies["a"] = 80_000.0
    world.step(steps=3)
    assert world.engine.desk.quarantined() == ()
    world.step(steps=5)
    assert world.engine.desk.quarantined() == ("a",)
    assert [world.engine.desk.distrust(name) for name in ("a", "b", "nobody")] == ["quarantined", "", ""]
    assert world.told["b"] == pytest.approx(4_000.0)
    world.lies.clear()
    world.step(steps=100)
    assert world.engine.desk.quarantined() == ("a",)
    assert not world.engine.desk.believe("b", world.now)
    assert world.engine.desk.believe("a", world.now)
    world.step()
    assert world.told == pytest.approx({"a": 2_000.0, "b": 2_000.0})
    assert ("released", "a") in world.verdicts("telemetry")


def test_a_device_that_has_told_no_rating_yet_is_not_judged_by_one(bench):
    """An inverter registers in band and posts readings before its DERCapability, or never writes one."""
    stranger = Device(id="s", nameplate=Nameplate(max_w=0.0), driver="sep2")
    world = bench(battery("a"), stranger, quarantine_after_s=2.0)
    world.lies["s"] = 80_000.0
    world.step(steps=10)
    assert world.engine.desk.quarantined() == ()
    assert world.engine.snapshot(Target(TargetKind.GROUP, "all")).w == pytest.approx(80_000.0)


def test_a_quarantine_ends_by_itself_where_that_is_configured(bench):
    world = bench(battery("a"), battery("b"), quarantine_after_s=2.0, quarantine_release="auto")
    world.submit(ask(set_w=4_000.0))
    world.lies["a"] = 80_000.0
    world.step(steps=6)
    assert world.engine.desk.quarantined() == ("a",)
    world.lies.clear()
    world.step(steps=30)
    assert world.engine.desk.quarantined() == ()


def test_a_device_that_acknowledges_and_does_not_follow_gives_its_share_away(bench):
    world = bench(battery("a"), battery("b"), follow_after_s=10.0)
    world.deaf.add("a")
    world.submit(ask(set_w=4_000.0))
    world.step(steps=9)
    assert world.told["b"] == pytest.approx(2_000.0)
    world.step(steps=6)
    assert world.told["b"] == pytest.approx(4_000.0)
    assert ("failing", "a") in world.verdicts("availability")


def metered(bench):
    meter = Device(id="m", kind=DeviceKind.METER, nameplate=Nameplate(max_w=0.0))
    group = Group(id="all", members=("a", "b", "m"), meter="m")
    world = bench(battery("a"), battery("b"), meter, groups=[group])
    world.lies["m"] = 0.0
    return world


def test_who_did_not_follow_for_a_moment_is_not_found_with_its_next_command_long_after(bench):
    """Nobody was told anything in between: since when it did not follow was kept."""
    world = bench(battery("a"), battery("b"))
    world.submit(ask("short", duration=20.0, set_w=4_000.0))
    world.lies["a"] = 0.0
    world.step(steps=200)
    world.submit(ask("next", start=world.now - T0, set_w=4_000.0))
    world.step(steps=50)
    assert ("failing", "a") not in world.verdicts("availability")
    world.step(steps=20)
    assert ("failing", "a") in world.verdicts("availability")


def test_a_step_that_the_meter_does_not_see_is_a_lie(bench):
    world = metered(bench)
    world.submit(ask(export_limit=9_000.0))
    world.step(steps=3)
    world.lies["b"] = 2_500.0
    world.step(steps=2)
    assert world.engine.desk.quarantined() == ("b",)


def test_a_step_that_the_meter_sees_is_none(bench):
    world = metered(bench)
    world.submit(ask(export_limit=9_000.0))
    world.step(steps=3)
    world.lies |= {"b": 2_500.0, "m": 2_500.0}
    world.step(steps=2)
    world.lies["m"] = 900.0  # a load beside the members
    world.step(steps=2)
    assert world.engine.desk.quarantined() == ()


def test_simulated_against_reported_state_of_charge_is_recorded(bench):
    world = bench(battery("a"), battery("b"), soc_audit_s=30.0, soc_residual=0.02)
    world.submit(ask(set_w=9_000.0))
    for _ in range(40):
        world.socs["a"] = world.socs.get("a", 0.5) - 4_500 / 3600 / 10_000  # b stands still: it lies
        world.step()
    compared = [one for one in world.decisions if one.signal == "soc audit"]
    assert [one.verdict for one in compared if one.target.id == ""] == ["compared"]
    differs = [one for one in compared if one.verdict == "differs"]
    assert [one.target.id for one in differs] in ([], ["b"])
    assert compared[0].value == pytest.approx(30 * 4_500 / 3600 / 10_000, rel=0.2)


def test_strategies_change_while_running_without_a_gap(bench):
    world = bench(battery("a", tier=2), battery("b", tier=1), trim_gain=0.3)
    world.submit(ask(set_w=4_000.0))
    world.step(steps=3)
    assert world.told == pytest.approx({"a": 2_000.0, "b": 2_000.0})
    totals = []
    for name in ("merit-order", "fewest-units", "proportional", None):
        world.engine.desk.choose_strategy("all", name, world.now)
        world.step()
        totals.append(world.total)
    assert totals == pytest.approx([4_000.0] * 4)
    assert world.engine.desk.strategy_of("all") == "water-filling"
    assert len(world.verdicts("strategy")) == 4
    with pytest.raises(ConfigError):
        world.engine.desk.choose_strategy("all", "nobody", T0)
    with pytest.raises(ConfigError):
        world.engine.desk.choose_strategy("nowhere", "merit-order", T0)
    assert world.engine.desk.strategy_of("nowhere") is None


def seen_by_the_meter(world, beside=-1_000.0):
    """The meter shows what the batteries really do, and a load beside them."""
    world.lies["m"] = sum(world.told.get(name) or 0.0 for name in ("a", "b")) + beside


def test_what_a_quarantined_device_says_is_no_part_of_what_the_meter_sees_beside_the_members(bench):
    world = metered(bench)
    world.submit(ask(set_w=2_000.0))
    for _ in range(60):
        seen_by_the_meter(world)
        world.step()
    assert world.total == pytest.approx(3_000.0, abs=10.0)
    assert world.engine.desk.quarantine("a", world.now)
    for _ in range(90):
        seen_by_the_meter(world)
        world.lies["a"] = 3_500.0  # it was let go of, does nothing, and says otherwise
        world.step()
    assert world.told["a"] is None
    assert world.told["b"] == pytest.approx(3_000.0, abs=10.0)


def test_a_meter_in_quarantine_is_not_followed(bench):
    world = metered(bench)
    world.submit(ask(set_w=4_000.0))
    for _ in range(60):
        seen_by_the_meter(world, beside=3_000.0)
        world.step()
    assert world.total == pytest.approx(1_000.0, abs=20.0)
    assert world.engine.desk.quarantine("m", world.now)
    world.step(steps=3)
    assert world.total == pytest.approx(4_000.0)
    assert world.engine.snapshot(Target(TargetKind.GROUP, "all")).w == pytest.approx(4_000.0)
    assert any("not to be believed" in one.reason for one in world.decisions if one.signal == "meter")


@pytest.mark.parametrize("jump", [-3_600.0, 3_600.0])
def test_a_lie_is_found_after_the_clock_was_set(bench, jump):
    world = metered(bench)
    world.submit(ask(export_limit=9_000.0))
    world.step(steps=3)
    world.now += jump
    world.engine.clock_set(jump, world.now)
    world.step(steps=3)
    world.lies["b"] = 2_500.0
    world.step(steps=2)
    assert world.engine.desk.quarantined() == ("b",)


def test_who_is_there_sooner_than_it_may_be_follows(bench):
    quick = battery("a", traits=DriverTraits(latency_s=60.0))
    world = bench(quick, battery("b"), follow_after_s=10.0)
    world.submit(ask(set_w=8_000.0))
    world.step(steps=60)
    assert not world.verdicts("availability")
    assert world.told == pytest.approx({"a": 4_000.0, "b": 4_000.0})


def polls(bench, follows):
    """10 kW of a member that fetches what it is told every 5 s and always says that it does it, and two batteries.

    Each time that its share changes its control is another one. Returns the world, what the three gave each second and
    who was told what.
    """
    traits = DriverTraits(min_period_s=5.0, latency_s=5.0, answers_itself=True, polls=True)
    world = bench(battery("v", 6_000.0, traits=traits), battery("a"), battery("b"), trim_gain=0.15)
    world.outcome["v"] = DeliveryOutcome.PUBLISHED
    world.deaf.add("v")
    world.submit(ask(set_w=10_000.0))
    fetched, totals = None, []
    for second in range(1, 121):
        world.step()
        sent = [point for _, point in world.log if point.device_id == "v"]
        if second % 5 == 0 and sent and sent[-1] is not fetched:
            fetched = sent[-1]
            for control_id in fetched.control_ids:
                said = Outcome(control_id=control_id, kind=OutcomeKind.STARTED, at=world.now, device_id="v")
                world.engine.report([said], world.now)
            if follows:
                world.told["v"] = fetched.active_power_w
        totals.append(world.total)
    return world, totals


def test_who_is_told_anew_every_few_seconds_and_never_follows_is_found(bench):
    world, totals = polls(bench, follows=False)
    assert ("failing", "v") in world.verdicts("availability")
    assert all(total == pytest.approx(10_000.0) for total in totals[80:])
    # Until then the others make up for it step by step: the total does not go to and fro with what it is told.
    assert all(later >= sooner - 50.0 for sooner, later in itertools.pairwise(totals))


def test_who_fetches_and_follows_is_suspected_of_nothing(bench):
    world, totals = polls(bench, follows=True)
    assert not world.verdicts("availability")
    assert all(total == pytest.approx(10_000.0, rel=0.01) for total in totals[10:])


@pytest.mark.parametrize("every", [3, 7, 20, 50])
def test_who_follows_late_what_goes_up_and_down_is_suspected_of_nothing(bench, every):
    late = battery("v", traits=DriverTraits(latency_s=10.0))
    world = bench(late, battery("a"), follow_after_s=20.0)
    world.deaf.add("v")
    for second in range(300):
        if second % every == 0:
            watts = 8_000.0 if second // every % 2 else 1_000.0
            world.submit(ask(f"c{second}", start=second, created=T0 + second, set_w=watts))
        world.step()
        then = [point for at, point in world.log if point.device_id == "v" and at <= world.now - 10.0]
        if then:
            world.told["v"] = then[-1].active_power_w
    assert not world.verdicts("availability")
