"""The generic driver's parts without a socket: commands in registers, telemetry, keys, replies, heartbeat."""

from __future__ import annotations

import asyncio
import struct
from importlib import resources
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.fleet import DeviceKind, Nameplate
from gridiface.domain.quantities import Phase
from gridiface.errors import DeviceTimeout
from gridiface_southbound.modbus.config import ModbusConfig
from gridiface_southbound.modbus.image import RegisterImage, scale_points
from gridiface_southbound.modbus.loading import load_table
from gridiface_southbound.modbus.plan import plan_reads
from gridiface_southbound.points import telemetry
from gridiface_southbound.points.commands import Commands
from gridiface_southbound.points.heartbeat import Pulse, beat
from gridiface_southbound.points.meanings import Meaning
from gridiface_southbound.points.table import Heartbeat, Poll

NOW = 1_800_000_000.0
PLATE = Nameplate(max_w=10_000, max_charge_w=8_000, max_var=6_000)


def commands(name: str, plate: Nameplate = PLATE, **data: bytes) -> Commands:
    return Commands(RegisterImage(load_table(name), dict(data)), plate)


def plan(parts: Commands, revert_s: float | None = 60.0, **keys: Any) -> Any:
    return parts.plan(Setpoint(device_id="d", issued=NOW, **keys), revert_s=revert_s, now=NOW)


@given(st.floats(-1e6, 1e6))
def test_a_set_point_stays_inside_the_rating_and_keeps_its_sign(watts: float) -> None:
    made = plan(commands("example-battery"), active_power_w=watts)
    held = made.held[Meaning.SET_W]
    assert -8_000 <= held <= 10_000
    assert held * watts >= 0
    assert bool(made.notes) == (not -8_000 <= watts <= 10_000)
    register = made.final()["power_target"].data
    assert int.from_bytes(register, "big", signed=True) == -held


@given(st.floats(0, 1e6))
def test_a_ceiling_is_never_above_what_was_asked(watts: float) -> None:
    made = plan(commands("example-battery"), ceiling_w=watts)
    assert 0 <= made.held[Meaning.LIMIT_W] <= watts
    assert 0 <= int.from_bytes(made.final()["export_limit"].data, "big") <= 1000


def test_what_is_not_named_is_not_written() -> None:
    made = plan(commands("example-battery"), ceiling_w=5_000)
    assert [write.point.name for write in made.writes] == ["export_limit"]
    assert plan(commands("example-battery")).writes == []


def test_the_timer_is_cut_to_the_commands_end_and_held_to_the_register() -> None:
    parts = commands("example-battery")
    assert plan(parts, active_power_w=1, valid_until=NOW + 12.2).revert_s == 13
    assert plan(parts, revert_s=80_000, active_power_w=1).revert_s == 3600
    made = plan(parts, revert_s=None, active_power_w=1)
    assert made.revert_s is None
    assert made.final()["remote_timeout"].data == b"\0\0"


def test_a_percentage_of_an_unknown_rating_is_skipped_with_its_reason() -> None:
    table = load_table("example-pv")
    image = RegisterImage(table)
    made = Commands(image, Nameplate(max_w=0.0)).plan(
        Setpoint(device_id="d", issued=NOW, ceiling_w=100, reactive_power_var=5), revert_s=60, now=NOW
    )
    assert not made.writes
    assert [text.split(":")[0] for text in made.skipped] == ["ceiling", "reactive_power"]


def test_an_unknown_scale_factor_writes_nothing() -> None:
    data = load_table("example-battery-little").model_dump(mode="json", exclude_unset=True)
    data["points"].append({"name": "sf", "address": 60, "type": "int16", "not_available": [-32768]})
    next(p for p in data["points"] if p["name"] == "power_setting")["scale_factor"] = "sf"
    table = load_table(data)
    parts = Commands(RegisterImage(table, {"sf": b"\x80\x00"}), PLATE)
    assert [point.name for point in scale_points(table)] == ["sf"]
    made = plan(parts, active_power_w=100)
    assert not made.writes
    assert "scale factor" in made.skipped[0]
    made = plan(Commands(RegisterImage(table, {"sf": b"\xff\xff"}), PLATE), active_power_w=100)
    assert made.final()["power_setting"].data == b"\x00\x64"


