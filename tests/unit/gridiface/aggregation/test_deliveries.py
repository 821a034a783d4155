"""What customers say of a control that runs: who opts out is out until it is over or until it opts in again."""

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.deliveries import OPT_OUT_S
from gridiface.domain.controls import DeliveryOutcome, Outcome, OutcomeKind
from gridiface.domain.fleet import DriverTraits
from gridiface.domain.telemetry import Snapshot

ANSWERS = DriverTraits(answers_itself=True)
OUT = "blocked: the device answered 4"


@pytest.fixture
def world(bench):
    """Three batteries that answer by themselves have shares of a total for a minute."""
    made = bench(*(battery(name, traits=ANSWERS) for name in "abc"), return_after_s=10.0)
    made.outcome = dict.fromkeys("abc", DeliveryOutcome.PUBLISHED)
    made.submit(ask("c1", duration=60.0, set_w=6_000.0))
    made.step(1)
    for name in "abc":
        say(made, OutcomeKind.STARTED, device=name)
    made.step(1)
    assert made.told == {"a": 2_000.0, "b": 2_000.0, "c": 2_000.0}
    return made


def say(world, kind, reason="", device="a"):
    """A device's own word on the control."""
    world.engine.report([Outcome(control_id="c1", kind=kind, at=world.now, device_id=device, reason=reason)], world.now)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (OutcomeKind.FAILED, OUT),
        (OutcomeKind.PARTIAL, "blocked: the device answered 8"),
        (OutcomeKind.REFUSED, "blocked: the VEN opted out (200)"),
    ],
)
def test_who_opts_out_is_out_until_the_control_is_over_and_not_for_a_time(world, kind, reason):
    say(world, kind, reason)
    world.lies["a"] = 0.0
    world.tick()
    assert (world.told["b"], world.told["c"]) == (3_000.0, 3_000.0)
    world.log.clear()
    world.step(1, steps=50)
    assert not [point for _, point in world.log if point.device_id == "a"], "it is asked nothing more"
    assert ("opted out", "a") in world.verdicts("availability")
    assert ("failing", "a") not in world.verdicts("availability")
    world.step(1, steps=10)
    world.submit(ask("c2", start=world.now - T0, duration=60.0, set_w=6_000.0))
    world.step(1, steps=2)
    assert world.told["a"] == 2_000.0


@pytest.mark.parametrize(
    ("kind", "again", "restarted"),
    [
        (OutcomeKind.FAILED, None, False),
        (OutcomeKind.REFUSED, None, True),
        (OutcomeKind.FAILED, OutcomeKind.RECEIVED, False),
        (OutcomeKind.REFUSED, OutcomeKind.STARTED, False),
        (OutcomeKind.REFUSED, OutcomeKind.STARTED, True),
    ],
)
def test_who_opts_out_before_the_start_is_out_from_the_first_step_on(bench, kind, again, restarted):
    world = bench(*(battery(name, traits=ANSWERS) for name in "abc"))
    world.outcome = dict.fromkeys("abc", DeliveryOutcome.PUBLISHED)
    world.submit(ask("c1", start=5.0, duration=60.0, set_w=6_000.0))
    world.step(1)
    words = [(OutcomeKind.RECEIVED, ""), (kind, OUT), *([(again, "")] if again else [])]
    told = [Outcome(control_id="c1", kind=one, at=T0, device_id="a", reason=reason) for one, reason in words]
    if restarted:
        scheduled = world.engine.control("c1")
        world = bench(*(battery(name, traits=ANSWERS) for name in "abc"))
        world.engine.restore([scheduled], told, world.now)
    else:
        world.engine.report(told, world.now)
    world.step(1, steps=8)
    shares = {"a": 2_000.0, "b": 2_000.0, "c": 2_000.0} if again else {"b": 3_000.0, "c": 3_000.0}
    assert world.told == shares


