"""The MQTT driver: any device that a topic table describes, as `gridiface.drivers.api.Driver`.

Owned here: what was heard last and when, whether the device is there, and its answers. Not owned: the order
of a driver's work (points.driver), echoes (points.echo), the connection (broker).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from gridiface.domain.clock import Clock
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.drivers.api import DeviceBusy, DeviceGone
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface_southbound.mqtt.broker import Broker, broker_for, release
from gridiface_southbound.mqtt.config import MqttConfig
from gridiface_southbound.mqtt.heard import Heard
from gridiface_southbound.mqtt.table import Answer, Ask, Point, WriteRule
from gridiface_southbound.points.echo import EchoDriver
from gridiface_southbound.points.image import Write
from gridiface_southbound.points.meanings import Meaning
from gridiface_southbound.points.scalar import ScalarImage
from gridiface_southbound.points.table import Poll
from gridiface_southbound.points.template import MISSING, filled, grouped, one_of, packed, spoken, text_of


class MqttDriver(EchoDriver[Point]):
    """Drives one device by its topic table; made by `create`."""

    Config: ClassVar[type[MqttConfig]] = MqttConfig

    _heard: Heard

    def __init__(self, device_id: str, config: MqttConfig, *, clock: Clock) -> None:
        super().__init__(device_id, config, config.table, clock=clock)
        self._config = config
        self._table = config.table
        self._values = config.values
        self._broker: Broker | None = None
        self._image: ScalarImage[Point] = ScalarImage(config.table)
        self._heard = Heard(config.max_payload_bytes, clock)
        self._asked: dict[int, float] = {}
        self._owed: dict[str, int] = {}
        self._news: Callable[[], None] | None = None
        #: The connection to the broker on which the device itself said something last; 0: none.
        self._spoke_on = 0

    def on_news(self, tell: Callable[[], None]) -> None:
        """As `TellingDriver.on_news`: the device says that it goes."""
        self._news = tell

    @classmethod
    def create(cls, device_id: str, config: MqttConfig, *, clock: Clock) -> MqttDriver:
        """A driver, not yet open."""
        return cls(device_id, config, clock=clock)

    # Opening and closing -------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        await self._disconnect()
        config = self._config
        self._image = ScalarImage(self._table)
        self._heard = Heard(config.max_payload_bytes, self._clock)
        self._asked.clear()
        self._owed.clear()
        self._spoke_on = 0
        self._broker = broker = broker_for(config.broker)
        try:
            broker.start()
            await broker.wait(config.connect_timeout_s)
            await broker.listen(dict.fromkeys(self._topics(), config.qos), self._take_in)
            broker.require_heard(self._needed_topics())
            await self._first_reading(broker)
        except BaseException:
            await self._disconnect()
            raise

    async def _disconnect(self) -> None:
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.leave(self._take_in)
            await release(self._config.broker, broker)

    def _needed_topics(self) -> Iterable[str]:
        """Those without which the device cannot be read or its answers not be heard."""
        optional = {self._topic(p.topic) for p in self._table.points if p.topic and p.optional and p.write is None}
        yield from (topic for topic in self._topics() if topic not in optional)

    def _topics(self) -> Iterable[str]:
        """All that is listened to."""
        table = self._table
        if table.availability is not None:
            yield self._topic(table.availability.topic)
        for ask in table.ask:
            yield from map(self._topic, ask.answers)
        for point in table.points:
            if point.topic is not None:
                yield self._topic(point.topic)
            if point.write is not None and point.write.answer is not None:
                yield self._topic(point.write.answer.topic)

    async def _first_reading(self, broker: Broker) -> None:
        """Until every point that is read was told, and the device has said that it is there."""
        asked = {identity.point for identity in self._table.identity}
        wanted = [p for p in self._table.points if p.topic and (p.polled is not Poll.NEVER or p.name in asked)]
        needed = [point for point in wanted if not point.optional]
        for ask in self._table.ask:
            await self._ask(broker, ask)
        try:
            async with asyncio.timeout(self._config.first_reading_s):
                await self._heard.until(lambda: self._there() is not None and not self._missing(needed))
        except TimeoutError:
            self._require_there()
            missing = ", ".join(f"{point.name} ({self._topic(point.topic or '')})" for point in self._missing(needed))
            raise DeviceTimeout(f"nothing was told of {missing}") from None
        self._require_there()
        self._take()

    def _take_in(self, topic: str, payload: bytes, kept: bool) -> None:
        """A message for this device."""
        was = self._there()
        if not kept and self._broker is not None:
            self._spoke_on = self._broker.connections
        self._heard.take(topic, payload, kept)
        if self._news is not None and was and self._there() is False:
            self._news()

    # Reading -------------------------------------------------------------------------------------------------------

    async def _refresh(self, *, slow: bool) -> None:
        broker = self._require_broker()
        self._require_there()
        for place, ask in enumerate(self._table.ask):
            now = self._clock.monotonic()
            if now >= self._asked.get(place, now):
                self._asked[place] = now + ask.period_s
                await self._question(broker, ask)
        self._take()

    async def _question(self, broker: Broker, ask: Ask) -> None:
        topics = [self._topic(topic) for topic in ask.answers]
        before = {topic: self._heard.count(topic) for topic in topics}
        await self._ask(broker, ask)
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await self._heard.until(lambda: all(self._heard.count(topic) > before[topic] for topic in topics))
        except TimeoutError:
            silent = ", ".join(topic for topic in topics if self._heard.count(topic) == before[topic])
            raise DeviceTimeout(f"asked on {self._topic(ask.topic)}, and nothing came on {silent}") from None

    def _judged(self, snapshot: Snapshot) -> Snapshot:
        """With the time at which the power was told; what is old, or was kept by the broker, is stale."""
        power = [self._topic(p.topic) for p in self._table.points if p.meaning is Meaning.W and p.topic]
        times = [self._heard.at(topic) for topic in power]
        known = [at for at in times if at is not None]
        if not known:
            return snapshot
        oldest = min(known)
        stale = snapshot.received - oldest > self._table.stale_after_s
        # A value that the broker kept is as good as the device's word that it is still there.
        kept = self._table.availability is None and any(self._heard.kept(topic) for topic in power)
        quality = Quality.STALE if stale or kept else snapshot.quality
        return replace(snapshot, source_time=min(oldest, snapshot.received), quality=quality)

    def _source(self, point: Point) -> str | None:
        return None if point.topic is None else self._topic(point.topic)

    def _spot(self, point: Point) -> str:
        return point.pointer

    # One write -----------------------------------------------------------------------------------------------------

    async def _send(self, writes: Sequence[Write[Point]], shown: Sequence[Point]) -> ScalarImage[Point]:
        """Publish in order, each only after the one before was echoed."""
        broker = self._require_broker()
        try:
            return await self._send_by(broker, writes, shown)
        except DeviceTimeout as error:
            if broker.connected and not self._config.tells_refusals:
                # Only the broker's answer to a publication of MQTT 5 with qos 1 says that its rules refuse it.
                reason = f"{error.reason}; or the broker's rules threw the command away, which is not told here"
                raise DeviceTimeout(reason) from error
            raise

    async def _send_by(
        self, broker: Broker, writes: Sequence[Write[Point]], shown: Sequence[Point]
    ) -> ScalarImage[Point]:
        self._require_there()
        for topic, members in grouped((_carrier(write), write) for write in writes):
            rule = members[-1].point.write
            if rule is None:  # pragma: no cover - only points with a rule are written
                continue
            sought, before = self._sought(members, shown)
            answered = 0 if rule.answer is None else await self._answers_so_far(self._topic(rule.answer.topic))
            await self._publish(broker, topic, self._payload(rule, members), retain=rule.retain)
            if rule.answer is not None:
                await self._require_taken(rule.answer, answered)
            if not await self._echoed(sought, before):
                break
        self._take()
        return ScalarImage(self._table, self._image.data)

    def _payload(self, rule: WriteRule, members: Sequence[Write[Point]]) -> bytes:
        if rule.payload is None:
            return spoken(members[-1].data).encode()
        known = {name: value for name, value in self._image.data.items() if value is not None}
        values = {**known, **self._values, **{write.point.name: write.data for write in members}}
        try:
            made = filled(rule.payload, values)
            return spoken(made).encode() if isinstance(rule.payload, str) else packed(made)
        except KeyError as error:
            raise DeviceRejected(f"{rule.topic} needs {error.args[0]}, which is not known") from error

    async def _answers_so_far(self, topic: str) -> int:
        """How often it was answered there until now.

        What was not answered in time gets as long again: a late answer must not pass for that to the next command.
        """
        if (owed := self._owed.pop(topic, None)) is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.timeout_s):
                    await self._heard.until(lambda: self._heard.count(topic) > owed)
        return self._heard.count(topic)

    async def _require_taken(self, rule: Answer, before: int) -> None:
        topic = self._topic(rule.topic)
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await self._heard.until(lambda: self._heard.count(topic) > before)
        except TimeoutError:
            self._owed[topic] = before
            raise DeviceTimeout(f"no answer on {topic}") from None
        seen = self._heard.value(topic, rule.pointer)
        if seen is MISSING or not one_of(seen, rule.one_of):
            kind = DeviceBusy if seen is not MISSING and one_of(seen, rule.busy) else DeviceRejected
            raise kind(f"refused: {topic} says {'nothing' if seen is MISSING else repr(seen)[:100]}")

    def _confirmed(self, write: Write[Point]) -> bool:
        # Awaited in `_send`: the device itself said that it takes it.
        return write.point.write is not None and write.point.write.answer is not None

    def _may_be_silent(self, write: Write[Point]) -> bool:
        if write.point.write is None or write.point.write.echo != "changes":
            return False
        # What the broker kept, "online" too, may be from before its restart, of a device that is gone: silence is an
        # answer only of a device that was heard since, or where the broker would say that nobody hears us.
        spoke = self._broker is not None and 0 < self._spoke_on == self._broker.connections
        return spoke or self._config.tells_refusals

    # Small things --------------------------------------------------------------------------------------------------

    async def _ask(self, broker: Broker, ask: Ask) -> None:
        config, payload = self._config, text_of(ask.payload, self._values).encode()
        topic, timeout_s = self._topic(ask.topic), config.timeout_s
        # Whether somebody hears the question is told by the answer.
        await broker.publish(topic, payload, qos=config.qos, retain=False, timeout_s=timeout_s, must_arrive=False)

    async def _publish(self, broker: Broker, topic: str, payload: bytes, *, retain: bool) -> None:
        config = self._config
        await broker.publish(self._topic(topic), payload, qos=config.qos, retain=retain, timeout_s=config.timeout_s)

    def _require_broker(self) -> Broker:
        if self._broker is None:
            raise DeviceGone("the driver is not open")
        if not self._broker.connected:
            why = "" if self._broker.refusal is None else f": {self._broker.refusal}"
            raise DeviceTimeout(f"the broker is away{why}")
        self._broker.require_heard(self._needed_topics())
        return self._broker

    def _there(self) -> bool | None:
        """Whether the device says that it is there; None: it has not said anything yet."""
        rule = self._table.availability
        if rule is None:
            return True
        seen = self._heard.value(self._topic(rule.topic), rule.pointer)
        return None if seen is MISSING else spoken(seen) in rule.online

    def _require_there(self) -> None:
        if not (there := self._there()):
            rule = self._table.availability
            topic = "" if rule is None else self._topic(rule.topic)
            if there is False:
                raise DeviceGone(f"{topic} says that it is away")
            raise DeviceTimeout(f"nothing was told on {topic}")

    def _topic(self, template: str) -> str:
        return text_of(template, self._values)


def _carrier(write: Write[Point]) -> str:
    return "" if write.point.write is None else write.point.write.topic
