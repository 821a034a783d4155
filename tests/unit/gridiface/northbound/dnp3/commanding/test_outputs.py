"""What outputs hold, over commands, ends and restarts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.domain.changes import Document
from gridiface.domain.controls import ControlState, Target, TargetKind
from gridiface.northbound.dnp3.commanding.outputs import SPACE, Outputs
from gridiface.northbound.dnp3.pointmap.points import PointMap
from gridiface.northbound.dnp3.profiles import profile
from gridiface.northbound.dnp3.translate.commands import Sender, control_of

ISO, DER = PointMap(profile("iso-gateway")), PointMap(profile("der"))
SETPOINT = ISO.by_name["MW set-point"]
FLEET = Target(TargetKind.GROUP, "fleet")


def taken(outputs, entry, master="iso", number=1, *, wire=2.0, feasible=None):
    return outputs.take(entry, master, f"c{number}", wire=wire, si=entry.to_si(wire), feasible=feasible)


def test_the_start_is_idle_or_initial():
    outputs = Outputs("gw", ISO)
    assert outputs.is_on("AGC enable")
    assert outputs.is_on("")
    assert outputs.held["MW set-point"].value == 0
    assert outputs.held["breaker"].value == 1
    assert outputs.number("set-point ramp") == 0
    assert outputs.number("") is None


def test_a_control_is_shown_until_it_ends():
    outputs = Outputs("gw", ISO)
    assert taken(outputs, SETPOINT, feasible=1.5e6) == [SETPOINT]
    held = outputs.held["MW set-point"]
    assert (held.value, held.shown) == (2.0, 1.5)
    assert outputs.runs("MW set-point")
    assert outputs.in_force("MW set-point", "iso").control_id == "c1"
    assert outputs.end("c1") == [SETPOINT]
    assert outputs.held["MW set-point"].value == 0
    assert outputs.end("c1") == []


def test_a_replaced_control_that_ends_changes_nothing():
    outputs = Outputs("gw", ISO)
    taken(outputs, SETPOINT, number=1)
    taken(outputs, SETPOINT, number=2, wire=3.0)
    assert outputs.end("c1") == []
    assert outputs.held["MW set-point"].value == 3.0


def test_what_another_master_has_in_force_comes_back():
    outputs = Outputs("gw", ISO)
    taken(outputs, SETPOINT, "iso", 1, wire=2.0)
    taken(outputs, SETPOINT, "dso", 2, wire=1.0)
    outputs.end("c2")
    assert outputs.held["MW set-point"].value == 2.0
    assert [item.control_id for item in outputs.controls_of()] == ["c1"]
    assert outputs.controls_of(master="dso") == []


def test_pulses_move_the_analog_output_of_their_slot():
    outputs = Outputs("gw", ISO)
    taken(outputs, ISO.by_name["regulation"], wire=0.5)
    outputs.take(ISO.by_name["raise"], "iso", "c2", wire=1.0, si=6e5, feasible=None)
    assert outputs.held["regulation"].value == pytest.approx(0.6)
    assert outputs.held["raise"].value == 0


def test_outputs_of_one_slot_exclude_each_other():
    outputs = Outputs("gw", DER)
    stop, start = DER.by_name["BO2"], DER.by_name["BO1"]
    outputs.take(stop, "iso", "c1", wire=1.0, si=0.0, feasible=None)
    assert (outputs.held["BO2"].value, outputs.held["BO1"].value) == (1, 0)
    outputs.take(start, "iso", "c2", wire=1.0, si=1.0, feasible=None)
    assert (outputs.held["BO2"].value, outputs.held["BO1"].value) == (0, 1)


def documents(outputs, **values):
    return [
        Document(put.space, put.key, put.body)
        for name, value in values.items()
        for put in [outputs.document(name.replace("_", " "), value)]
    ]


def test_a_restart_takes_up_stored_values_and_live_controls():
    outputs = Outputs("gw", ISO)
    sender = Sender(station="gw", master="iso", authority=0)
    live = control_of(SETPOINT, 2e6, sender, FLEET, 1.0, number=1)
    over = replace(
        control_of(ISO.by_name["export limit"], 1e6, sender, FLEET, 1.0, number=2),
        state=ControlState.COMPLETED,
    )
    foreign = replace(live, id="x", source=replace(live.source, program="other/iso/MW set-point"))
    kept = documents(outputs, heartbeat=7.0, export_limit=1.0)
    outputs.load(kept, [live, over, foreign], ["iso"])
    assert outputs.held["heartbeat"].value == 7
    assert outputs.held["export limit"].value == 0  # its control is over
    assert outputs.held["MW set-point"].value == 2
    assert [item.control_id for item in outputs.controls_of()] == [live.id]
    assert outputs.wanted("MW set-point", "iso") == 2e6


def test_armed_values_survive_a_restart():
    outputs = Outputs("gw", ISO)
    put = outputs.document("MW set-point", 3.0, armed=True)
    outputs.load([Document(put.space, put.key, put.body)], [], ["iso"])
    assert outputs.held["MW set-point"].armed
    assert outputs.held["MW set-point"].value == 3


@given(body=st.binary(max_size=60), key=st.sampled_from(["gw/heartbeat", "gw/gone", "other/heartbeat", ""]))
def test_any_document_can_be_met(body, key):
    outputs = Outputs("gw", ISO)
    outputs.load([Document(SPACE, key, body)], [], ["iso"])
    assert set(outputs.held) == {entry.name for entry in ISO.outputs()}


def test_a_command_that_came_to_nothing_is_forgotten():
    outputs = Outputs("gw", ISO)
    outputs.want("regulation", "iso", 5.0)
    assert outputs.wanted("regulation", "iso") == 5.0
    outputs.unwant("regulation", "iso")
    assert outputs.wanted("regulation", "iso") is None
    taken(outputs, ISO.by_name["regulation"], wire=1.0)
    outputs.want("regulation", "iso", 5.0)
    outputs.unwant("regulation", "iso")
    assert outputs.wanted("regulation", "iso") == 1e6


def test_of_a_slot_only_what_acted_is_armed_when_its_mode_goes_off():
    outputs = Outputs("gw", DER)
    taken(outputs, DER.by_name["AO93"], wire=500)
    outputs.end("c1")
    assert (outputs.held["AO93"].value, outputs.held["AO93"].armed) == (500, True)
    assert not outputs.held["AO508"].armed  # the same target in watts: nobody asked for its 0 W