def test_letting_go_reaches_what_was_switched_on() -> None:
    parts = commands("example-battery")
    assert [w.point.name for w in parts.release(()).writes] == ["remote_enable", "power_target"]
    names = {w.point.name for w in parts.release({Meaning.LIMIT_W, Meaning.CONNECT}).writes}
    assert names == {"remote_enable", "power_target", "export_limit", "contactor_command"}


def test_a_sum_without_one_of_its_parts_is_no_sum() -> None:
    table = load_table("example-meter")
    image = RegisterImage(table)
    for block in plan_reads(table, table.points):
        image.data |= {p.name: data for p, data in block.cut(bytes.fromhex("3f800000") * block.size)}
    assert telemetry.snapshot("m", image, PLATE, DeviceKind.METER, now=NOW).w == -3.0
    image.data["power_b"] = bytes.fromhex("7fc00000")
    assert telemetry.snapshot("m", image, PLATE, DeviceKind.METER, now=NOW).w is None


def test_phases_are_a_sum_only_where_nobody_tells_the_total() -> None:
    table = load_table("eastron-sdm630")
    words = {"total_power": 100.0, "power_1": 70.0, "power_2": 50.0, "var_3": -4.0, "amps_2": 0.25}
    image = RegisterImage(table, {name: struct.pack(">f", value) for name, value in words.items()})
    seen = telemetry.snapshot("m", image, PLATE, DeviceKind.METER, now=NOW)
    assert (seen.w, seen.phase_w) == (-100.0, {Phase.A: -70.0, Phase.B: -50.0})  # C is lost, the total is not
    assert (seen.var, seen.phase_var, seen.amps) == (None, {Phase.C: 4.0}, {Phase.B: 0.25})


def test_angles_are_within_one_turn() -> None:
    data = load_table("eastron-sdm630").model_dump(mode="json", exclude_unset=True)
    angle = {"meaning": "angle", "area": "input", "type": "int16", "unit": "deg", "scale": 0.1}
    data["points"] += [
        {"name": f"angle_{phase}", "phase": phase.upper(), "address": 3000 + at} | angle
        for at, phase in enumerate(("an", "bn", "cn"))
    ]
    registers = {"angle_an": 0, "angle_bn": -1200, "angle_cn": 3600}
    image = RegisterImage(load_table(data), {name: struct.pack(">h", value) for name, value in registers.items()})
    seen = telemetry.snapshot("m", image, PLATE, DeviceKind.METER, now=NOW)
    assert seen.angles == {Phase.AN: 0.0, Phase.BN: 240.0, Phase.CN: 0.0}


@given(st.binary(min_size=250, max_size=250), st.sampled_from(["example-battery", "example-pv", "example-ev-charger"]))
def test_any_registers_are_a_snapshot(data: bytes, name: str) -> None:
    table = load_table(name)
    image = RegisterImage(table)
    for block in plan_reads(table, table.points):
        image.data |= {p.name: registers for p, registers in block.cut(data[: 2 * block.size])}
    seen = telemetry.snapshot("d", image, PLATE, table.kind, now=NOW)
    assert seen.soc is None or 0 <= seen.soc <= 1
    assert seen.hz is None or 40 <= seen.hz <= 70


