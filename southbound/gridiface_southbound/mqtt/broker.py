"""One connection to a broker, shared by all devices behind it: subscriptions, messages, reconnection.

Owned here: what the broker lets us hear and say. Not owned: what a message says (driver). Topics are exact, so a
message finds its listeners by one look-up. A connection that is lost is made again until the last device has left;
whoever publishes meanwhile is told at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface_southbound.mqtt.client import HearingClient
from gridiface_southbound.mqtt.config import BrokerKey
from gridiface_southbound.points.secrets import secret_in, tls_context

_log = logging.getLogger(__name__)

#: Messages that wait for us; a broker that floods loses the rest.
_MAX_WAITING = 10_000
_MAX_PAUSE_S = 30.0
#: A publication was taken and nobody is subscribed to its topic (MQTT 5, 3.4.2.1).
_NOBODY = 0x10

#: Takes topic, payload, and whether the broker had kept it from before.
Listener = Callable[[str, bytes, bool], None]


class Broker:
    """A connection; made by `broker_for`, `start`ed by its first user."""

    def __init__(self, key: BrokerKey) -> None:
        self.users = 0
        self.connections = 0
        self.refusal: str | None = None
        self._key = key
        self._listeners: dict[str, dict[Listener, int]] = {}
        self._refused: dict[str, str] = {}
        self._client: HearingClient | None = None
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker is there now."""
        return self._connected.is_set()

    def start(self) -> None:
        """Begin to connect; twice is once."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"mqtt {self._key.host}:{self._key.port}")

    async def stop(self) -> None:
        """Disconnect; twice is once."""
        task, self._task = self._task, None
        while task is not None and not task.done():
            # Python 3.11's wait_for, in aiomqtt, may swallow a cancellation that comes with its result: ask again.
            task.cancel()
            await asyncio.wait({task}, timeout=1.0)
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    async def wait(self, timeout_s: float) -> None:
        """Until the broker is there.

        Raises:
            DeviceTimeout: it does not answer.
            DeviceRejected: it refuses us, or a file of the configuration cannot be used.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._connected.wait()
        except TimeoutError:
            if self.refusal is not None:
                raise DeviceRejected(f"broker {self._key.host}:{self._key.port}: {self.refusal}") from None
            raise DeviceTimeout(f"broker {self._key.host}:{self._key.port} cannot be reached") from None

    async def listen(self, topics: dict[str, int], listener: Listener) -> None:
        """Hear some topics, each with its quality of service; what the broker has kept comes at once."""
        for topic, qos in topics.items():
            self._listeners.setdefault(topic, {})[listener] = qos
        await self._subscribe(topics)

    def require_heard(self, topics: Iterable[str]) -> None:
        """The broker lets us hear these topics, all of which we listen to.

        Raises:
            DeviceRejected: it refused one of them.
        """
        if not self._refused:
            return
        for topic in topics:
            if topic in self._refused:
                raise DeviceRejected(f"the broker does not let us hear {topic}: {self._refused[topic]}")

    async def leave(self, listener: Listener) -> None:
        """Hear nothing more."""
        gone = []
        for topic, members in list(self._listeners.items()):
            members.pop(listener, None)
            if not members:
                del self._listeners[topic]
                gone.append(topic)
        if gone and self._client is not None and self.connected:
            with contextlib.suppress(aiomqtt.MqttError):
                await self._client.unsubscribe(gone)

    async def publish(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, timeout_s: float, must_arrive: bool = True
    ) -> None:
        """One message; with qos 1 or 2 until the broker has it.

        What is not retained does not wait longer at the broker than we do for it (MQTT 5): a device that comes back
        must not carry out an order that has been given up since.

        Args:
            topic: where.
            payload: what.
            qos: quality of service.
            retain: whether the broker keeps it.
            timeout_s: time for the broker's word.
            must_arrive: whether it is for nothing where nobody hears it now (a broker of MQTT 5 may say so).

        Raises:
            DeviceTimeout: the broker is away, did not take it in time, or has nobody who hears it.
            DeviceRejected: the broker refuses it, which it can say in MQTT 5 only.
        """
        client = self._client
        if client is None or not self.connected:
            raise DeviceTimeout(f"broker {self._key.host}:{self._key.port} is away")
        try:
            lives_s = None if retain else timeout_s
            word = await client.confirmed(topic, payload, qos=qos, retain=retain, timeout_s=timeout_s, lives_s=lives_s)
        except (aiomqtt.MqttError, ValueError) as error:
            raise DeviceTimeout(f"{topic} was not published: {error}") from error
        if word is not None and word.is_failure:
            raise DeviceRejected(f"the broker refuses what is published on {topic}: {word}")
        if word is not None and word.value == _NOBODY and must_arrive and not retain:
            raise DeviceTimeout(f"nobody hears what is published on {topic}")

    # The connection ------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = 0.25
        while True:
            before = self.connections
            try:
                await self._session()
            except aiomqtt.MqttError as error:
                self.refusal = _refusal(error)
                _log.info("broker %s:%d: %s", self._key.host, self._key.port, error)
            except DeviceRejected as error:
                self.refusal = error.reason
            except DeviceError as error:
                self.refusal = None
                _log.info("broker %s:%d: %s", self._key.host, self._key.port, error.reason)
            except (OSError, ValueError) as error:
                self.refusal = None
                _log.info("broker %s:%d: %s", self._key.host, self._key.port, error)
            finally:
                self._connected.clear()
                self._client = None
            pause = 0.25 if self.connections > before else min(_MAX_PAUSE_S, 2 * pause)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret

    async def _session(self) -> None:
        key = self._key
        will = aiomqtt.Will(key.status_topic, "offline", qos=1, retain=True) if key.status_topic else None
        client = HearingClient(
            key.host,
            key.port,
            identifier=key.client_id or None,
            username=key.user or None,
            password=None if key.password_file is None else secret_in(key.password_file),
            tls_context=tls_context(key.ca_file, key.cert_file, key.key_file) if key.tls else None,
            protocol=aiomqtt.ProtocolVersion.V5 if key.protocol == "5" else aiomqtt.ProtocolVersion.V311,
            keepalive=key.keepalive_s,
            will=will,
            timeout=10,
            max_queued_incoming_messages=_MAX_WAITING,
        )
        async with client:
            self._client = client
            self.connections += 1
            self.refusal = None
            self._refused.clear()
            await self._subscribe({topic: max(members.values()) for topic, members in self._listeners.items()})
            if key.status_topic:
                word = await client.confirmed(key.status_topic, b"online", qos=1, retain=True, timeout_s=10)
                if word is not None and word.is_failure:
                    _log.warning("broker %s:%d refuses %s: %s", key.host, key.port, key.status_topic, word)
            self._connected.set()
            try:
                async for message in client.messages:
                    self._hand_out(message)
            except asyncio.CancelledError:
                # A clean goodbye suppresses the last will, so it is said here.
                if key.status_topic:
                    with contextlib.suppress(aiomqtt.MqttError):
                        await client.publish(key.status_topic, "offline", qos=1, retain=True, timeout=1)
                raise

    async def _subscribe(self, topics: dict[str, int]) -> None:
        client = self._client
        if client is None or not topics:
            return
        try:
            words = await client.subscribe(list(topics.items()))
        except (aiomqtt.MqttError, ValueError) as error:
            raise DeviceTimeout(f"subscribing failed: {error}") from error
        for topic, word in zip(topics, words, strict=False):
            self._refused.pop(topic, None)
            if isinstance(word, ReasonCode) and word.is_failure:
                self._refused[topic] = str(word)
                _log.warning("broker %s:%d does not let us hear %s: %s", self._key.host, self._key.port, topic, word)

    def _hand_out(self, message: aiomqtt.Message) -> None:
        payload = message.payload
        data = payload if isinstance(payload, bytes | bytearray) else b""
        for listener in list(self._listeners.get(message.topic.value, ())):
            listener(message.topic.value, bytes(data), bool(message.retain))


def _refusal(error: aiomqtt.MqttError) -> str | None:
    """The broker's own refusal, in words; None where it was not heard."""
    text = str(error)
    words = ("not authori", "bad user name", "identifier", "refused:", "certificate", "ssl")
    return text[:200] if any(word in text.lower() for word in words) else None


def broker_for(key: BrokerKey) -> Broker:
    """The connection of a configuration, in the running loop; count yourself in `users`, and `release` it."""
    brokers = _brokers.setdefault(asyncio.get_running_loop(), {})
    if key not in brokers:
        brokers[key] = Broker(key)
    broker = brokers[key]
    broker.users += 1
    return broker


async def release(key: BrokerKey, broker: Broker) -> None:
    """One user less; the last one ends the connection."""
    broker.users -= 1
    if broker.users:
        return
    brokers = _brokers.get(asyncio.get_running_loop(), {})
    if brokers.get(key) is broker:
        del brokers[key]
    await broker.stop()


#: The connections of each running loop.
_brokers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[BrokerKey, Broker]] = WeakKeyDictionary()
