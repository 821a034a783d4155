"""The fleet as the engine holds it: rows of groups and who counts in them, who can be asked, totals by meters."""

from unittest.mock import Mock

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.listening.fleet import Fleet
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import ServiceClass, Target, TargetKind
from gridiface.domain.fleet import Device, DeviceKind, DriverTraits, Group, Nameplate
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.errors import ConfigError

ALL, STREET = Target(TargetKind.GROUP, "all"), Target(TargetKind.GROUP, "street")


class Ears:
    """What the intake would know."""

    stale_after_s = 10.0

    def __init__(self):
        self.newest = {}
        self.found = []

    def qualities(self, now):
        return np.array([-1 if one is None else list(Quality).index(one) for one in self.found], dtype=np.int8)


def meter(name):
    return Device(id=name, kind=DeviceKind.METER, nameplate=Nameplate(max_w=1.0))


def fleet(*groups, devices=()):
    columns = Columns()
    for device in devices or (*(battery(name) for name in "abc"), meter("m")):
        columns.put(device)
    columns.w[:], columns.received[:], columns.seen[:] = 100.0, T0, 1
    columns.period_s[:] = 1.0
    made = Fleet(columns, Ears())
    made.renew(groups or [Group(id="all", members=("c", "m")), Group(id="street", members=("a", "b"), parent="all")])
    return made


def test_a_group_holds_the_rows_of_those_inside_and_a_meter_does_not_count():
    made = fleet()
    assert made.rows("all").tolist() == [0, 1, 2, 3]
    assert made.rows("street").tolist() == [0, 1]
    assert made.rows("unknown").tolist() == []
    assert made.counted(ALL).tolist() == [0, 1, 2]
    assert made.counted(Target(TargetKind.DEVICE, "a")) is None
    assert made.rows_of(Target(TargetKind.DEVICE, "b")).tolist() == [1]
    assert made.rows_of(Target(TargetKind.DEVICE, "unknown")).tolist() == []


def test_what_was_cached_is_forgotten_when_groups_change():
    made = fleet()
    assert made.rows("street").tolist() == [0, 1]
    made.renew([Group(id="street", members=("b", "c"))])
    assert made.rows("street").tolist() == [1, 2]
    assert not made.exists(ALL)


def test_a_device_joins_a_group_and_an_unknown_one_is_left_out():
    made = fleet()
    made.columns.put(battery("d"))
    made.join("d", ["street", "unknown"])
    made.renew()
    assert made.members("street") == ("a", "b", "d")
    assert made.members("all") == ("a", "b", "c", "d", "m")


def test_a_device_in_groups_that_would_overlap_changes_nothing():
    made = fleet(Group(id="one", members=("a", "b")), Group(id="two", members=("c",)))
    with pytest.raises(ConfigError):
        made.join("a", ["two"])
    assert made.members("two") == ("c",)


def test_steps_are_told_of_members_one_by_one_but_of_who_answers_and_of_a_fast_signal():
    for_itself = DriverTraits(answers_itself=True)
    made = fleet(devices=(battery("a"), battery("b", traits=for_itself), battery("c"), meter("m")))
    assert made.concerned(ask("c1", set_w=1.0)) == ("a", "c")
    assert made.concerned(ask("c1", set_w=1.0, is_test=True)) == ()
    assert made.concerned(ask("c1", regulation=1.0, service_class=ServiceClass.REGULATION)) == ()
    assert made.ours("a")
    assert not made.ours("b")
    assert made.ours("gone")


def test_nobody_of_a_target_can_be_controlled_for_a_reason_that_is_named():
    made = fleet()
    assert made.barred(ALL) == ""
    made.columns.blocked[[0, 1]] = True
    assert made.barred(STREET) == "blocked by the operator"
    assert made.barred(ALL) == ""
    made.columns.blocked[:] = False
    made.columns.enabled[[0, 1]] = False
    assert made.barred(STREET) == "not enabled"
    assert made.barred(Target(TargetKind.GROUP, "unknown")) == ""


def test_one_device_in_local_control_says_so():
    made = fleet()
    made.columns.usable[0] = False
    made._intake.newest["a"] = Snapshot(device_id="a", source_time=T0, received=T0, local_control=True)
    assert made.barred(Target(TargetKind.DEVICE, "a")) == "in local control"


def test_what_members_can_do_is_told_of_those_that_are_enabled():
    made = fleet()
    made.columns.enabled[0] = False
    subject = made.subject(STREET)
    assert subject.exists
    assert list(subject.abilities.values()) == [("b",)]
    made.renew()
    made.columns.enabled[1] = False  # all are off: what they could do
    assert sorted(name for ids in made.subject(STREET).abilities.values() for name in ids) == ["a", "b"]


def test_the_part_of_a_program_is_that_of_its_key():
    made = fleet(Group(id="all", members=("a", "b"), shares={"p": 0.25}))
    assert made.shares(ALL) == {"p": 0.25}
    assert made.shares(STREET) == {}
    assert made.lane(ask("c1", program="p", set_w=1.0)) == "p"
    assert made.lane(ask("c1", program="q", set_w=1.0)) == ""


def test_a_total_is_the_meter_where_there_is_one_and_the_sum_of_members_where_not():
    groups = (
        Group(id="all", members=("c",)),
        Group(id="street", members=("a", "b", "m"), parent="all", meter="m"),
    )
    made = fleet(*groups)
    made.columns.w[:] = 100.0, 200.0, 300.0, 1_000.0
    assert made.metered("all") == ("street",)
    assert made.meters() == {"m": ("street",)}
    assert made.total(STREET, lambda name: 0.0, T0).w == 1_000.0
    assert made.total(ALL, lambda name: 0.0, T0).w == 1_300.0
    assert made.total(Target(TargetKind.DEVICE, "b"), lambda name: 0.0, T0).w == 200.0


def test_who_is_trusted_and_who_is_silent():
    made = fleet()
    made._intake.found = [Quality.GOOD, Quality.STALE, None, Quality.ESTIMATED]
    good, silent = made.trusted(T0)
    assert good.tolist() == [True, False, False, True]
    assert silent.tolist() == [False, True, False, False]
    assert made.qualities(T0) == {"a": Quality.GOOD, "b": Quality.STALE, "c": None, "m": Quality.ESTIMATED}
    assert made.silent(T0) == {"b": Quality.STALE, "c": None}
    counted = {quality: count for quality, count in made.counts(T0).items() if count}
    assert counted == {Quality.GOOD: 1, Quality.STALE: 1, None: 1, Quality.ESTIMATED: 1}


def test_devices_are_put_in_order_once_until_they_change():
    made = fleet()
    first = made.devices()
    assert made.devices() is first
    made.columns.put(battery("A"))
    made.renew()
    assert [device.id for device in made.devices()] == ["A", "a", "b", "c", "m"]


def test_the_set_point_of_a_device_is_the_one_of_its_batch():
    made = fleet()
    assert made.setpoint("a") is None
    assert made.setpoint("unknown") is None
    point = Mock()
    made.columns.batches[7] = [None, point]
    made.columns.batch[0], made.columns.batch_at[0] = 7, 1
    assert made.setpoint("a") is point


def test_devices_and_groups_come_by_name():
    made = fleet(devices=(battery("b"), battery("a")))
    assert [device.id for device in made.devices()] == ["a", "b"]
    assert [group.id for group in made.groups()] == ["all", "street"]
    assert made.device("a").id == "a"
    assert made.device("unknown") is None
    assert np.array_equal(made.rows("street"), [0, 1])
