"""Events -> controls, acceptances -> our word: the rows of the translation tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridiface.domain.clock import Interval
from gridiface.domain.controls import INFORMING_MODES, Acceptance, ControlMode, ModeValue, Verdict
from gridiface.northbound.openadr.translate.events import (
    Level,
    PriceStep,
    Program,
    authority_of,
    concerns,
    controls_of,
    device,
    fractions,
    group,
    informs,
    targets_of,
    word_of,
)
from gridiface.protocols.openadr.answers import Refusal
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads.common import EiTarget
from gridiface.protocols.openadr.payloads.units import (
    CurrencyPerKW,
    energy_real,
    power_reactive,
    power_real,
    price_per_kwh,
)

NOW = 1_800_000_000.0
FLEET = group("fleet")
KW, KWH = power_real("k"), energy_real("k")
PROGRAM = Program(
    target=FLEET,
    resources={"r1": device("d1"), "r2": device("d2")},
    groups={"north": group("north")},
    device_classes={"Storage": device("d2"), "Thermostat": device("d9")},
    dispatch={-2: Level(fraction=-0.5), 3: Level(watts=4000.0)},
    offsets={1: Level(fraction=0.25)},
    rated_load_w=10_000.0,
    stored_wh=6000.0,
    capacity_wh=10_000.0,
    authority=5.0,
)


def signal(name, kind, value, unit=None, **fields):
    return Signal(
        **{"name": name, "type": kind, "id": "s", "durations": (600,), "values": (value,), "unit": unit, **fields}
    )


def event(*signals, **fields):
    base = {
        "id": "E",
        "market_context": "http://p/",
        "dtstart": NOW,
        "duration": sum(signals[0].durations),
        "signals": signals,
        "created": NOW - 60,
    }
    return Event(**{**base, **fields})


def translated(*signals, program=PROGRAM, **fields):
    return controls_of(event(*signals, **fields), program, vtn="VTN")


@pytest.mark.parametrize(
    ("name", "kind", "unit", "value", "mode", "wanted", "base"),
    [
        ("LOAD_DISPATCH", "setpoint", KW, 5.0, ControlMode.SET_W, -5000.0, ""),
        ("LOAD_DISPATCH", "setpoint", KW, -5.0, ControlMode.SET_W, 5000.0, ""),
        ("LOAD_DISPATCH", "setpoint", None, 5.0, ControlMode.SET_W, -5.0, ""),
        ("LOAD_DISPATCH", "setpoint", power_reactive(), 7.0, ControlMode.SET_VAR, -7.0, ""),
        ("LOAD_DISPATCH", "delta", KW, -2.0, ControlMode.DELTA_W, 2000.0, ""),
        ("LOAD_DISPATCH", "multiplier", None, 0.8, ControlMode.SET_W_PERCENT, 80.0, "baseline"),
        ("LOAD_DISPATCH", "level", KW, -2, ControlMode.LOAD_LEVEL, -0.5, ""),
        ("LOAD_DISPATCH", "level", KW, 3, ControlMode.DELTA_W, 4000.0, ""),
        ("SIMPLE", "level", None, 0, ControlMode.LOAD_LEVEL, 0.0, ""),
        ("simple", "level", None, 3, ControlMode.LOAD_LEVEL, 1.0, ""),
        ("LOAD_CONTROL", "x-loadControlCapacity", None, 0.4, ControlMode.LOAD_LIMIT, 4000.0, ""),
        ("LOAD_CONTROL", "x-loadControlLevelOffset", None, 1, ControlMode.LOAD_LEVEL, 0.25, ""),
        ("LOAD_CONTROL", "x-loadControlPercentOffset", None, -20, ControlMode.SET_W_PERCENT, 80.0, "baseline"),
        ("CHARGE_STATE", "setpoint", KWH, 8.0, ControlMode.ENERGY_TARGET, -2000.0, ""),
        ("CHARGE_STATE", "delta", KWH, 1.0, ControlMode.ENERGY_TARGET, -1000.0, ""),
        ("CHARGE_STATE", "multiplier", None, 0.5, ControlMode.ENERGY_TARGET, 1000.0, ""),
        ("ELECTRICITY_PRICE", "price", price_per_kwh("EUR", "c"), 30.0, ControlMode.PRICE, 0.3, "price"),
        ("ENERGY_PRICE", "priceMultiplier", None, 2.0, ControlMode.PRICE, 2.0, "priceMultiplier"),
        (
            "DEMAND_CHARGE",
            "priceRelative",
            CurrencyPerKW(itemDescription="currencyPerKW", itemUnits="USD", siScaleCode="none"),
            1.5,
            ControlMode.PRICE,
            1.5,
            "priceRelative",
        ),
    ],
)
def test_each_signal_has_its_mode_value_and_sign(name, kind, unit, value, mode, wanted, base):
    (control,) = translated(signal(name, kind, value, unit)).controls
    ((found, made),) = control.values.items()
    assert found is mode
    assert made.value == pytest.approx(wanted)
    assert made.base == base


def test_a_program_may_say_that_plus_is_delivered():
    program = Program(target=FLEET, generation_positive=True)
    for kind, mode in (("setpoint", ControlMode.SET_W), ("delta", ControlMode.DELTA_W)):
        (control,) = translated(signal("LOAD_DISPATCH", kind, 5.0, KW), program=program).controls
        assert control.values[mode].value == 5000.0


@pytest.mark.parametrize(
    ("value", "mode"), [(0.0, ControlMode.CONNECT), (1.0, ControlMode.CONNECT), (0.5, ControlMode.LOAD_LIMIT)]
)
def test_capacity_switches_where_the_resource_can_be_switched(value, mode):
    program = Program(target=FLEET, switchable=True, rated_load_w=100.0)
    (control,) = translated(signal("LOAD_CONTROL", "x-loadControlCapacity", value), program=program).controls
    assert list(control.values) == [mode]


@pytest.mark.parametrize("first", [True, False])
def test_r109_a_signal_that_is_not_understood_refuses_the_event_whatever_stands_beside_it(first):
    strange, simple = signal("LOAD_CONTROL", "x-loadControlSetpoint", 21.0), signal("SIMPLE", "level", 1.0)
    with pytest.raises(Refusal) as refused:
        translated(*((strange, simple) if first else (simple, strange)))
    assert refused.value.answer == 460


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (signal("LOAD_CONTROL", "x-loadControlSetpoint", 21.0), 460),
        (signal("LOAD_DISPATCH", "setpoint", 5.0, price_per_kwh("EUR")), 460),
        (signal("CHARGE_STATE", "setpoint", 5.0, KW), 460),
        (signal("x-own", "level", 5.0), 460),
        (signal("LOAD_DISPATCH", "level", 9, KW), 454),
        (signal("LOAD_CONTROL", "x-loadControlLevelOffset", 7), 454),
    ],
)
def test_what_is_not_understood_is_refused_with_its_code(made, code):
    with pytest.raises(Refusal) as refused:
        translated(made)
    assert refused.value.answer == code


@pytest.mark.parametrize(
    "made",
    [
        signal("LOAD_CONTROL", "x-loadControlCapacity", 0.5),
        signal("CHARGE_STATE", "setpoint", 0.5, KWH),
        signal("CHARGE_STATE", "multiplier", 0.5),
        signal("LOAD_DISPATCH", "delta", 0.5, power_reactive()),
    ],
)
def test_what_needs_facts_that_are_not_known_gets_469(made):
    with pytest.raises(Refusal) as refused:
        translated(made, program=Program(target=FLEET))
    assert refused.value.answer == 469


def test_bids_are_controls_that_only_inform_with_what_they_are_of():
    load = signal("BID_LOAD", "setpoint", 5.0, KW, id="l")
    cost = signal("BID_PRICE", "price", 0.3, price_per_kwh("EUR"), id="p")
    one, other = translated(load, cost).controls
    assert one.values == {
        ControlMode.BID: ModeValue(-5000.0, "BID_LOAD", {"signal": "BID_LOAD", "type": "setpoint", "unit": "W"})
    }
    (value,) = other.values.values()
    assert (value.value, value.payload["unit"]) == (0.3, "EUR")
    assert INFORMING_MODES.issuperset([*one.values, *other.values])
    assert informs(one.id)
    assert informs(other.id)


def test_bids_beside_what_is_to_be_done_take_nothing_of_it_away():
    bid = signal("BID_ENERGY", "setpoint", 1.0, KWH, id="b")
    simple, price = signal("SIMPLE", "level", 1, id="s"), signal("ELECTRICITY_PRICE", "price", 0.5, id="p")
    modes = [mode for control in translated(bid, simple).controls for mode in control.values]
    assert modes == [ControlMode.BID, ControlMode.LOAD_LEVEL]
    priced = replace(PROGRAM, prices=(PriceStep(above=0.2, level=Level(fraction=1.0)),))
    modes = [mode for control in translated(bid, price, program=priced).controls for mode in control.values]
    assert modes == [ControlMode.BID, ControlMode.PRICE, ControlMode.LOAD_LEVEL]


def test_what_only_informs_decides_alone_and_not_beside_what_acts():
    made = translated(
        signal("LOAD_DISPATCH", "setpoint", 5.0, KW, id="a"),
        signal("ELECTRICITY_PRICE", "price", 0.3, price_per_kwh("EUR"), id="b"),
        comment="it is hot",
    ).controls
    assert [informs(control.id) for control in made] == [False, True, True]
    assert [informs(f"{control.id}~1") for control in made] == [False, True, True]
    blocked = Acceptance(control_id=made[0].id, verdict=Verdict.BLOCKED, reason="blocked by the operator")
    told = [Acceptance(control_id=control.id, verdict=Verdict.ACCEPTED) for control in made[1:]]
    assert word_of([blocked, *told]).opt == "optOut"
    assert word_of(told).opt == "optIn"


def test_simple_beside_a_better_signal_is_left_out_and_beside_a_price_is_not():
    simple = signal("SIMPLE", "level", 1, id="a")
    found = translated(simple, signal("LOAD_DISPATCH", "setpoint", 5.0, KW, id="b")).controls
    assert [list(c.values) for c in found] == [[ControlMode.SET_W]]
    found = translated(simple, signal("ELECTRICITY_PRICE", "price", 0.3, price_per_kwh("EUR"), id="b")).controls
    assert {mode for c in found for mode in c.values} == {ControlMode.LOAD_LEVEL, ControlMode.PRICE}


def test_each_interval_is_a_control_in_turn():
    made = signal("SIMPLE", "level", 0, durations=(600, 1200), values=(1.0, 2.0))
    first, second = translated(made).controls
    assert first.interval == Interval(NOW, 600)
    assert second.interval == Interval(NOW + 600, 1200)
    assert first.id != second.id
    assert [c.values[ControlMode.LOAD_LEVEL].value for c in (first, second)] == [0.33, 0.66]


def test_duration_zero_is_until_cancelled():
    (control,) = translated(signal("SIMPLE", "level", 1, durations=(0,)), duration=0).controls
    assert control.interval == Interval(NOW, None)


def test_the_random_start_is_effective():
    made = event(signal("SIMPLE", "level", 1), startafter=300)
    (control,) = controls_of(made, PROGRAM, vtn="VTN", offset=120.0).controls
    assert control.interval == Interval(NOW, 600)
    assert control.effective == Interval(NOW + 120, 600)
    assert control.randomize_start_s == 300.0


@pytest.mark.parametrize(("ramp", "start", "length"), [(60, NOW - 60, 660), (-60, NOW, 600), (None, NOW, 600)])
def test_a_ramp_up_lies_before_or_inside_the_event(ramp, start, length):
    (control,) = translated(signal("SIMPLE", "level", 1), ramp_up=ramp, recovery=-30).controls
    assert control.interval == Interval(start, length)
    assert control.ramp_s == (60.0 if ramp else None)
    assert control.extra["recovery_s"] == "-30"


def test_ids_sources_and_marks():
    (control,) = translated(signal("SIMPLE", "level", 1), test="true", response_required=False, priority=2).controls
    assert control.id == "openadr/VTN/E/s/0/group:fleet"
    assert (control.source.protocol, control.source.program, control.source.identity) == ("openadr", "http://p/", "VTN")
    assert control.is_test
    assert not control.response_required
    assert control.created == NOW - 60


def test_priority_one_is_the_highest_and_zero_the_lowest():
    made = [event(signal("SIMPLE", "level", 1), priority=p) for p in (1, 2, 9, 0, None)]
    found = [authority_of(one, PROGRAM) for one in made]
    assert found == sorted(found, reverse=True)
    assert found[3] == found[4] == 5.0
    assert found[0] < 6.0


def test_a_comment_is_a_message_to_people():
    _, message = translated(signal("SIMPLE", "level", 1), comment="hot day").controls
    assert message.values[ControlMode.MESSAGE].payload == "hot day"


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (EiTarget(), (FLEET,)),
        (EiTarget(venID=["v"]), (FLEET,)),
        (EiTarget(partyID=["p"]), (FLEET,)),
        (EiTarget(resourceID=["r1", "unknown"]), (device("d1"),)),
        (EiTarget(resourceID=["r1"], groupID=["north"]), (device("d1"), group("north"))),
        (EiTarget(groupName=["north", "north"]), (group("north"),)),
        (EiTarget(resourceID=["r1"], venID=["v"]), (device("d1"),)),
        (EiTarget(resourceID=["unknown"], venID=["v"]), (FLEET,)),
    ],
)
def test_targets(target, found):
    assert targets_of(event(signal("SIMPLE", "level", 1), target=target), PROGRAM) == found


def test_r112_unknown_resources_get_469():
    with pytest.raises(Refusal) as refused:
        translated(signal("SIMPLE", "level", 1), target=EiTarget(resourceID=["unknown"]))
    assert refused.value.answer == 469


def test_device_classes_narrow_the_target():
    (control,) = translated(signal("SIMPLE", "level", 1, devices=("Storage", "Sauna"))).controls
    assert control.target == device("d2")
    for devices, target in ((("Sauna",), EiTarget()), (("Storage",), EiTarget(resourceID=["r1"]))):
        with pytest.raises(Refusal) as refused:
            translated(signal("SIMPLE", "level", 1, devices=devices), target=target)
        assert refused.value.answer == 469


@pytest.mark.parametrize(
    ("verdicts", "opt", "code"),
    [
        ([Verdict.ACCEPTED], "optIn", 200),
        ([Verdict.PARTIAL], "optIn", 200),
        ([], "optIn", 200),
        ([Verdict.LATE, Verdict.ACCEPTED], "optIn", 200),
        ([Verdict.SUPERSEDED], "optOut", 200),
        ([Verdict.UNSUPPORTED], "optOut", 460),
        ([Verdict.INVALID], "optOut", 454),
        ([Verdict.LATE], "optOut", 451),
        ([Verdict.BLOCKED], "optOut", 200),
        ([Verdict.NOT_ALLOWED], "optOut", 463),
    ],
)
def test_what_we_answer(verdicts, opt, code):
    word = word_of([Acceptance(control_id=str(n), verdict=v, reason="why") for n, v in enumerate(verdicts)])
    assert (word.opt, word.code) == (opt, code)
    assert word.description == ("" if opt == "optIn" else "why")


def test_who_is_left_out_is_said():
    word = word_of([Acceptance(control_id="c", verdict=Verdict.PARTIAL, left_out=("b", "a"))])
    assert word.description == "without a, b"


def test_levels_from_steps():
    assert fractions(0.0, 0.5) == {0: Level(fraction=0.0), 1: Level(fraction=0.5)}


@pytest.mark.parametrize("name", ["s", ""])
def test_signals_that_share_an_id_become_controls_of_their_own(name):
    made = translated(
        signal("LOAD_DISPATCH", "setpoint", 5.0, KW, id=name),
        signal("LOAD_CONTROL", "x-loadControlCapacity", 0.4, id=name),
    )
    assert len({control.id for control in made.controls}) == 2


def test_a_control_is_told_to_be_of_a_target_by_its_id_also_what_a_price_makes_the_fleet_do():
    step = PriceStep(above=0.2, level=Level(fraction=1.0))
    program = replace(PROGRAM, prices=(step,))
    price = signal("ELECTRICITY_PRICE", "price", 0.3, price_per_kwh("EUR"))
    made = translated(price, program=program, target=EiTarget(resourceID=["r1", "r2"]))
    assert len(made.controls) == 4
    mine = [control for control in made.controls if concerns(f"{control.id}~7", [device("d1")])]
    assert {control.target for control in mine} == {device("d1")}
    assert len(mine) == 2
    assert not any(concerns(f"{control.id}~7", []) for control in made.controls)


@pytest.mark.parametrize("ramp", [60, -60])
def test_only_the_first_interval_of_an_event_has_its_ramp(ramp):
    rows = signal("LOAD_DISPATCH", "setpoint", 1.0, KW, durations=(600, 300), values=(1.0, 2.0))
    first, second = controls_of(event(rows, duration=900, ramp_up=ramp), PROGRAM, vtn="VTN").controls
    assert (first.ramp_s, second.ramp_s) == (60.0, None)
    assert first.span.end == second.span.start == NOW + 600
    assert second.span.duration == 300


def test_an_open_ended_event_with_a_ramp_stays_open_ended():
    rows = signal("LOAD_DISPATCH", "setpoint", 1.0, KW, durations=(0,))
    (control,) = controls_of(event(rows, duration=0, ramp_up=60), PROGRAM, vtn="VTN").controls
    assert control.interval == Interval(NOW - 60, None)


@pytest.mark.parametrize(("durations", "duration", "length"), [((600,), 600, 600.0), ((0,), 0, None)])
def test_a_message_is_shown_as_long_as_its_event_lasts(durations, duration, length):
    rows = signal("SIMPLE", "level", 1.0, durations=durations)
    controls = controls_of(event(rows, duration=duration, comment="hello"), PROGRAM, vtn="VTN").controls
    (message,) = [one for one in controls if ControlMode.MESSAGE in one.values]
    assert message.interval == Interval(NOW, length)
    assert (message.values[ControlMode.MESSAGE].payload, message.description) == ("hello", "hello")
    assert message.ramp_s is None


@pytest.mark.parametrize("party", [{"venID": ["v"]}, {"partyID": ["p"]}])
def test_who_is_named_itself_is_meant_as_a_whole_unless_more_closely(party):
    made = event(signal("SIMPLE", "level", 1), target=EiTarget(resourceID=["r1"], **party))
    assert targets_of(made, PROGRAM) == (device("d1"),)
    assert targets_of(replace(made, target=EiTarget(groupID=["north"], **party)), PROGRAM) == (group("north"),)
    assert targets_of(replace(made, target=EiTarget(**party)), PROGRAM) == (FLEET,)
    assert targets_of(replace(made, target=EiTarget(groupName=["elsewhere"], **party)), PROGRAM) == (FLEET,)


@pytest.mark.parametrize(("name", "code"), [("resourceID", 469), ("groupID", 462), ("groupName", 462)])
def test_a_target_of_others_is_refused(name, code):
    with pytest.raises(Refusal) as refused:
        targets_of(event(signal("SIMPLE", "level", 1), target=EiTarget(**{name: ["elsewhere"]})), PROGRAM)
    assert refused.value.answer == code


def test_60_r112_device_classes_that_nobody_here_has_are_refused():
    rows = signal("LOAD_DISPATCH", "setpoint", 1.0, KW, devices=("Pool_Pump",))
    with pytest.raises(Refusal) as refused:
        controls_of(event(rows), PROGRAM, vtn="VTN")
    assert refused.value.answer == 469