def test_ratings_come_from_the_configuration_first() -> None:
    config = ModbusConfig(table="example-pv-flash", host="h", rating_w=7_000, energy_wh=5)  # type: ignore[arg-type]  # a template's name
    found = telemetry.nameplate(RegisterImage(config.table), config)
    assert found is not None
    assert (found.max_w, found.energy_wh) == (7_000, 5)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"table": "example-pv"}, "carrier tcp needs host"),
        ({"table": "example-pv", "carrier": "serial"}, "needs serial_port"),
        ({"table": "example-pv", "carrier": "tls", "host": "h"}, "needs ca_file"),
        ({"table": "example-pv", "carrier": "tls", "host": "h", "ca_file": "a", "key_file": "b"}, "belong together"),
        ({"table": "example-pv", "carrier": "rtu_over_tcp", "host": "h", "unit_id": 0}, "1..247"),
        ({"table": "example-pf", "host": "h"}, "did you mean 'example-pv'"),
        ({"table": {"kind": "pv"}, "host": "h"}, "address_base: Field required"),
    ],
)
def test_wrong_keys_are_told(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModbusConfig(**keys)


def test_ports_follow_the_carrier() -> None:
    assert ModbusConfig(table="example-pv", host="h").place == "h:502"  # type: ignore[arg-type]  # a template's name
    secure = ModbusConfig(table="example-pv", host="h", carrier="tls", ca_file="ca.pem")  # type: ignore[arg-type]  # as above
    assert secure.place == "h:802"


@pytest.mark.parametrize(
    ("raw", "state"),
    [(512, "running"), (513, "throttled"), (768, "fault"), (769, "off"), (0xA000, "standby"), (99, None)],
)
def test_a_sun2000_says_what_it_does(raw: int, state: str | None) -> None:
    table = load_table("huawei-sun2000")
    image = RegisterImage(table, {"device_status": raw.to_bytes(2, "big")})
    assert image.word(table.by_name["device_status"]) == state


def test_a_reading_of_a_sun2000_is_one_request() -> None:
    table = load_table("huawei-sun2000")
    (block,) = plan_reads(table, [point for point in table.points if point.polled is Poll.FAST])
    assert (block.start, block.size) == (32069, 21)


def test_the_three_kinds_of_heartbeat() -> None:
    kinds = {
        kind: Heartbeat(point="h", period_s=1, kind=kind, modulo=3, value=7)
        for kind in ("counter", "toggle", "constant")
    }  # type: ignore[arg-type]  # literals
    told = {kind: [beat(rule, count) for count in range(4)] for kind, rule in kinds.items()}
    assert told == {"counter": [1, 2, 0, 1], "toggle": [1, 0, 1, 0], "constant": [7, 7, 7, 7]}


async def test_a_heartbeat_that_is_refused_at_first_does_not_start() -> None:
    async def refuse(value: int) -> None:
        raise DeviceTimeout(f"no {value}")

    pulse = Pulse(Heartbeat(point="h", period_s=0.001), refuse)
    with pytest.raises(DeviceTimeout):
        await pulse.start()
    assert (pulse.beats, pulse.failures) == (0, 1)
    await pulse.stop()
    assert len(asyncio.all_tasks()) == 1


def test_what_is_over_is_let_go_of_beside_what_stands() -> None:
    parts = commands("example-battery")
    over = frozenset({ControlMode.SET_W, ControlMode.ENERGIZE, ControlMode.CURVE})
    made = plan(parts, ceiling_w=1_000, let_go=over)
    names = [write.point.name for write in made.writes]
    assert names.index("export_limit") < names.index("power_target")
    final = {name: write.value for name, write in made.final().items()}
    assert (final["remote_enable"], final["power_target"], final["contactor_command"]) == (0, 0, 1)
    assert Meaning.SET_W not in made.held
    sun = commands("example-pv")
    assert plan(sun, let_go=frozenset({ControlMode.SET_W})).final()["limit_enable"].value == 0
    assert plan(sun, ceiling_w=1_000, let_go=frozenset({ControlMode.SET_W})).final()["limit_enable"].value == 1


def test_letting_go_comes_first_where_both_use_one_register() -> None:
    text = resources.files("gridiface_southbound.modbus").joinpath("templates/example-battery.yaml").read_text()
    shared = "write: {before: [{point: remote_enable, value: 1}], release: [{point: export_limit, value: 100}]}"
    changed = text.replace("write: {release: [{point: export_limit, value: 100}]}", shared)
    table = load_table(yaml.safe_load(changed))
    made = plan(Commands(RegisterImage(table), PLATE), ceiling_w=1_000, let_go=frozenset({ControlMode.SET_W}))
    enabling = [write.value for write in made.writes if write.point.name == "remote_enable"]
    assert enabling == [0, 1]
    assert made.writes[-1].point.name == "export_limit"