def test_who_opts_in_again_is_asked_with_the_next_step_as_often_as_it_likes(world):
    world.lies["a"] = 0.0
    for _ in range(3):
        say(world, OutcomeKind.FAILED, OUT)
        world.tick()
        assert world.told["b"] == 3_000.0
        say(world, OutcomeKind.STARTED)
        sent = world.tick()
        assert "a" in {point.device_id for point in sent}
        assert ("opted in", "a") in world.verdicts("availability")
        world.told["b"] = world.told["c"] = 3_000.0


def test_of_what_is_let_go_of_the_others_take_over_with_its_next_reading(world):
    world.lies["a"] = 2_000.0
    say(world, OutcomeKind.FAILED, OUT)
    world.step(1)
    assert world.told["b"] == pytest.approx(2_000.0), "it still gives what it gave"
    world.lies["a"] = 500.0
    world.step(0.2)
    assert world.told["b"] == pytest.approx(2_750.0)


def test_a_mean_of_the_time_before_does_not_tell_what_it_gives_since(world):
    """VENs report means of the past interval: told after the opt-out they say that it goes on."""
    world.silent = {"a"}
    say(world, OutcomeKind.FAILED, OUT)
    world.step(1)
    for duration, watts, others in ((5.0, 2_000.0, 3_000.0), (0.5, 800.0, 2_600.0)):
        at = world.now + 1.0
        seen = Snapshot(device_id="a", source_time=at, received=at, w=watts, soc=0.5, duration_s=duration)
        world.engine.observe([seen], at)
        world.step(1)
        assert world.told["b"] == pytest.approx(others)


def test_a_mean_of_the_time_before_keeps_nobody_out_who_has_opted_in_again(world):
    world.silent = {"a"}
    say(world, OutcomeKind.FAILED, OUT)
    world.step(1)
    say(world, OutcomeKind.STARTED)
    at = world.now + 0.5
    world.engine.observe([Snapshot(device_id="a", source_time=at, received=at, w=0.0, soc=0.5, duration_s=300.0)], at)
    world.log.clear()
    world.step(1)
    assert "a" in {point.device_id for _, point in world.log}


def test_what_is_over_is_let_go_of_also_by_who_opted_out(world):
    say(world, OutcomeKind.FAILED, OUT)
    world.step(1)
    world.log.clear()
    world.engine.cancel("c1", world.now)
    world.step(1, steps=2)
    assert [point.release for _, point in world.log if point.device_id == "a"] == [True]


def test_who_opted_out_of_a_control_that_is_cancelled_takes_part_in_the_next_one(world):
    world.lies["a"] = 0.0
    say(world, OutcomeKind.FAILED, OUT)
    world.step(1, steps=2)
    world.engine.cancel("c1", world.now)
    world.step(1, steps=2)
    world.submit(ask("c2", start=world.now - T0, duration=60.0, set_w=6_000.0))
    world.step(1, steps=2)
    assert world.told["a"] == 2_000.0


def test_who_opted_out_of_what_a_newer_one_of_its_sender_replaces_is_asked_for_that_one(world):
    world.lies["a"] = 0.0
    say(world, OutcomeKind.FAILED, OUT)
    world.step(1, steps=2)
    newer = ask("c2", program="c1", start=world.now - T0, created=world.now, duration=200.0, set_w=6_000.0)
    world.submit(newer)
    world.log.clear()
    world.step(1, steps=3)
    assert ("c1", OutcomeKind.SUPERSEDED) in {(one.control_id, one.kind) for one in world.outcomes}
    assert "a" in {point.device_id for _, point in world.log}


def test_an_opt_out_of_set_points_without_an_end_outlives_each_of_them(bench):
    world = bench(battery("a", traits=ANSWERS), battery("b"), lost_after_s=1e6)
    world.submit(ask("c1", set_w=2_000.0))
    world.step(1)
    say(world, OutcomeKind.FAILED, OUT)
    world.lies["a"] = 0.0
    world.step(1)
    world.log.clear()
    for number in range(10):
        world.submit(ask(f"n{number}", program="c1", start=world.now - T0, created=world.now, set_w=2_000.0 + number))
        world.step(1, steps=4)
    assert "a" not in {point.device_id for _, point in world.log}


