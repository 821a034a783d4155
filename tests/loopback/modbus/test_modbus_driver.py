"""The generic Modbus driver on real sockets, where the testkit's checks do not look: order, timers, carriers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTlsServer
from pymodbus.simulator import SimDevice
from tests.waiting import until

from gridiface.domain.controls import ControlMode, ModeValue, Setpoint
from gridiface.domain.fleet import Capability, DeviceKind
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState
from gridiface.drivers.api import DeviceBusy, DeviceForgot
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.pki.contexts import KeyPair
from gridiface.pki.folder import TestPki, write_credential
from gridiface_southbound.modbus.carriers import link_for
from gridiface_southbound.modbus.config import ModbusConfig
from gridiface_southbound.modbus.loading import load_table
from gridiface_southbound.modbus_pdu import read_request


def command(**keys: Any) -> Setpoint:
    return Setpoint(device_id="unit", issued=time.time(), **keys)


def changed(name: str, **keys: Any) -> Any:
    """A template with some of its keys changed; points by name under `points`."""
    data = load_table(name).model_dump(mode="json", exclude_unset=True)
    for point, news in keys.pop("points", {}).items():
        next(p for p in data["points"] if p["name"] == point).update(news)
    return load_table(data | keys)


async def test_a_battery_tells_everything_in_the_domains_units(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery") as device:
        driver = driver_for(device)
        plate = await driver.open()
        assert (plate.max_w, plate.max_charge_w, plate.max_var, plate.energy_wh) == (10_000, 8_000, 6_000, 20_500)
        assert (plate.model, plate.serial) == ("EXAMPLE-BAT 10", "B-0042")
        assert plate.capabilities == {
            Capability.SET_W,
            Capability.LIMIT_W,
            Capability.SET_VAR,
            Capability.CONNECT,
            Capability.ENERGIZE,
        }
        await driver.write(command(active_power_w=-3000))
        seen = await driver.read()
        assert (seen.w, seen.var, seen.hz, seen.soc) == (-3000.0, -1200.0, 50.01, 0.555)
        assert seen.volts == {Phase.AN: 230.1, Phase.BN: 230.2, Phase.CN: 230.3}
        assert seen.available_wh == pytest.approx(0.555 * 20_500)
        assert (seen.available_up_w, seen.available_down_w) == (13_000, 5_000)
        assert seen.state is OperatingState.RUNNING
        assert seen.alarms == {"cell_voltage", "grid_lost"}
        assert seen.connected is True
        assert not seen.local_control
        assert driver.kind is DeviceKind.BATTERY
        await driver.close()


async def test_one_command_is_written_in_its_order_and_says_what_it_left_out(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery") as device:
        driver = driver_for(device)
        await driver.open()
        device.log.clear()
        asked = command(
            active_power_w=4000,
            reactive_power_var=1234,
            connect=False,
            valid_until=time.time() + 20,
            passed={ControlMode.CURVE: ModeValue(0.0)},
        )
        ack = await driver.write(asked)
        assert [(function, address) for function, address, _ in device.log] == [
            (16, 201),
            (16, 203),
            (6, 202),
            (16, 206),
            (5, 0),
        ]
        assert device.get("remote_timeout") == 20
        assert ack.revert_s == 20
        assert (ack.active_power_w, ack.reactive_power_var) == (4000, 1230)
        assert ack.skipped == ("curve: not written by this driver",)
        assert ack.read_back == ack.written
        assert ack.verified
        assert not (await device.held()).connected
        await driver.revert()
        held = await device.held()
        assert held.connected
        assert held.active_power_w is None
        assert device.get("var_target") == 0
        await driver.close()


async def test_an_enabling_register_is_not_written_after_a_refused_value(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery") as device:
        driver = driver_for(device)
        await driver.open()
        device.log.clear()
        await device.fault("reject")
        with pytest.raises(DeviceRejected, match=r"write 1 of 3, remote_timeout.*exception 3"):
            await driver.write(command(active_power_w=4000))
        assert len(device.log) == 1
        assert device.get("remote_enable") == 0
        await driver.close()


async def test_only_a_meters_readings(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-meter") as device:
        driver = driver_for(device)
        plate = await driver.open()
        assert plate.capabilities == frozenset()
        seen = await driver.read()
        assert (seen.w, seen.var, seen.hz) == (-1250.0, -300.0, 49.875)
        assert seen.volts[Phase.BN] == 230.5
        assert (seen.available_up_w, seen.available_down_w) == (None, None)
        with pytest.raises(DeviceRejected, match="nothing was written: active_power: the table has no point"):
            await driver.write(command(active_power_w=100))
        with pytest.raises(DeviceRejected, match="nothing was written"):
            await driver.revert()
        assert not device.log
        await device.fault("hang")
        with pytest.raises(DeviceTimeout):
            await driver.read()
        await driver.close()


async def test_a_charger_takes_amperes(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-ev-charger") as device:
        driver = driver_for(device)
        await driver.open()
        ack = await driver.write(command(active_power_w=-7000))
        assert device.get("current_limit") == 101
        assert ack.active_power_w == -6969
        assert (await driver.read()).w == pytest.approx(-6969, abs=3)
        ack = await driver.write(command(active_power_w=-50_000))
        assert ack.active_power_w == -22_080
        assert ack.notes
        ack = await driver.write(command(active_power_w=3000))
        assert (ack.active_power_w, device.get("current_limit")) == (0, 0)
        assert ack.notes
        await device.fault("ignore")
        with pytest.raises(DeviceBusy, match="current_limit reads 0 after 6 was written"):
            await driver.write(command(active_power_w=-4140))
        await driver.close()


async def test_the_heartbeat_lives_from_open_to_close(simulate: Any, driver_for: Any) -> None:
    table = changed("example-battery", heartbeat={"point": "controller_heartbeat", "period_s": 0.02, "modulo": 4})
    async with simulate("example-battery", table) as device:
        driver = driver_for(device)
        await driver.open()
        assert device.get("controller_heartbeat") == 1
        beats = [entry for entry in device.log if entry[1] == 200]
        await until(lambda: len([entry for entry in device.log if entry[1] == 200]) >= len(beats) + 5)
        told = [values[0] for _, address, values in device.log if address == 200]
        assert told[:6] == [1, 2, 3, 0, 1, 2]
        await device.fault("reject")
        await until(lambda: driver.heartbeat.failures >= 2)
        await device.fault("none")
        count = driver.heartbeat.beats
        await until(lambda: driver.heartbeat.beats > count)
        await driver.close()
        assert driver.heartbeat is None
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("heartbeat")]


async def test_groups_are_read_when_they_are_due(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery-little") as device:
        clock = type("Clock", (), {"now": staticmethod(time.time), "at": 0.0, "monotonic": lambda self: self.at})()
        driver = driver_for(device, clock=clock)
        await driver.open()
        device.reads.clear()
        await driver.read()
        assert device.reads == [(3, 10, 7)]  # over energy_left, which is known to exist
        device.put("energy_left", 65_536 * 3 + 7)
        assert (await driver.read()).available_wh == 70_000
        clock.at = 61.0
        device.reads.clear()
        assert (await driver.read()).available_wh == 65_536 * 3 + 7
        assert device.reads == [(3, 10, 7), (3, 12, 2)]
        await driver.close()


async def test_gaps_are_read_over_only_where_declared(simulate: Any, driver_for: Any) -> None:
    for gaps, expected in (({}, [(4, 0, 22)]), ({"gaps": []}, [(4, 0, 6), (4, 12, 10)])):
        table = changed("example-meter", **gaps)
        async with simulate("example-meter", table) as device:
            driver = driver_for(device)
            await driver.open()
            device.reads.clear()
            await driver.read()
            assert device.reads == expected
            await driver.close()


async def test_an_optional_point_may_be_missing_and_another_may_not(simulate: Any, driver_for: Any) -> None:
    extra = {"name": "extra", "meaning": "va", "area": "input", "address": 22, "type": "float32", "unit": "VA"}
    plain = load_table("example-meter").model_dump(mode="json", exclude_unset=True)
    async with simulate("example-meter") as device:
        optional = load_table(plain | {"points": [*plain["points"], extra | {"optional": True}]})
        driver = driver_for(device, table=optional)
        await driver.open()
        assert (await driver.read()).w == -1250.0
        await driver.close()
        driver = driver_for(device, table=load_table(plain | {"points": [*plain["points"], extra]}))
        with pytest.raises(DeviceRejected, match=r"reading extra .input 22.*exception 2"):
            await driver.open()
        await driver.close()


async def test_another_device_is_refused(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery") as device:
        device.put("model", "SOMETHING ELSE")
        driver = driver_for(device)
        with pytest.raises(DeviceRejected, match="another device: model reads 'SOMETHING ELSE'"):
            await driver.open()
        with pytest.raises(DeviceTimeout, match="not open"):
            await driver.write(command(active_power_w=0))
        await driver.close()


async def test_a_changed_scale_factor_is_followed_and_an_unknown_one_is_no_value(
    simulate: Any, driver_for: Any
) -> None:
    async with simulate("example-battery") as device:
        driver = driver_for(device)
        await driver.open()
        for exponent, raw, expected in (
            (1, -50, 500.0),
            (-2, -12345, 123.45),
            (-32768, -50, None),
            (0, -(2**31), None),
        ):
            device.put("power_scale", exponent)
            device.put("power", raw)
            assert (await driver.read()).w == expected
        await driver.close()


async def test_flash_rests_but_letting_go_does_not_wait(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-pv-flash") as device:
        clock = type("Clock", (), {"now": staticmethod(time.time), "at": 0.0, "monotonic": lambda self: self.at})()
        driver = driver_for(device, clock=clock)
        await driver.open()
        assert (driver.traits.writes_wear_flash, driver.traits.min_period_s) == (True, 600)
        await driver.write(command(ceiling_w=4000.9))
        assert device.get("power_limit") == 4000
        with pytest.raises(DeviceBusy, match=r"rests for 600\.0 s"):
            await driver.write(command(ceiling_w=3000))
        await driver.revert()
        assert device.get("power_limit") == 8000
        clock.at = 601.0
        ack = await driver.write(command(active_power_w=3000))
        assert ack.ceiling_w == 3000
        assert "carried out as a ceiling" in ack.notes[0]
        await driver.close()


async def test_without_a_rated_power_nothing_is_driven(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-pv-flash", changed("example-pv-flash", nameplate={})) as device:
        driver = driver_for(device)
        with pytest.raises(DeviceRejected, match="set rating_w"):
            await driver.open()
        await driver.close()
        driver = driver_for(device, rating_w=7000.0)
        assert (await driver.open()).max_w == 7000
        await driver.close()


async def test_a_write_only_register_counts_by_its_echo_or_not_at_all(simulate: Any, driver_for: Any) -> None:
    release = [{"point": "power_limit", "value": 8000}]
    for function, verified in ((6, True), (16, False)):
        rule = {"function": function, "read_back": False, "release": release}
        table = changed("example-pv-flash", points={"power_limit": {"write": rule}})
        async with simulate("example-pv-flash", table) as device:
            driver = driver_for(device)
            await driver.open()
            ack = await driver.write(command(ceiling_w=4000))
            assert (ack.verified, bool(ack.read_back)) == (verified, verified)
            await driver.close()


async def test_another_point_can_show_what_was_taken_over(simulate: Any, driver_for: Any) -> None:
    data = load_table("example-pv-flash").model_dump(mode="json", exclude_unset=True)
    data["points"].append({"name": "effective", "area": "input", "address": 50, "type": "uint16", "scale": 0.1})
    rule = {"read_back": "effective", "read_back_delay_s": 0.01, "tolerance": 5}
    data["points"][1]["write"] = rule | {"release": [{"point": "power_limit", "value": 8000}]}
    async with simulate("example-pv-flash", load_table(data)) as device:
        driver = driver_for(device)
        await driver.open()
        device.put("effective", 40_030)
        assert (await driver.write(command(ceiling_w=4000))).read_back == {"power_limit": 4003.0}
        device.put("effective", 40_070)
        with pytest.raises(DeviceBusy, match="effective reads 4007 after 4000 was written"):
            await driver.write(command(ceiling_w=4000))
        await driver.close()


async def test_devices_on_one_line_take_turns(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery-little", framer=FramerType.RTU) as device:
        keys = {"carrier": "rtu_over_tcp", "shared_connection": True}
        drivers = [driver_for(device, **keys) for _ in range(3)]
        assert {driver.connection for driver in drivers} == {f"127.0.0.1:{device.port}"}
        await asyncio.gather(*(driver.open() for driver in drivers))
        assert len(device.server.active_connections) == 1
        seen = await asyncio.gather(*(driver.read() for driver in drivers for _ in range(3)))
        assert {snapshot.soc for snapshot in seen} == {0.4}
        await drivers[0].close()
        await drivers[0].close()
        with pytest.raises(DeviceTimeout):
            await drivers[0].read()
        await drivers[1].read()
        await drivers[1].close()
        await drivers[2].close()
        await until(lambda: not device.server.active_connections)


async def test_over_tls_an_answer_may_come_in_several_records(tmp_path: Path) -> None:
    """Records are no messages (RFC 8446, 5.1): a device that sends the head and the rest apart is understood."""
    now = time.time()
    pki = TestPki.create(depth=3, now=now)
    pki.save(tmp_path)
    write_credential(tmp_path, "server", pki.issue("server", "s", now=now, hosts=["localhost", "127.0.0.1"]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readexactly(7)
                pdu = await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)
                size = 2 * int.from_bytes(pdu[3:5], "big")
                answer = head[:4] + (size + 3).to_bytes(2, "big") + head[6:7] + bytes((pdu[0], size)) + bytes(size)
                for part in (answer[:5], answer[5:9], answer[9:]):
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0.02)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        port = server.sockets[0].getsockname()[1]
        keys = {"carrier": "tls", "host": "127.0.0.1", "port": port, "ca_file": tmp_path / "serca.pem"}
        link = link_for(ModbusConfig(table="example-pv", **keys))
        try:
            assert await link.exchange(1, [read_request(0, 3)], timeout_s=2.0) == [bytes(6)]
        finally:
            await link.close()
    finally:
        server.close()
        await asyncio.sleep(0.05)


async def test_over_tls_only_a_device_of_the_own_root_is_driven(simulate: Any, driver_for: Any, tmp_path: Any) -> None:
    now = time.time()
    pki = TestPki.create(depth=3, now=now)
    pki.save(tmp_path)
    write_credential(tmp_path, "server", pki.issue("server", "s", now=now, hosts=["localhost", "127.0.0.1"]))
    stranger = TestPki.create(depth=3, now=now)
    (tmp_path / "other").mkdir()
    stranger.save(tmp_path / "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = KeyPair(tmp_path / "server.pem", tmp_path / "server.key")
    context.load_cert_chain(pair.certificate, pair.key)
    server = {"server_class": ModbusTlsServer, "sslctx": context, "framer": FramerType.TLS}
    async with simulate("example-battery-little", **server) as device:
        driver = driver_for(device, carrier="tls", ca_file=tmp_path / "serca.pem", timeout_s=1.0)
        await driver.open()
        assert (await driver.write(command(active_power_w=-2000))).active_power_w == -2000
        assert (await driver.read()).w == -2000
        await driver.close()
        driver = driver_for(device, carrier="tls", ca_file=tmp_path / "other" / "serca.pem")
        with pytest.raises(DeviceTimeout, match="cannot be reached"):
            await driver.open()
        await driver.close()
        await asyncio.sleep(0.05)


async def test_over_a_serial_line(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery-little") as device:
        ends = [os.openpty(), os.openpty()]
        loop = asyncio.get_running_loop()
        (one, _), (two, _) = ends
        os.set_blocking(one, False)
        os.set_blocking(two, False)
        # A null modem of two pseudo terminals: what one end says the other hears.
        loop.add_reader(one, lambda: os.write(two, os.read(one, 512)))
        loop.add_reader(two, lambda: os.write(one, os.read(two, 512)))
        units = SimDevice(1, simdata=device._memory(), action=device._act)
        server = ModbusSerialServer(units, port=os.ttyname(ends[1][1]), baudrate=115_200)
        try:
            await server.serve_forever(background=True)
            line = {"carrier": "serial", "serial_port": os.ttyname(ends[0][1]), "baudrate": 115_200, "timeout_s": 2.0}
            driver = driver_for(device, **line)
            assert driver.connection == os.ttyname(ends[0][1])
            await driver.open()
            assert (await driver.write(command(active_power_w=1500))).active_power_w == 1500
            assert (await driver.read()).w == 1500
            await driver.close()
        finally:
            await server.shutdown()
            for end in ends:
                loop.remove_reader(end[0])
                os.close(end[0])
                os.close(end[1])


@pytest.mark.parametrize("carrier", ["tcp", "rtu_over_tcp"])
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes(300),
        bytes.fromhex("000100000003018301"),
        b"\xff" * 4096,
    ],
    ids=["nothing", "a byte", "http", "zeros", "another's exception", "a flood"],
)
async def test_nonsense_is_a_device_error_and_the_driver_lives(
    simulate: Any, driver_for: Any, carrier: str, answer: bytes
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(260)
        writer.write(answer)
        writer.close()

    strange = await asyncio.start_server(talk, "127.0.0.1", 0)
    framer = FramerType.RTU if carrier == "rtu_over_tcp" else FramerType.SOCKET
    async with strange, simulate("example-battery-little", framer=framer) as device:
        good, device.port = device.port, strange.sockets[0].getsockname()[1]
        driver = driver_for(device, carrier=carrier)
        for _ in range(2):
            with pytest.raises((DeviceTimeout, DeviceRejected)) as caught:
                await driver.open()
            assert caught.value.device_id == "unit"
        await driver.close()
        device.port = good
        driver = driver_for(device, carrier=carrier)
        await driver.open()
        await driver.close()


@pytest.mark.parametrize("carrier", ["tcp", "rtu_over_tcp"])
async def test_a_restart_between_two_readings_is_found_out(carrier: str, simulate: Any, driver_for: Any) -> None:
    framer = FramerType.SOCKET if carrier == "tcp" else FramerType.RTU
    async with simulate("example-battery-little", framer=framer) as device:
        driver = driver_for(device, carrier=carrier, revert_s=None, timeout_s=1)
        await driver.open()
        await driver.write(command(active_power_w=1000.0))
        await driver.read()
        await device.stop()
        device.put("power_setting", 0)
        device.put("work_mode", 0)
        await device.start()
        try:
            await driver.read()
        except DeviceForgot as error:
            seen = error.reason
        except DeviceTimeout:  # on the old connection
            with pytest.raises(DeviceForgot) as caught:
                await driver.read()
            seen = caught.value.reason
        assert re.search("(power_setting|work_mode) reads 0 after", seen)
        await driver.open()
        await driver.read()
        await driver.close()


async def test_what_somebody_else_sets_is_found_out_in_time(simulate: Any, driver_for: Any) -> None:
    """A device without a timer of its own is not told again, so it is looked at once a minute."""
    async with simulate("example-battery-little") as device:
        driver = driver_for(device, revert_s=None)
        await driver.open()
        await driver.write(command(active_power_w=1000.0))
        device.put("power_setting", 7)
        await driver.read()
        driver._holding._due = 0.0
        with pytest.raises(DeviceForgot, match="power_setting reads"):
            await driver.read()
        await driver.close()
