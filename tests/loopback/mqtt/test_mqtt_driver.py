"""The MQTT driver over a real broker: the testkit's checks, sharing, loss of device and broker, TLS, templates."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import Capability
from gridiface.domain.telemetry import OperatingState, Quality
from gridiface.drivers.poller import Poller
from gridiface.drivers.testkit import CHECKS, run_check
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface_southbound.mqtt import broker as brokers

pytestmark = pytest.mark.processes


def told(**keys: Any) -> Setpoint:
    return Setpoint(device_id="unit", issued=time.time(), **keys)


@pytest.mark.parametrize("check", [check for check, _ in CHECKS], ids=lambda check: check.__name__)
async def test_the_driver_passes(check: Any, bench: Any) -> None:
    await run_check(check, bench)


async def test_a_whole_day_of_the_example(broker: Any, simulate: Any, driver_for: Any) -> None:
    async with simulate(broker.port) as battery:
        driver = driver_for(broker.port, parameters={"base": battery.base})
        plate = await driver.open()
        assert (plate.max_w, plate.max_charge_w, plate.model) == (10_000, 8_000, "EXAMPLE-M")
        assert plate.capabilities >= {Capability.SET_W, Capability.LIMIT_W, Capability.CONNECT}
        ack = await driver.write(told(active_power_w=-1234.4, ceiling_w=3333, connect=False))
        assert (ack.active_power_w, ack.ceiling_w, ack.revert_s, ack.verified) == (-1234, 3330, 60, True)
        assert (battery.watts, battery.seconds, battery.percent, battery.closed) == (1234, 60, 33.3, False)
        seen = await driver.read()
        assert (seen.w, seen.soc, seen.state, seen.connected) == (-1234, 0.615, OperatingState.RUNNING, False)
        assert (seen.quality, battery.beats[:1]) == (Quality.GOOD, ["1"])
        await battery.tell("hz", "50.01")
        await driver.write(told(connect=True))
        assert (await driver.read()).hz == 50.01
        await driver.close()


async def test_devices_share_one_connection(broker: Any, simulate: Any, driver_for: Any) -> None:
    async with simulate(broker.port) as one, simulate(broker.port) as two:
        drivers = [driver_for(broker.port, parameters={"base": battery.base}) for battery in (one, two)]
        await asyncio.gather(*(driver.open() for driver in drivers))
        shared = brokers._brokers[asyncio.get_running_loop()]
        assert [found.users for found in shared.values()] == [2]
        await asyncio.gather(*(d.write(told(active_power_w=w)) for d, w in zip(drivers, (100, 200), strict=True)))
        assert [one.watts, two.watts] == [-100, -200]
        await drivers[0].close()
        assert (await drivers[1].read()).w == 200
        await drivers[1].close()
        assert not shared


async def test_a_device_that_goes_away_is_lost_at_once(broker: Any, simulate: Any, driver_for: Any) -> None:
    async with simulate(broker.port) as battery:
        driver = driver_for(broker.port, parameters={"base": battery.base})
        await driver.open()
        await battery.fault("off")
        await _until(lambda: driver._there() is False)
        for call in (driver.read, lambda: driver.write(told(active_power_w=5))):
            with pytest.raises(DeviceTimeout, match="available says that it is away"):
                await call()
        await battery.fault("none")
        await _until(lambda: driver._there() is True)
        await driver.write(told(active_power_w=5))
        await driver.close()


async def test_a_last_will_is_heard_before_the_next_reading(broker: Any, simulate: Any, driver_for: Any) -> None:
    lost: list[str] = []

    async def take(batch: Any) -> None:
        return None

    async with simulate(broker.port) as battery:
        driver = driver_for(broker.port, parameters={"base": battery.base})
        poller = Poller(clock=driver._clock, on_snapshots=take, on_lost=lambda device_id, reason: lost.append(reason))
        poller.add(driver, period_s=3600)
        await poller.start()
        await _until(lambda: poller.online(driver.device_id))
        await battery.fault("off")
        await _until(lambda: len(lost) == 1)
        assert lost[0].endswith("says that it is away")
        await poller.stop()


async def test_the_broker_comes_back(mosquitto: Any, tmp_path: Path, simulate: Any, driver_for: Any) -> None:
    broker = mosquitto(tmp_path)
    broker.start()
    try:
        async with simulate(broker.port) as battery:
            driver = driver_for(broker.port, parameters={"base": battery.base}, timeout_s=2, first_reading_s=10)
            await driver.open()
            assert driver._broker is not None
            await battery.stop()
            broker.stop()
            await _until(lambda: not driver._broker.connected)
            for call in (driver.read, lambda: driver.write(told(active_power_w=5))):
                with pytest.raises(DeviceTimeout, match="broker is away"):
                    await call()
            broker.start()
            await battery.start()
            await _until(lambda: driver._broker.connected and driver._there())
            await driver.write(told(active_power_w=77))
            assert (battery.watts, driver._broker.connections) == (-77, 2)
            await driver.close()
    finally:
        broker.stop()


# paho leaves the socket of a connection that the broker refused within TLS to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_passwords_tls_and_the_last_will(
    mosquitto: Any, tmp_path: Path, simulate: Any, driver_for: Any, tls_files: Any
) -> None:
    tls = tls_files("localhost")
    passwords = tmp_path / "passwords"
    command = ["mosquitto_passwd", "-b", "-c", str(passwords), "ann", "secret"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("mosquitto_passwd is not installed")
    inside = mosquitto(tmp_path)
    broker = mosquitto(
        tmp_path,
        f"allow_anonymous false\npassword_file {passwords}\ncafile {tls / 'ca.pem'}\n"
        f"certfile {tls / 'server.pem'}\nkeyfile {tls / 'server.key'}\nrequire_certificate true\n"
        f"listener {inside.port} 127.0.0.1\nallow_anonymous true\n",
    )
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "wrong").write_text("wrong\n")
    broker.others = (inside.port,)
    broker.start()
    keys = {
        "tls": True, "ca_file": tls / "ca.pem", "cert_file": tls / "client.pem", "key_file": tls / "client.key",
        "user": "ann", "password_file": tmp_path / "password", "connect_timeout_s": 3, "status_topic": "test/gridiface",
        "timeout_s": 2, "protocol": "5", "first_reading_s": 5,
    }  # fmt: skip
    try:
        async with simulate(inside.port) as battery, aiomqtt.Client("127.0.0.1", inside.port) as watcher:
            await watcher.subscribe("test/gridiface", qos=1)
            driver = driver_for(broker.port, parameters={"base": battery.base}, **keys)
            await driver.open()
            await driver.write(told(active_power_w=5))
            await driver.close()
            said = []
            async with asyncio.timeout(60):
                async for message in watcher.messages:
                    said.append(bytes(message.payload))
                    if said == [b"online", b"offline"]:
                        break
            for change, error in (
                ({"password_file": tmp_path / "wrong"}, DeviceRejected),
                ({"ca_file": tls / "other.pem"}, DeviceError),
                ({"cert_file": None, "key_file": None}, DeviceError),
                ({"ca_file": tmp_path / "missing.pem"}, DeviceRejected),
            ):
                refused = driver_for(
                    broker.port, parameters={"base": battery.base}, **(keys | {"connect_timeout_s": 1} | change)
                )
                with pytest.raises(error):
                    await refused.open()
                await refused.close()
    finally:
        broker.stop()


async def test_what_the_broker_kept_is_stale_without_a_sign_of_life(broker: Any, driver_for: Any) -> None:
    table = {
        "kind": "meter",
        "points": [{"name": "power", "meaning": "w", "topic": "test/meter", "unit": "kW", "positive": "taken"}],
    }
    async with aiomqtt.Client("127.0.0.1", broker.port) as meter:
        await meter.publish("test/meter", "1.5", qos=1, retain=True)
        driver = driver_for(broker.port, table)
        await driver.open()
        seen = await driver.read()
        assert (seen.w, seen.quality) == (-1500, Quality.STALE)
        await meter.publish("test/meter", "2.5", qos=1, retain=True)
        await _until(lambda: not driver._heard.kept("test/meter"))
        seen = await driver.read()
        assert (seen.w, seen.quality) == (-2500, Quality.GOOD)
        for payload in (b"\xff\xfe", b"x" * 70_000, b"[" * 60_000, b""):
            await meter.publish("test/meter", payload, qos=1)
        await _until(lambda: driver._heard.dropped == 1 and driver._heard.count("test/meter") == 4)
        assert (await driver.read()).w in (-2500, None)
        await meter.publish("test/meter", "", qos=1, retain=True)
        await driver.close()


async def test_the_tasmota_template(broker: Any, driver_for: Any) -> None:
    """A relay as the firmware's documentation describes its topics."""
    state = {"on": True}

    async def relay(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic, text = message.topic.value, bytes(message.payload).decode()
            if topic.endswith("/Status"):
                assert text == "10"
                power = 42 if state["on"] else 0
                body = f'{{"StatusSNS":{{"ENERGY":{{"Power":{power},"Voltage":229}}}}}}'
                await client.publish("stat/plug/STATUS10", body)
            else:
                state["on"] = {"": state["on"], "ON": True, "OFF": False}[text]
                await client.publish("stat/plug/POWER", "ON" if state["on"] else "OFF")

    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish("tele/plug/LWT", "Online", qos=1, retain=True)
        await client.subscribe("cmnd/plug/#")
        task = asyncio.create_task(relay(client))
        driver = driver_for(broker.port, "tasmota-plug", parameters={"topic": "plug"}, rating_w=3680, first_reading_s=5)
        await driver.open()
        seen = await driver.read()
        assert (seen.w, seen.connected) == (-42, True)
        await driver.write(told(connect=False))
        seen = await driver.read()
        assert (state["on"], seen.w, seen.connected) == (False, 0, False)
        await driver.close()
        await client.publish("tele/plug/LWT", "", qos=1, retain=True)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_esphome_template_and_echoes_of_changes_only(broker: Any, driver_for: Any) -> None:
    told_so: list[str] = []

    async def number(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            text = bytes(message.payload).decode()
            if told_so[-1:] != [text]:
                told_so.append(text)
                await client.publish("esp/number/power_setpoint/state", text, retain=True)

    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for topic, text in (("status", "online"), ("sensor/battery_power/state", "-310.5"),
                            ("sensor/state_of_charge/state", "48"), ("number/power_setpoint/state", "0")):  # fmt: skip
            await client.publish(f"esp/{topic}", text, qos=1, retain=True)
        await client.subscribe("esp/number/power_setpoint/command")
        task = asyncio.create_task(number(client))
        driver = driver_for(
            broker.port, "esphome-battery", parameters={"prefix": "esp"}, rating_w=5000, max_charge_w=5000
        )
        await driver.open()
        seen = await driver.read()
        assert (seen.w, seen.soc, seen.quality) == (-310.5, 0.48, Quality.GOOD)
        for _ in range(2):
            assert (await driver.write(told(active_power_w=-2000))).read_back == {"target": -2000}
        assert told_so == ["-2000"]
        await driver.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("protocol", "words"), [("3.1.1", "no echo of target"), ("5", "nobody hears what is published")]
)
async def test_what_the_broker_kept_of_a_device_that_is_gone_confirms_nothing(
    protocol: str, words: str, broker: Any, driver_for: Any
) -> None:
    """A broker that restarts while a device goes keeps its `online`: nobody was there to send its last will."""
    base = f"gone-{protocol}/number/power_setpoint"
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        kept = {"status": "online", "sensor/battery_power/state": "-310.5", "sensor/state_of_charge/state": "48"}
        for topic, text in (kept | {"number/power_setpoint/state": "-2000"}).items():
            await client.publish(f"gone-{protocol}/{topic}", text, qos=1, retain=True)
        driver = driver_for(
            broker.port,
            "esphome-battery",
            parameters={"prefix": f"gone-{protocol}"},
            rating_w=5000,
            max_charge_w=5000,
            protocol=protocol,
            timeout_s=0.5,
        )
        await driver.open()
        with pytest.raises(DeviceTimeout, match=words):
            await driver.write(told(active_power_w=-2000))
        await client.subscribe(f"{base}/command")
        await client.publish(f"gone-{protocol}/sensor/battery_power/state", "-400", qos=1, retain=True)
        await _until(lambda: driver._spoke_on)
        assert (await driver.write(told(active_power_w=-2000))).read_back == {"target": -2000}
        await driver.close()


async def test_no_broker_is_a_timeout(driver_for: Any, free_port: Any) -> None:
    driver = driver_for(free_port(), connect_timeout_s=0.3)
    with pytest.raises(DeviceTimeout, match="cannot be reached"):
        await driver.open()
    await driver.close()


async def _until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)
