"""The broker's word on a publication, without a broker."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.client import MQTT_ERR_NO_CONN, MQTT_ERR_SUCCESS
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from gridiface_southbound.mqtt.client import HearingClient


def client(monkeypatch: pytest.MonkeyPatch, rc: int = MQTT_ERR_SUCCESS) -> HearingClient:
    one = HearingClient("127.0.0.1")
    monkeypatch.setattr(one._client, "publish", lambda *_: SimpleNamespace(rc=rc, mid=7))
    return one


def publish(one: HearingClient, timeout_s: float = 5.0) -> Any:
    return one.confirmed("t", b"1", qos=1, retain=False, timeout_s=timeout_s)


@pytest.mark.parametrize("code", [0x00, 0x10, 0x87, 0x97])
async def test_the_reason_is_that_of_its_publication(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    one = client(monkeypatch)
    task = asyncio.create_task(publish(one))
    await asyncio.sleep(0)
    one._on_publish(None, None, 6, ReasonCode(PacketTypes.PUBACK, identifier=0x80), None)
    assert not task.done()
    for _ in range(2):  # twice is once
        one._on_publish(None, None, 7, ReasonCode(PacketTypes.PUBACK, identifier=code), None)
    assert (await task).value == code
    assert not one._awaited


async def test_what_is_not_sent_or_not_confirmed_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(aiomqtt.MqttError, match="not currently connected"):
        await publish(client(monkeypatch, MQTT_ERR_NO_CONN))
    one = client(monkeypatch)
    with pytest.raises(aiomqtt.MqttError, match="did not confirm"):
        await publish(one, 0.01)
    assert not one._awaited
