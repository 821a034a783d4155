"""What a real broker (mosquitto) does not let us hear or say: nothing of it counts as done."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.waiting import until

from gridiface.domain.controls import Setpoint
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout

pytestmark = pytest.mark.processes

PLUGIN = Path("/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so")
POWER = {"name": "power", "meaning": "w", "topic": "unit/power", "unit": "W", "positive": "delivered"}
TARGET = {
    "name": "target", "meaning": "set_w", "unit": "W", "positive": "delivered",
    "write": {"topic": "unit/set", "read_back": False, "answer": {"topic": "unit/answer", "one_of": ["ok"]},
              "release": [{"point": "target", "value": 0}]},
}  # fmt: skip
TABLE = {"kind": "battery", "nameplate": {"max_w": 5000, "max_charge_w": 5000}, "points": [POWER, TARGET]}


def told(watts: float) -> Setpoint:
    return Setpoint(device_id="unit", issued=time.time(), active_power_w=watts)


@pytest.fixture
def guarded(mosquitto: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`guarded(*rules)`: a broker with these rules for everybody, each a line of an ACL file."""
    started = []

    def run(*rules: str) -> Any:
        (tmp_path / "acl").write_text("\n".join(f"topic {rule}" for rule in rules) + "\n")
        broker = mosquitto(tmp_path, f"allow_anonymous true\nacl_file {tmp_path / 'acl'}\n")
        broker.start()
        started.append(broker)
        return broker

    yield run
    for broker in started:
        broker.stop()


@asynccontextmanager
async def unit(port: int, *, answers: bool = True) -> AsyncIterator[list[str]]:
    """A device that tells its power once, and answers what it is told; yields what it was told."""
    heard: list[str] = []

    async def run(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            heard.append(bytes(message.payload).decode())
            if answers:
                await client.publish("unit/answer", "ok", qos=1)

    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("unit/set", qos=1)
        await client.publish("unit/power", "120", qos=1, retain=True)
        task = asyncio.create_task(run(client))
        yield heard
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("qos", "reason"),
    [
        (1, "refuses what is published on unit/set: Not authorized"),
        # paho does not tell the reason of a PUBREC, and qos 0 has no answer
        (2, "no answer on unit/answer.*or the broker's rules threw the command away"),
        (0, "no answer on unit/answer.*or the broker's rules threw the command away"),
    ],
)
async def test_a_denied_publication_is_refused(guarded: Any, driver_for: Any, qos: int, reason: str) -> None:
    broker = guarded("read unit/#", "write unit/power", "write unit/answer")
    async with unit(broker.port) as heard:
        driver = driver_for(broker.port, TABLE, protocol="5", qos=qos)
        await driver.open()
        with pytest.raises(DeviceError, match=reason):
            await driver.write(told(500))
        assert heard == []
        await driver.close()


async def test_a_denied_publication_is_not_done_in_3_1_1_either(guarded: Any, driver_for: Any) -> None:
    """There the broker confirms what it throws away."""
    broker = guarded("read unit/#", "write unit/power", "write unit/answer")
    async with unit(broker.port) as heard:
        driver = driver_for(broker.port, TABLE)
        await driver.open()
        with pytest.raises(
            DeviceTimeout, match=r"no answer on unit/answer.*or the broker's rules threw the command away"
        ):
            await driver.write(told(500))
        assert heard == []
        await driver.close()


async def test_a_silent_device_is_not_excused_by_rules_that_would_have_been_told(broker: Any, driver_for: Any) -> None:
    async with unit(broker.port, answers=False):
        driver = driver_for(broker.port, TABLE, protocol="5")
        await driver.open()
        with pytest.raises(DeviceTimeout, match=r"no answer on unit/answer$"):
            await driver.write(told(500))
        await driver.close()


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_an_answer_of_the_device_confirms_what_cannot_be_read_back(
    broker: Any, driver_for: Any, protocol: str
) -> None:
    async with unit(broker.port) as heard:
        driver = driver_for(broker.port, TABLE, protocol=protocol)
        await driver.open()
        ack = await driver.write(told(500))
        assert (ack.verified, ack.read_back, heard) == (True, {"target": 500.0}, ["500"])
        await driver.close()


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_what_nobody_answers_or_shows_is_never_confirmed(broker: Any, driver_for: Any, protocol: str) -> None:
    silent = {**TARGET, "write": {**TARGET["write"], "answer": None}}  # type: ignore[dict-item]
    async with unit(broker.port):
        driver = driver_for(broker.port, {**TABLE, "points": [POWER, silent]}, protocol=protocol)
        await driver.open()
        assert not (await driver.write(told(500))).verified
        await driver.close()


async def test_a_command_that_nobody_hears(broker: Any, driver_for: Any) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish("unit/power", "120", qos=1, retain=True)
        driver = driver_for(broker.port, TABLE, protocol="5")
        await driver.open()
        with pytest.raises(DeviceTimeout, match="nobody hears what is published on unit/set"):
            await driver.write(told(500))
        await driver.close()


@pytest.mark.parametrize("qos", [1, 2])
async def test_a_command_is_not_kept_for_a_device_that_comes_back(broker: Any, driver_for: Any, qos: int) -> None:
    """The broker holds messages for a session that is away; one that we have given up is not among them."""
    driver = driver_for(broker.port, TABLE, timeout_s=1.0, qos=qos, protocol="5")
    keys = {"identifier": f"sleeper-{qos}", "protocol": aiomqtt.ProtocolVersion.V5, "clean_start": False}
    stays = Properties(PacketTypes.CONNECT)
    stays.SessionExpiryInterval = 600
    async with aiomqtt.Client("127.0.0.1", broker.port, properties=stays, **keys) as device:
        await device.subscribe("unit/set", qos=qos)
        await device.publish("unit/power", "120", qos=1, retain=True)
    await driver.open()
    with pytest.raises(DeviceTimeout):
        await driver.write(told(500))
    await asyncio.sleep(1.5)  # the broker counts in seconds
    async with aiomqtt.Client("127.0.0.1", broker.port, properties=stays, **keys) as device:
        await device.publish("unit/set", "marker", qos=qos)
        async with asyncio.timeout(10):
            first = await anext(aiter(device.messages))
        assert bytes(first.payload) == b"marker"
    await driver.close()


