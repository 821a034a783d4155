import itertools

from gridiface.aggregation.arbitration import Claim, kind_of, rule
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
