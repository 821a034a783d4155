"""The DNP3 driver without an outstation: what it says before it is open, and what a set-point leads to."""

import time
from types import SimpleNamespace

import pytest
from tests.clocks import StandingClock

from gridiface.domain.controls import ControlMode, ModeValue, Setpoint
from gridiface.domain.fleet import DeviceKind, Nameplate
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.protocols.dnp3.controls import AnalogOutput, ControlRelayOutputBlock
from gridiface.protocols.dnp3.measurements import Measurement
from gridiface.protocols.dnp3.points import PointType
from gridiface_southbound.dnp3.driver import Dnp3Driver
from gridiface_southbound.dnp3.link import Dnp3Link

OUTPUTS = [
    {"does": "set_w", "index": 0},
    {"does": "limit_w", "index": 1, "variation": 1},
    {"does": "hold", "index": 2},
    {"does": "enable", "index": 0},
    {"does": "connect", "index": 1, "on": 0x41, "off": 0x81},
]


def driver(**more):
    keys = {"host": "127.0.0.1", "port": 1, "inputs": [{"shows": "w", "index": 0}], "outputs": OUTPUTS, **more}
    one = Dnp3Driver.create("rtu", Dnp3Driver.Config.model_validate(keys), clock=StandingClock(1.7e9, 5.0))
    one._nameplate = Nameplate(max_w=1000.0, max_charge_w=500.0)
    return one


def setpoint(**more):
    return Setpoint(device_id="rtu", issued=1.7e9, **more)


def shown(kind, index, value):
    return {
        (kind, index): Measurement(kind, index, value, 1, None, synchronised=True, is_event=False, is_command=False)
    }


async def test_before_it_is_open():
    one = driver()
    assert (one.device_id, one.kind, one.connection) == ("rtu", DeviceKind.BATTERY, None)
    await one.close()
    for call in (one.read, one.revert, lambda: one.write(setpoint(active_power_w=1.0))):
        with pytest.raises(DeviceTimeout, match="not open"):
            await call()
    with pytest.raises(DeviceTimeout, match="cannot be reached"):
        await one.open()


def test_a_set_point_comes_after_what_must_stand_before():
    plan = driver(revert_s=40.0)._plan(setpoint(active_power_w=-800.0, ceiling_w=300.7), SimpleNamespace(points={}))
    assert [(w.output.does, w.value) for w in plan.writes] == [
        ("enable", 1.0), ("hold", 40.0), ("set_w", -500.0), ("limit_w", 300.0),
    ]  # fmt: skip
    assert plan.notes == ["held to -500 W"]
    assert plan.writes[0].command == ControlRelayOutputBlock(3)
    assert plan.writes[3].command == AnalogOutput(300.0, 1)


def test_what_stands_already_is_not_written_again():
    points = shown(PointType.BINARY_OUTPUT, 0, 1.0) | shown(PointType.ANALOG_OUTPUT, 2, 40.0)
    plan = driver(revert_s=40.0)._plan(setpoint(connect=False), SimpleNamespace(points=points))
    assert [(w.output.does, w.command.code) for w in plan.writes] == [("connect", 0x81)]


def test_what_cannot_be_carried_out_is_named():
    command = setpoint(reactive_power_var=1.0, energize=True, passed={ControlMode.CURVE: ModeValue(1.0)})
    plan = driver()._plan(command, SimpleNamespace(points={}))
    assert not plan.writes
    assert [text.partition(":")[0] for text in plan.skipped] == ["set_var", "energize", "curve"]


async def test_a_link_that_is_not_connected_runs_nothing():
    one = driver()
    link = Dnp3Link(one._config, time.time)
    assert not link.usable
    await link.close()
    with pytest.raises(DeviceTimeout, match="lost"):
        await link.run("read", (step for step in ()), 1.0)


async def test_a_key_that_is_no_key_is_a_refusal_that_does_not_tell_it(tmp_path):
    path = tmp_path / "key"
    path.write_text("secret")
    with pytest.raises(DeviceRejected, match="32 or 64 hex digits") as caught:
        await driver(update_key=path).open()
    assert "secret" not in str(caught.value)
