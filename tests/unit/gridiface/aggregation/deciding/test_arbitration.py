import itertools
from dataclasses import replace

import pytest

from gridiface.aggregation.deciding.arbitration import (
    Claim,
    claims_of,
    displaced_kinds,
    is_information,
    kind_of,
    lane_of,
    precedence,
    rule,
    same_program,
)
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind


def claims(name, authority=0.0, created=0.0, **modes):
    values = {ControlMode(mode): ModeValue(value) for mode, value in modes.items()}
    control = Control(
        id=name,
        source=Source(protocol="t", program=name, authority=authority),
        target=Target(TargetKind.GROUP, "g"),
        values=values,
        interval=Interval(0.0, None),
        created=created,
    )
    return [Claim(control, mode, value) for mode, value in values.items()]


def test_authority_then_creation_then_id_in_any_order():
    several = [
        *claims("a", 1, 5, set_w=1.0),
        *claims("b", 2, 1, set_w_percent=2.0),
        *claims("c", 2, 1, delta_w=3.0),
        *claims("d", 2, 0, set_w=4.0),
    ]
    for order in itertools.permutations(several):
        ruling = rule(order)
        assert ruling.power.control.id == "c"
        assert {loser.control.id for loser, _ in ruling.displaced} == {"a", "b", "d"}


def test_limits_of_all_stand_and_regulation_stands_beside():
    ruling = rule([*claims("a", export_limit=1.0), *claims("b", 5, export_limit=2.0), *claims("c", regulation=1.0)])
    assert len(ruling.limits) == 2
    assert ruling.regulation.control.id == "c"
    assert not ruling.displaced


def test_defaults_fill_the_kinds_nobody_rules():
    defaults = [*claims("d1", 1, set_w=1.0, export_limit=5.0), *claims("d2", 2, set_w=2.0, export_limit=7.0)]
    alone = rule([], defaults)
    assert alone.power.control.id == "d2"
    assert [claim.control.id for claim in alone.limits] == ["d2"]
    ruled = rule(claims("x", export_limit=9.0), defaults)
    assert [claim.control.id for claim in ruled.limits] == ["x"]
    assert ruled.power.control.id == "d2"


def test_prices_and_messages_rule_nothing_and_curves_are_each_their_own_kind():
    ruling = rule([*claims("p", price=1.0), *claims("m", message=0.0)])
    assert not ruling.controls
    assert kind_of(ControlMode.CURVE, ModeValue(0.0, base="volt_var")) == "curve:volt_var"


def names(found):
    return {lane: claim.control.id for lane, claim in found.items()}


def test_programs_with_a_part_of_their_own_rule_beside_the_others():
    shares = {"a": 0.5, "b": 0.25}
    several = [
        *claims("a", 1, set_w=1.0, set_var=1.0),
        *claims("b", 2, set_w=2.0),
        *claims("c", 3, set_w=3.0, set_var=3.0),
        *claims("d", 4, set_w=4.0),
    ]
    for order in itertools.permutations(several, 6):
        ruling = rule(order, shares=shares)
        assert ruling.power.control.id == "d"
        assert names(ruling.shared) == {"a": "a", "b": "b"}
        # the var of all is one: only the power has parts
        assert ruling.var.control.id == "c"
        assert {(loser.control.id, winner.control.id) for loser, winner in ruling.displaced} == {("c", "d"), ("a", "c")}


def test_a_default_of_the_power_stands_back_where_a_part_of_it_is_ruled():
    shares = {"a": 0.5}
    defaults, schedule = claims("d", set_w=1.0, set_var=1.0), claims("s", set_w=2.0, connect=1.0)
    ruling = rule(claims("a", set_w=3.0), defaults, schedule, shares)
    assert (ruling.power, names(ruling.shared)) == (None, {"a": "a"})
    assert ruling.var.control.id == "d"
    assert names(ruling.passed) == {ControlMode.CONNECT: "s"}
    assert not ruling.displaced


def test_a_default_of_a_program_with_a_part_rules_its_part():
    ruling = rule([], claims("a", set_w=1.0), shares={"a": 0.5})
    assert (ruling.power, names(ruling.shared)) == (None, {"a": "a"})


def test_stand_ins_displace_each_other_without_a_word():
    ruling = rule([], [*claims("d1", 1, set_w=1.0), *claims("d2", 2, set_w=2.0)], claims("s", 9, set_w=3.0))
    assert ruling.power.control.id == "d2"
    assert not ruling.displaced


def test_stand_ins_inform_nobody_either():
    ruling = rule([], claims("d", price=1.0), claims("s", message=0.0))
    assert not ruling.controls
    assert not ruling.passed


