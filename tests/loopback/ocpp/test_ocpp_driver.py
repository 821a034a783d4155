"""The OCPP driver with charging points that nobody here wrote: the testkit, sessions, security, hostile callers."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets
from tests.waiting import until

from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.telemetry import OperatingState, Quality
from gridiface.drivers.api import DeviceForgot
from gridiface.drivers.poller import Poller
from gridiface.drivers.testkit import CHECKS, run_check
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface_southbound.ocpp import listener as listeners

VERSIONS = ("1.6", "2.0.1", "2.1")


def told(**keys: Any) -> Setpoint:
    return Setpoint(device_id="unit", issued=time.time(), **keys)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("check", [check for check, _ in CHECKS], ids=lambda check: check.__name__)
async def test_the_driver_passes(check: Any, version: str, benches: Any) -> None:
    await run_check(check, benches(version))


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session(version: str, simulate: Any, driver_for: Any, free_port: Any) -> None:
    async with simulate(version, free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10, tags=("AA",))
        plate = await driver.open()
        assert (plate.max_w, plate.max_charge_w, plate.model) == (0, 22_080, "M16" if version == "1.6" else "M201")
        await until(lambda: driver.station.at(1).status)
        seen = await driver.read()
        assert seen.w == pytest.approx(-11_000, abs=0.01)
        assert (seen.soc, seen.connected) == (0.44, True)
        assert (seen.state, seen.quality) == (OperatingState.RUNNING, Quality.GOOD)
        assert (seen.available_up_w, seen.available_down_w) == pytest.approx((11_000, 11_080), abs=0.01)
        # Without a session the connector's default is set, within one the session's own profile besides.
        ack = await driver.write(told(active_power_w=-7_000))
        assert (ack.active_power_w, ack.revert_s) == (-7_000, 300)
        answer = await charger.begin("AA")
        assert (answer.id_tag_info if version == "1.6" else answer.id_token_info)["status"] == "Accepted"
        ack = await driver.write(told(active_power_w=-6_000.25, valid_until=time.time() + 60))
        assert ack.active_power_w == -6_000.2
        assert ack.revert_s is not None
        assert 59 <= ack.revert_s <= 61
        *defaults, second = charger.profiles
        assert [one["charging_profile_purpose"] for one in defaults] == ["TxDefaultProfile"] * 2
        assert second["charging_profile_purpose"] == "TxProfile"
        assert second["transaction_id"] == charger.transaction
        assert (await driver.read()).w == pytest.approx(-6_000.2, abs=0.1)
        await driver.write(told(connect=False))
        assert not charger.operative
        await charger.finish()
        await charger.status("Available")
        assert driver.station.at(1).transaction is None
        ack = await driver.revert()
        assert charger.operative
        assert ack.written.keys() == {"ClearChargingProfile", "ChangeAvailability"}
        with pytest.raises(DeviceRejected, match="a charging point has none"):
            await driver.write(told(ceiling_w=5))
        await driver.end()


@pytest.mark.parametrize("keys", [{}, {"release": True}], ids=["let go of", "released"])
async def test_what_was_made_inoperative_before_a_restart_is_operative_when_that_is_over(
    keys: Any, simulate: Any, driver_for: Any, free_port: Any
) -> None:
    async with simulate("1.6", free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10)
        await driver.open()
        await driver.write(told(connect=False))
        await driver.end()
        after = driver_for(charger, timeout_s=5, first_connection_s=10)
        await after.open()
        await after.revert()
        assert not charger.operative  # it may be its owner who switched it off: nobody has said that it was us
        await after.write(told(let_go=frozenset({ControlMode.CONNECT}), **keys))
        assert charger.operative
        await after.end()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_tag_that_is_not_known_is_turned_away(
    version: str, simulate: Any, driver_for: Any, free_port: Any
) -> None:
    async with simulate(version, free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10, tags=("AA",))
        await driver.open()
        answer = await charger.begin("BB")
        assert (answer.id_tag_info if version == "1.6" else answer.id_token_info)["status"] == "Invalid"
        assert driver.station.refused_tags == 1
        await driver.end()


async def test_a_vehicle_gives_back(simulate: Any, driver_for: Any, free_port: Any) -> None:
    """OCPP 2.1: in a session, up to what the station and the vehicle say; without one, or in older words, nothing."""
    async with simulate("2.1", free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10, max_discharge_w=10_000)
        plate = await driver.open()
        assert (plate.max_w, plate.max_charge_w) == (10_000, 22_080)
        ack = await driver.write(told(active_power_w=4_000))
        assert (ack.active_power_w, charger.word, charger.limit()) == (0, "limit", 0)
        assert any("gives at most 0 W" in note for note in ack.notes)
        authorized = await charger.link.call(charger.call.Authorize(id_token={"idToken": "AA", "type": "ISO14443"}))
        assert "DC_BPT" in authorized.allowed_energy_transfer
        await charger.begin("AA")
        assert await charger.needs(7_000) == "Processing"
        ack = await driver.write(told(active_power_w=4_000.06))
        assert ack.verified
        assert (ack.active_power_w, charger.word, charger.limit()) == (4_000, "setpoint", -4_000)
        assert charger.period()["operation_mode"] == "CentralSetpoint"
        seen = await driver.read()
        assert (seen.w, seen.available_up_w, seen.available_down_w) == pytest.approx((4_000, 3_000, 26_080))
        ack = await driver.write(told(active_power_w=9_000))
        assert (ack.active_power_w, ack.notes) == (
            7_000,
            ("active_power held to 7000 W: it takes at most 22080 W and gives at most 7000 W",),
        )
        await driver.write(told(active_power_w=-3_000))
        assert (charger.word, charger.limit()) == ("setpoint", 3_000)
        await charger.finish()
        assert driver.station.gives(1) == 0
        await driver.end()
    async with simulate("2.0.1", free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10, max_discharge_w=10_000)
        assert (await driver.open()).max_w == 0
        await charger.begin("AA")
        assert (await driver.write(told(active_power_w=4_000))).active_power_w == 0
        await driver.end()


async def test_without_composite_schedule_the_status_is_the_evidence(
    simulate: Any, driver_for: Any, free_port: Any
) -> None:
    async with simulate("1.6", free_port()) as charger:
        charger.composite = False
        driver = driver_for(charger, timeout_s=5, first_connection_s=10)
        await driver.open()
        ack = await driver.write(told(active_power_w=-5_000))
        assert ack.verified
        assert any("not read back: GetCompositeSchedule: NotImplemented" in note for note in ack.notes)
        ack = await driver.write(told(connect=True, let_go=frozenset({ControlMode.SET_W})))
        assert charger.profile is None
        assert ack.active_power_w is None
        await driver.end()


async def test_many_share_the_listener_and_it_ends_with_the_last(
    simulate: Any, driver_for: Any, free_port: Any
) -> None:
    port = free_port()
    async with simulate("1.6", port) as one, simulate("2.0.1", port) as two:
        drivers = [driver_for(charger, timeout_s=5, first_connection_s=10) for charger in (one, two)]
        await asyncio.gather(*(driver.open() for driver in drivers))
        await asyncio.gather(*(d.write(told(active_power_w=-w)) for d, w in zip(drivers, (3000, 4000), strict=True)))
        assert (one.limit(), two.limit()) == (3000, 4000)
        twice = driver_for(one)
        with pytest.raises(DeviceRejected, match="configured twice"):
            await twice.open()
        other = driver_for(one, path="/other")
        with pytest.raises(DeviceRejected, match="another path or other certificates"):
            await other.open()
        await drivers[0].end()
        await drivers[1].read()
        await drivers[1].end()
        assert not listeners._listeners[asyncio.get_running_loop()]
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_the_poller_finds_a_charger_that_calls_late(simulate: Any, driver_for: Any, free_port: Any) -> None:
    """Between two attempts to open the door stays open: the charger comes in, and the next attempt finds it."""
    port, opened = free_port(), asyncio.Event()

    async def take(batch: Any) -> None:
        return None

    async with simulate("1.6", port) as charger:
        await charger.stop()
        driver = driver_for(charger, timeout_s=5, first_connection_s=0.05)
        poller = Poller(clock=driver._clock, on_snapshots=take, on_open=lambda driver, plate: opened.set())
        poller.add(driver, period_s=1)
        await poller.start()
        await until(lambda: poller.counters.open_failures >= 1)
        await charger.start()
        async with asyncio.timeout(20):
            await opened.wait()
        await poller.stop()
        assert not listeners._listeners[asyncio.get_running_loop()]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_charger_that_calls_anew_is_opened_anew(
    version: str, simulate: Any, driver_for: Any, free_port: Any
) -> None:
    """It may have restarted in the middle of a limit, so quickly that no reading failed."""
    opened = []

    async def take(batch: Any) -> None:
        return None

    async with simulate(version, free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10)
        poller = Poller(clock=driver._clock, on_snapshots=take, on_open=lambda driver, plate: opened.append(plate))
        poller.add(driver, period_s=0.05)
        await poller.start()
        await until(lambda: len(opened) == 1 and poller.counters.reads >= 1)
        session = driver._seat.session
        await charger.stop()
        await charger.start()
        await until(lambda: driver._seat.session not in (None, session))
        await until(lambda: len(opened) == 2 and driver._configured is driver._seat.session)
        await poller.stop()


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_a_charger_tells_by_itself_is_seen_before_the_next_reading(
    version: str, simulate: Any, driver_for: Any, free_port: Any
) -> None:
    """The next reading is an hour off: one that restarted in mid-event would charge without a limit until then."""
    opened, lost, seen = [], [], []

    async def take(batch: Any) -> None:
        seen.extend(batch)

    async with simulate(version, free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10)
        poller = Poller(
            clock=driver._clock,
            on_snapshots=take,
            on_open=lambda driver, plate: opened.append(plate),
            on_lost=lambda device_id, reason: lost.append(reason),
        )
        poller.add(driver, period_s=3600)
        await poller.start()
        await until(lambda: seen and seen[-1].connected is True and poller.counters.reads >= 1)
        await charger.status("Available")
        await until(lambda: seen[-1].connected is False)
        await charger.stop()
        await until(lambda: lost == ["the charging point is not connected"] and seen[-1].quality is not Quality.GOOD)
        await charger.start()
        await until(lambda: len(opened) == 2 and poller.online(driver.device_id))
        reads = poller.counters.reads
        # What it answers when it is asked is no news: it is not asked again and again.
        await asyncio.sleep(2.5)
        assert poller.counters.reads <= reads + 2
        await poller.stop()
        assert driver._seat is None


async def test_passwords(simulate: Any, driver_for: Any, free_port: Any, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("letmein\n")
    port = free_port()
    async with simulate("1.6", port, password="letmein") as good, simulate("1.6", port, password="wrong") as bad:
        keys = {"security_profile": 1, "password_file": file, "timeout_s": 5}
        driver, turned_away = driver_for(good, first_connection_s=10, **keys), driver_for(bad, **keys)
        await driver.open()
        with pytest.raises(DeviceRejected, match="its password is missing or wrong"):
            await turned_away.open()
        assert not bad.connected.is_set()
        await turned_away.end()
        await driver.end()


async def test_certificates(simulate: Any, driver_for: Any, free_port: Any, tls_files: Any, tmp_path: Path) -> None:
    tls = tls_files("device.test")
    (tmp_path / "password").write_text("letmein")
    anonymous = ssl.create_default_context(cafile=tls / "ca.pem")
    known = ssl.create_default_context(cafile=tls / "ca.pem")
    known.load_cert_chain(tls / "client.pem", tls / "client.key")
    port = free_port()
    keys = {"cert_file": tls / "server.pem", "key_file": tls / "server.key", "client_ca_file": tls / "ca.pem",
            "timeout_s": 5}  # fmt: skip
    async with (
        simulate("2.0.1", port, secure=known) as mutual,
        simulate("1.6", port, secure=anonymous, password="letmein") as second,
        simulate("1.6", port, secure=anonymous) as stranger,
    ):
        drivers = [
            driver_for(mutual, security_profile=3, certificate_name="gridiface.test", first_connection_s=10, **keys),
            driver_for(second, security_profile=2, password_file=tmp_path / "password", first_connection_s=10, **keys),
        ]
        for driver in drivers:
            await driver.open()
            await driver.write(told(active_power_w=-1000))
        refused = driver_for(stranger, security_profile=3, **keys)
        with pytest.raises(DeviceRejected, match="its certificate names nobody"):
            await refused.open()
        for driver in (*drivers, refused):
            await driver.end()
    missing = driver_for(stranger, security_profile=2, password_file=tmp_path / "password", cert_file=tmp_path / "no",
                         key_file=tmp_path / "no")  # fmt: skip
    with pytest.raises(DeviceRejected, match="cannot be listened on"):
        await missing.open()


async def test_versions_are_negotiated(simulate: Any, driver_for: Any, free_port: Any) -> None:
    async with simulate("1.6", free_port()) as charger:
        driver = driver_for(charger, versions=("2.0.1",))
        with pytest.raises(DeviceRejected, match=r"speaks ocpp1\.6, not 2\.0\.1"):
            await driver.open()
        await driver.end()


async def test_hostile_callers(simulate: Any, driver_for: Any, free_port: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(listeners, "HANDSHAKE_S", 0.2)
    async with simulate("1.6", free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10)
        await driver.open()
        await charger.stop()
        await until(lambda: driver._seat.session is None)
        base = f"ws://127.0.0.1:{charger.port}/ocpp/"
        protocols = [websockets.Subprotocol("ocpp1.6")]
        for path, status in (("nobody", 404), ("..%2f", 404), ("x" * 500, 404)):
            with pytest.raises(websockets.InvalidStatus) as caught:
                await websockets.connect(base + path, subprotocols=protocols)
            assert caught.value.response.status_code == status
        # A caller who says nothing is closed.
        reader, writer = await asyncio.open_connection("127.0.0.1", charger.port)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()
        async with websockets.connect(base + charger.identity, subprotocols=protocols) as socket:
            for text in (
                '[2,"1","Reboot",{}]',
                '[2,"2","BootNotification",{}]',
                '[2,"3","StatusNotification",{"connectorId":99}]',
            ):
                await socket.send(text)
                reply = await socket.recv()
                assert reply.startswith("[4,"), reply
            for garbage in ("", "[]", "[2]", "{}", "[" * 5000, '[3,"9",{}]', '[4,"9","a","b",{}]'):
                await socket.send(garbage)
            await socket.send('[2,"5","Heartbeat",{}]')
            assert '"currentTime"' in await socket.recv()
            with contextlib.suppress(websockets.ConnectionClosed):
                for _ in range(20):
                    await socket.send("nonsense")
                await socket.recv()
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()
        async with websockets.connect(base + charger.identity, subprotocols=protocols) as socket:
            with contextlib.suppress(websockets.ConnectionClosed):
                await socket.send("x" * 100_000)
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()
        # The same id again takes the old one's place.
        address = base + charger.identity
        async with (
            websockets.connect(address, subprotocols=protocols) as old,
            websockets.connect(address, subprotocols=protocols) as new,
        ):
            with pytest.raises(websockets.ConnectionClosed):
                await old.recv()
            await new.send('[2,"6","Heartbeat",{}]')
            assert '"currentTime"' in await new.recv()
        await until(lambda: driver._seat.session is None)
        with pytest.raises(DeviceTimeout, match="not connected"):
            await driver.read()
        async with aiohttp.ClientSession() as client, client.get(address.replace("ws:", "http:")) as got:
            assert got.status == 400
        await driver.end()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_that_begins_after_another_is_limited_from_its_start(
    version: str, simulate: Any, driver_for: Any, free_port: Any
) -> None:
    """The profile of the session before has ended with it, and the next re-assertion may be minutes away."""
    async with simulate(version, free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10)
        await driver.open()
        await charger.begin()
        await driver.write(told(active_power_w=-7_000))
        await charger.finish()
        await charger.begin()
        assert charger.limit() == 7_000
        await driver.revert()
        assert charger.stored == {}
        await driver.end()


async def test_a_charger_that_refuses_the_default_is_limited_in_its_session(
    simulate: Any, driver_for: Any, free_port: Any
) -> None:
    async with simulate("1.6", free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10)
        await driver.open()
        await charger.begin()
        take = charger.take
        charger.take = lambda p: "Rejected" if p["charging_profile_purpose"] == "TxDefaultProfile" else take(p)
        ack = await driver.write(told(active_power_w=-7_000))
        assert charger.limit() == 7_000
        assert "a session that begins later is not limited: SetChargingProfile: Rejected" in ack.notes
        await driver.end()


async def test_each_connector_of_a_station_may_be_a_device(simulate: Any, driver_for: Any, free_port: Any) -> None:
    async with simulate("1.6", free_port()) as charger:
        charger.composite = False  # this one has a single limit
        first = driver_for(charger, timeout_s=5, first_connection_s=10, tags=("AA",))
        second = driver_for(charger, timeout_s=5, first_connection_s=10, connector=2, max_charge_w=11_000, tags=("BB",))
        assert (await first.open()).max_charge_w == 22_080
        assert (await second.open()).max_charge_w == 11_000
        assert first.station is second.station
        await first.write(told(active_power_w=-7_000))
        await second.write(told(active_power_w=-5_000))
        limits = {number: charger.schedule_of(one) for number, one in charger.stored.items()}
        assert {n: one["charging_schedule_period"][0]["limit"] for n, one in limits.items()} == {
            730_100: 7_000,
            730_102: 5_000,
        }
        # A tag is judged where it is shown.
        assert (await charger.begin("BB")).id_tag_info["status"] == "Invalid"
        assert (await charger.begin("AA")).id_tag_info["status"] == "Accepted"
        assert (first.station.at(1).transaction is not None, second.station.at(2).transaction) == (True, None)
        await second.revert()
        assert set(charger.stored) == {730_100}
        # Its restart is told to both, each once.
        session = first._seat.session
        await charger.stop()
        await charger.start()
        await until(lambda: first._seat.session not in (None, session))
        for driver in (first, second):
            with pytest.raises(DeviceForgot, match="called anew"):
                await driver.read()
            await driver.open()
            await driver.read()
        await first.end()
        await second.read()
        again = driver_for(charger, connector=2)
        with pytest.raises(DeviceRejected, match="connector 2 is configured twice"):
            await again.open()
        whole = driver_for(charger, connector=0)
        with pytest.raises(DeviceRejected, match="the whole station"):
            await whole.open()
        other = driver_for(charger, connector=3, versions=("2.0.1",))
        with pytest.raises(DeviceRejected, match="must have the same versions"):
            await other.open()
        await second.end()
        assert not listeners._listeners.get(asyncio.get_running_loop())
