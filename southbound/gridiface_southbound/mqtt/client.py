"""An MQTT client that hears the broker's word on each publication.

Owned here: the reason of PUBACK and PUBCOMP (MQTT 5, 3.4.2.1 and 3.7.2.1), which aiomqtt drops, and how long a message
lives. Not owned: when to connect and what to do with a refusal (broker).
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS, MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode


class HearingClient(aiomqtt.Client):
    """aiomqtt's client, with `confirmed` beside its `publish`."""

    def __init__(self, *args: Any, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self._awaited: dict[int, asyncio.Future[ReasonCode]] = {}

    async def confirmed(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, timeout_s: float, lives_s: float | None = None
    ) -> ReasonCode | None:
        """Publish, and what the broker says of it; None with qos 0, of which it says nothing.

        In MQTT 3.1.1 the broker's word has no reason: it is always success.

        Args:
            topic: where.
            payload: what.
            qos: quality of service.
            retain: whether the broker keeps it.
            timeout_s: time for the broker's word.
            lives_s: how long the broker may hold it for somebody who is away (MQTT 5, 3.3.2.3.3; in 3.1.1 for ever).

        Raises:
            MqttError: not sent, or no word in time.
        """
        properties = None
        if lives_s is not None and self._client.protocol == MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types there
            properties.MessageExpiryInterval = max(1, math.ceil(lives_s))
        if qos == 0:
            await self.publish(topic, payload, qos=0, retain=retain, timeout=timeout_s, properties=properties)
            return None
        sent = self._client.publish(topic, payload, qos, retain, properties)
        if sent.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(sent.rc, "could not be sent")
        word: asyncio.Future[ReasonCode] = asyncio.get_running_loop().create_future()
        self._awaited[sent.mid] = word
        try:
            async with asyncio.timeout(timeout_s):
                return await word
        except TimeoutError:
            raise aiomqtt.MqttError("the broker did not confirm it in time") from None
        finally:
            del self._awaited[sent.mid]

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any) -> None:
        word = self._awaited.get(mid)
        if word is not None and not word.done():
            word.set_result(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)