def test_what_is_passed_on_is_told_by_its_mode_and_curves_apart():
    both = claims("x", connect=1.0, power_factor_inject=0.9)
    curves = [
        Claim(both[0].control, ControlMode.CURVE, ModeValue(0.0, base=base)) for base in ("volt_var", "volt_watt")
    ]
    ruling = rule([*both, *curves, *claims("y", set_w=1.0, set_var=2.0)])
    assert set(ruling.passed) == {ControlMode.CONNECT, ControlMode.POWER_FACTOR_INJECT}
    assert {claim.value.base for claim in ruling.curves} == {"volt_var", "volt_watt"}


def test_who_has_a_part_is_told_once_each_greatest_first():
    ruling = rule(
        [
            *claims("p", 3, set_w=1.0),
            *claims("r", 9, regulation=1.0),
            *claims("v", 5, set_var=1.0, export_limit=1.0),
            *claims("c", 7, connect=1.0),
            *claims("a", 1, set_w=1.0),
        ],
        shares={"a": 0.5},
    )
    assert [control.id for control in ruling.controls] == ["r", "c", "v", "p", "a"]
    assert [claim.control.id for claim in ruling.powers] == ["p", "a", "r"]
    curve = Claim(ruling.controls[0], ControlMode.CURVE, ModeValue(0.0, base="volt_var"))
    assert rule([curve]).controls == (curve.control,)
    assert [control.id for control in rule(claims("v", set_var=1.0)).controls] == ["v"]
    assert rule([]).controls == ()


def test_the_set_point_leads_then_a_part_then_regulation():
    power, part = claims("p", set_w=1.0), claims("a", 5, set_w=1.0)
    regulation, shares = claims("r", 9, regulation=1.0), {"a": 0.5}
    assert rule([*power, *part, *regulation], shares=shares).leading.control.id == "p"
    assert rule([*part, *regulation], shares=shares).leading.control.id == "a"
    assert rule(regulation, shares=shares).leading.control.id == "r"
    assert rule(claims("v", set_var=1.0)).leading is None


@pytest.mark.parametrize(
    ("shares", "lane"),
    [
        ({"sep2:dr": 0.1, "dr": 0.2, "sep2": 0.3}, "sep2:dr"),
        ({"dr": 0.2, "sep2": 0.3}, "dr"),
        ({"sep2": 0.3, "other": 0.5}, "sep2"),
        ({"openadr:dr": 0.1, "other": 0.5, "": 0.5}, ""),
        ({}, ""),
    ],
)
def test_the_narrowest_name_of_a_part_counts(shares, lane):
    (claim,) = claims("dr", set_w=1.0)
    assert lane_of(replace(claim.control, source=Source(protocol="sep2", program="dr")), shares) == lane


def test_no_part_is_named_by_an_empty_program():
    (claim,) = claims("x", set_w=1.0)
    assert lane_of(replace(claim.control, source=Source(protocol="dnp3")), {"": 0.5}) == ""


def control(name, start=0.0, seconds=100.0, authority=0.0, created=0.0, program="", protocol="t", **modes):
    (first, *_) = claims(name, authority, created, **(modes or {"set_w": 1.0}))
    source = Source(protocol=protocol, program=program or name, authority=authority)
    return replace(first.control, interval=Interval(start, seconds), source=source)


W = {"power"}
POWER_AND_LIMIT = {"set_w": 1.0, "export_limit": 5.0}