def test_who_opted_out_of_two_controls_is_out_until_the_last_of_them_is_over(world):
    world.lies["a"] = 0.0
    world.submit(ask("c2", start=world.now - T0, duration=120.0, authority=1.0, set_w=6_000.0))
    world.step(1)
    for name in ("c1", "c2"):
        word = Outcome(control_id=name, kind=OutcomeKind.FAILED, at=world.now, device_id="a", reason=OUT)
        world.engine.report([word], world.now)
    world.engine.cancel("c2", world.now)
    world.log.clear()
    world.step(1, steps=40)
    assert not [point for _, point in world.log if point.device_id == "a" and not point.release]
    world.step(1, steps=30)
    world.submit(ask("c3", start=world.now - T0, duration=60.0, set_w=6_000.0))
    world.step(1, steps=2)
    assert world.told["a"] == 2_000.0


def test_that_it_will_take_part_in_another_one_later_does_not_bring_it_back(world):
    world.lies["a"] = 0.0
    say(world, OutcomeKind.FAILED, OUT)
    world.submit(ask("later", start=500.0, duration=60.0, set_w=6_000.0))
    word = Outcome(control_id="later", kind=OutcomeKind.STARTED, at=world.now, device_id="a")
    world.engine.report([word], world.now)
    world.log.clear()
    world.step(1, steps=5)
    assert "a" not in {point.device_id for _, point in world.log}


def test_who_opted_out_and_falls_silent_for_a_while_is_asked_no_sooner_for_that(bench):
    answers = DriverTraits(answers_itself=True, report_period_s=1.0)
    world = bench(battery("a", traits=answers), battery("b"), return_after_s=5.0)
    world.submit(ask("c1", duration=300.0, set_w=2_000.0))
    world.step(1)
    world.lies["a"] = 0.0
    say(world, OutcomeKind.FAILED, OUT)
    world.step(1, steps=5)
    world.silent = {"a"}
    world.step(1, steps=20)
    assert ("lost", "a") in world.verdicts("availability")
    world.silent = set()
    world.log.clear()
    world.step(1, steps=60)
    assert "a" not in {point.device_id for _, point in world.log}
    assert ("opted in", "a") not in world.verdicts("availability")


def test_an_opt_out_ends_with_its_control_also_where_the_clock_was_set(world):
    world.lies["a"] = 0.0
    say(world, OutcomeKind.FAILED, OUT)
    world.step(1)
    world.now += 30.0
    world.engine.clock_set(30.0, world.now)
    world.step(1, steps=int(T0 + 62.0 - world.now))
    world.submit(ask("c2", start=world.now - T0, duration=60.0, set_w=6_000.0))
    world.step(1, steps=2)
    assert world.told["a"] == 2_000.0


def test_an_opt_out_without_an_end_holds_for_a_while(bench):
    world = bench(battery("a", traits=ANSWERS), battery("b"), lost_after_s=1e6)
    world.submit(ask("c1", set_w=2_000.0))
    world.step(1)
    say(world, OutcomeKind.FAILED, OUT)
    world.lies["a"] = 0.0
    world.step(1)
    assert world.told["b"] == 2_000.0
    world.log.clear()
    world.step(5, steps=int(OPT_OUT_S / 5) - 1)
    assert "a" not in {point.device_id for _, point in world.log}
    world.step(5)
    assert "a" in {point.device_id for _, point in world.log}


@pytest.mark.parametrize("again", [False, True])
def test_after_a_restart_the_last_word_counts(world, bench, again):
    words = [(OutcomeKind.RECEIVED, ""), (OutcomeKind.STARTED, ""), (OutcomeKind.FAILED, OUT)]
    words += [(OutcomeKind.STARTED, "")] if again else []
    told = [Outcome(control_id="c1", kind=kind, at=T0, device_id="a", reason=reason) for kind, reason in words]
    fresh = bench(*(battery(name, traits=ANSWERS) for name in "abc"))
    fresh.engine.restore([world.engine.control("c1")], told, world.now)
    fresh.now = world.now
    fresh.lies = {"a": 0.0}
    fresh.step(1, steps=4)
    assert ("a" in fresh.told) is again
    assert again or fresh.told["b"] == 3_000.0
