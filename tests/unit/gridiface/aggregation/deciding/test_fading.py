"""Whose fast response is over, and what leads the group back then."""

from dataclasses import replace

import numpy as np
from tests.unit.gridiface.aggregation.conftest import T0, ask

from gridiface.aggregation.allocate import strategy
from gridiface.aggregation.deciding.arbitration import Claim, Ruling, claims_of
from gridiface.aggregation.deciding.fading import Fading
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope.limits import Limits
from gridiface.domain.controls import ControlMode, ServiceClass
from gridiface.domain.fleet import Group

FAST = ServiceClass.FAST_FREQUENCY
NOBODY = np.empty(0, dtype=np.int64)


def plan(*nodes):
    """A plan of these nodes beside each other."""
    nothing, off = np.empty(0), np.empty(0, dtype=np.bool_)
    return Plan(
        tuple(nodes), NOBODY, nothing, nothing, nothing, nothing, off, False, 1.0, {}, NOBODY, nothing
    )  # fmt: skip


def node(name, power=None):
    """A group that is asked for a power, or for nothing."""
    return Node(Group(id=name, members=()), NOBODY, Ruling(power=power), Limits(), strategy("water-filling"))


def claim(name, **more):
    """The one claim of a control."""
    (only,) = claims_of(ask(name, **more))
    return only


def test_what_is_not_fast_leaves_nothing_behind():
    fading = Fading(0.3)
    assert fading.coming(plan(node("g", claim("d", set_w=1.0))), T0) == {}
    fading.begin(plan())
    assert not fading


def test_a_stand_in_asks_for_no_change_in_the_name_of_the_response():
    fading = Fading(0.5)
    (one,) = fading.coming(plan(node("g", claim("f", set_w=1.0, duration=10.0, service_class=FAST))), T0 + 10).values()
    assert (one.mode, one.value.value, one.control.id) == (ControlMode.DELTA_W, 0.0, "f")
    assert one.control.service_class is FAST
    assert (one.control.span.start, one.control.span.end) == (T0 + 10, T0 + 19), "from end to end, and 5 s"


def test_a_group_fades_until_it_has_arrived_or_had_its_time():
    fading = Fading(0.5)
    running = plan(node("g", claim("f", set_w=1.0, service_class=FAST)), node("h", claim("d", set_w=1.0)))
    stand_in = fading.coming(running, T0)["g"]
    fading.begin(running)
    assert "g" not in fading, "the response rules still"
    stand_in = fading.coming(running, T0)["g"]
    back = node("g", stand_in)
    fading.begin(plan(back, node("h", claim("d", set_w=1.0))))
    assert "g" in fading
    assert fading.leads_back(back)
    assert not fading.leads_back(node("h", claim("d", set_w=1.0)))
    again = fading.coming(plan(back), T0 + 1)["g"]
    assert again is stand_in, "a new plan on the way changes nothing"
    fading.begin(plan(node("g", again)))
    assert not fading.end((), T0 + 1)
    assert fading.end(("g",), T0 + 1)
    assert not fading
    assert not fading.end(("g",), T0 + 1)
    assert fading.coming(plan(node("g", again)), T0 + 1) == {}, "what stood in is no response of its own"


def test_its_time_goes_on_from_plan_to_plan_and_with_a_clock_that_was_set():
    fading = Fading(0.5)
    stand_in = fading.coming(plan(node("g", claim("f", set_w=1.0, service_class=FAST))), T0)["g"]
    fading.begin(plan(node("g", stand_in)))
    again = fading.coming(plan(node("g", stand_in)), T0 + 8)["g"]
    fading.begin(plan(node("g", again)))
    fading.shift_time(3_600.0)
    assert not fading.end((), T0 + 3_608.9)
    assert fading.end((), T0 + 3_609.0)


def test_what_follows_is_faded_to_unless_it_is_fast_or_has_a_ramp():
    follows = claim("d", set_w=1.0)
    for power, fades in (
        (follows, True),
        (Claim(replace(follows.control, ramp_s=4.0), follows.mode, follows.value), False),
        (claim("g", set_w=1.0, service_class=FAST), False),
        (None, False),
    ):
        fading = Fading(0.3)
        fading.coming(plan(node("g", claim("f", set_w=1.0, service_class=FAST))), T0)
        following = node("g", power)
        fading.begin(plan(following))
        assert ("g" in fading) is fades
        assert not fading.leads_back(following)