@pytest.mark.parametrize(
    ("ruler", "other", "lost", "why"),
    [
        (control("r", authority=2), control("o", authority=1), W, "higher and as long"),
        (control("r", authority=1), control("o", authority=2), set(), "lower"),
        (control("r", authority=2), control("o", authority=1, created=9), W, "higher, though earlier"),
        (control("r", seconds=99, authority=2), control("o", authority=1), set(), "ends before the other"),
        (control("r", start=50, seconds=50, authority=2), control("o", authority=1), W, "ends with the other"),
        (control("r", start=50, seconds=900, authority=2), control("o", authority=1), W, "ends after the other"),
        (control("r", start=100, authority=2), control("o", authority=1), set(), "begins as the other ends"),
        (control("r", authority=2), control("o", start=100, authority=1), set(), "ends as the other begins"),
        (control("r", created=2), control("o", created=1), W, "of the same authority the later"),
        (control("r", created=1), control("o", created=2), set(), "of the same authority not the earlier"),
        (control("r"), control("o"), W, "made at once: the larger id"),
        (control("a"), control("o"), set(), "made at once: not the smaller id"),
        (control("r", created=2, set_w=1.0), control("o", set_var=1.0), set(), "another kind"),
        (control("r", created=2, set_w_percent=1.0), control("o", delta_w=1.0), W, "the same kind by another mode"),
        (
            control("r", created=2, **POWER_AND_LIMIT),
            control("o", **POWER_AND_LIMIT),
            W,
            "limits of two programs stand",
        ),
        (
            control("r", created=2, program="p", **POWER_AND_LIMIT),
            control("o", program="p", **POWER_AND_LIMIT),
            {"power", "export_limit"},
            "in a program limits are replaced as well",
        ),
        (
            control("r", created=2, program="p", seconds=10.0),
            control("o", program="p"),
            W,
            "in a program for good, however short",
        ),
        (
            control("r", created=2, program="p", protocol="u", seconds=10.0),
            control("o", program="p"),
            set(),
            "a program of the same name of another protocol is another",
        ),
        (
            control("r", authority=2, created=1, program="p"),
            control("o", authority=1, created=2, program="p"),
            set(),
            "in a program the earlier replaces nothing, whatever its authority",
        ),
        (
            control("a", authority=2, created=1, program="p"),
            control("o", authority=1, created=1, program="p"),
            set(),
            "in a program of two made at once not the smaller id",
        ),
        (
            control("r", created=2, price=1.0, set_w=2.0),
            control("o", price=1.0, set_w=2.0),
            W,
            "information is never lost",
        ),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_what_one_control_takes_from_another_for_good(ruler, other, lost, why):
    assert displaced_kinds(ruler, other) == lost, why


def test_a_test_takes_nothing_and_loses_nothing():
    ruler, other = control("r", created=2), control("o", created=1)
    assert displaced_kinds(ruler, other)
    assert not displaced_kinds(replace(ruler, is_test=True), other)
    assert not displaced_kinds(ruler, replace(other, is_test=True))


def test_those_with_parts_of_their_own_leave_each_other_the_power_alone():
    ruler, other = (control(name, created=at, set_w=1.0, set_var=1.0) for name, at in (("r", 2.0), ("o", 1.0)))
    assert displaced_kinds(ruler, other) == {"power", "var"}
    assert displaced_kinds(ruler, other, apart=True) == {"var"}


def test_the_time_that_was_drawn_counts_not_the_one_that_was_sent():
    ruler, other = control("r", created=2, seconds=50.0), control("o", created=1)
    assert not displaced_kinds(ruler, other)
    assert displaced_kinds(replace(ruler, effective=Interval(0.0, 100.0)), other) == W


def test_a_program_is_that_of_its_protocol():
    assert same_program(control("a", program="p"), control("b", program="p"))
    assert not same_program(control("a", program="p"), control("b", program="q"))
    assert not same_program(control("a", program="p"), control("b", program="p", protocol="u"))


def test_precedence_is_authority_then_creation_then_id():
    order = [control("b"), control("c"), control("a", created=1), control("a", authority=1)]
    for mixed in itertools.permutations(order):
        assert sorted(mixed, key=precedence) == order


@pytest.mark.parametrize(
    ("asked", "informs"),
    [
        (control("c", price=1.0, message=1.0), True),
        (control("c", price=1.0, set_w=1.0), False),
        (control("c", set_w=1.0), False),
        (replace(control("c", set_w=1.0), is_test=True), True),
    ],
)
def test_what_only_informs(asked, informs):
    assert is_information(asked) is informs


def curves(name, *names, authority=0.0, duration=None, program=""):
    payload = {one: {"curve": name} for one in names}
    return Control(
        id=name,
        source=Source(protocol="t", program=program or name, authority=authority),
        target=Target(TargetKind.GROUP, "g"),
        values={ControlMode.CURVE: ModeValue(float(len(names)), payload=payload)},
        interval=Interval(0.0, duration),
        created=0.0,
    )


def test_of_each_curve_the_highest_authority_rules_whatever_else_a_control_carries():
    """A control with one of two curves leaves the other to whoever has it; so do defaults."""
    strong, weak = curves("strong", "a", authority=2), curves("weak", "a", "b", authority=1)
    ruling = rule([*claims_of(weak), *claims_of(strong)], claims_of(curves("default", "b", "c")))
    assert {claim.value.base: claim.control.id for claim in ruling.curves} == {
        "a": "strong",
        "b": "weak",
        "c": "default",
    }
    assert [(loser.control.id, winner.control.id) for loser, winner in ruling.displaced] == [("weak", "strong")]


def test_a_curve_that_carries_its_name_rivals_the_same_one_among_several():
    named = curves("named", authority=3)
    named.values[ControlMode.CURVE] = ModeValue(1.0, "a", {"a": {"curve": "named"}})
    ruling = rule([*claims_of(named), *claims_of(curves("several", "a", "b"))])
    assert {claim.value.base: claim.control.id for claim in ruling.curves} == {"a": "named", "b": "several"}


def test_only_the_curves_that_both_have_are_displaced():
    ruler, other = curves("x", "a", authority=2), curves("y", "a", "b", authority=1)
    assert displaced_kinds(ruler, other) == {"curve:a"}