async def test_a_heartbeat_that_is_denied_is_no_heartbeat(guarded: Any, driver_for: Any) -> None:
    broker = guarded("readwrite unit/power", "readwrite unit/set", "readwrite unit/answer", "read unit/alive")
    alive = {"name": "alive", "unit": "", "write": {"topic": "unit/alive", "read_back": False}}
    table = {**TABLE, "points": [POWER, TARGET, alive], "heartbeat": {"point": "alive", "period_s": 1}}
    async with unit(broker.port):
        driver = driver_for(broker.port, table, protocol="5")
        with pytest.raises(DeviceRejected, match="refuses what is published on unit/alive"):
            await driver.open()
        await driver.close()


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_subscription_that_is_refused(mosquitto: Any, tmp_path: Path, driver_for: Any, protocol: str) -> None:
    """mosquitto's dynamic security refuses subscriptions themselves; its ACL files only keep messages back."""
    if not PLUGIN.exists():
        pytest.skip("mosquitto has no plugin for dynamic security")
    allowed = [{"acltype": "subscribeLiteral", "topic": "unit/power", "allow": True}]
    rights = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    rules = {
        "defaultACLAccess": rights,
        "groups": [{"groupname": "all", "roles": [{"rolename": "some"}], "clients": []}],
        "roles": [{"rolename": "some", "acls": allowed}],
        "clients": [],
        "anonymousGroup": "all",
    }
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    settings = f"allow_anonymous true\nplugin {PLUGIN}\nplugin_opt_config_file {tmp_path / 'rules.json'}\n"
    broker = mosquitto(tmp_path, settings)
    broker.start()
    try:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.publish("unit/power", "120", qos=1, retain=True)
            await client.publish("unit/soc", "50", qos=1, retain=True)
            driver = driver_for(broker.port, TABLE, protocol=protocol)
            with pytest.raises(DeviceRejected, match="does not let us hear unit/answer"):
                await driver.open()
            await driver.close()
            # What need not be there may be refused.
            charge = {"name": "charge", "meaning": "soc", "topic": "unit/soc", "unit": "%", "optional": True}
            meter = {"kind": "meter", "points": [POWER, charge]}
            driver = driver_for(broker.port, meter, protocol=protocol)
            await driver.open()
            seen = await driver.read()
            assert (seen.w, seen.soc) == (120, None)
            await driver.close()
    finally:
        broker.stop()


async def test_a_late_answer_is_not_that_to_the_next_command(broker: Any, driver_for: Any) -> None:
    """The device answers the first command late, and does not hear the second."""
    async with unit(broker.port, answers=False) as heard, aiomqtt.Client("127.0.0.1", broker.port) as device:
        driver = driver_for(broker.port, TABLE, protocol="5", timeout_s=0.6)
        await driver.open()
        with pytest.raises(DeviceTimeout, match="no answer"):
            await driver.write(told(500))
        second = asyncio.create_task(driver.write(told(900)))
        await asyncio.sleep(0)
        await device.publish("unit/answer", "ok", qos=1)
        with pytest.raises(DeviceTimeout, match="no answer"):
            await second
        assert heard == ["500", "900"]
        await driver.close()


async def test_an_answer_that_comes_twice_counts_for_one_command(broker: Any, driver_for: Any) -> None:
    """QoS 1: at least once."""
    async with unit(broker.port, answers=False) as heard, aiomqtt.Client("127.0.0.1", broker.port) as device:
        driver = driver_for(broker.port, TABLE)
        await driver.open()
        first = asyncio.create_task(driver.write(told(500)))
        await until(lambda: heard == ["500"])
        await device.publish("unit/answer", "ok", qos=1)
        await device.publish("unit/answer", "ok", qos=1)
        assert (await first).verified
        await until(lambda: driver._heard.count("unit/answer") == 2)
        with pytest.raises(DeviceTimeout, match="no answer"):
            await driver.write(told(900))
        await driver.close()


async def test_a_password_that_is_changed(mosquitto: Any, tmp_path: Path, driver_for: Any) -> None:
    """The broker comes back with another password: it says so, until the file on this side has it, too."""
    passwords, mine = tmp_path / "passwords", tmp_path / "mine"

    def change(word: str) -> None:
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "ann", word], check=True, capture_output=True)

    inside = mosquitto(tmp_path)
    listener = f"listener {inside.port} 127.0.0.1\nallow_anonymous true\n"
    broker = mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}\n{listener}")
    broker.others = (inside.port,)
    mine.write_text("one")
    try:
        change("one")
        broker.start()
        async with unit(inside.port) as heard:
            driver = driver_for(broker.port, TABLE, user="ann", password_file=mine, plain=True)
            await driver.open()
            assert (await driver.write(told(500))).verified
            assert heard == ["500"]
        broker.stop()
        change("two")
        broker.start()
        await until(lambda: driver._broker.refusal is not None)
        with pytest.raises(DeviceTimeout, match=r"the broker is away: .*[Nn]ot authori"):
            await driver.read()
        mine.write_text("two")
        await until(lambda: driver._broker.connected)
        async with unit(inside.port) as heard:
            assert (await driver.write(told(700))).verified
            assert heard == ["700"]
        await driver.close()
    finally:
        broker.stop()
