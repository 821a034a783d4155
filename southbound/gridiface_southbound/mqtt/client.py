"""An MQTT client that hears the broker's word on each publication.

Owned here: the reason of PUBACK and PUBCOMP (MQTT 5, 3.4.2.1 and 3.7.2.1), which aiomqtt drops. Not owned: when to
connect and what to do with a refusal (broker).
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS
from paho.mqtt.reasoncodes import ReasonCode


class HearingClient(aiomqtt.Client):
    """aiomqtt's client, with `confirmed` beside its `publish`."""

    def __init__(self, *args: Any, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self._awaited: dict[int, asyncio.Future[ReasonCode]] = {}

    async def confirmed(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, timeout_s: float
    ) -> ReasonCode | None:
        """Publish, and what the broker says of it; None with qos 0, of which it says nothing.

        In MQTT 3.1.1 the broker's word has no reason: it is always success.

        Raises:
            MqttError: not sent, or no word in time.
        """
        if qos == 0:
            await self.publish(topic, payload, qos=0, retain=retain, timeout=timeout_s)
            return None
        sent = self._client.publish(topic, payload, qos, retain)
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
