"""The generic Modbus driver: any device that a register table describes, as `gridiface.drivers.api.Driver`.

Owned here: which optional points exist, reading by poll group, the requests of one write with its read-back, and that
it is the table's device that answers on each connection. Not owned: the order of a driver's work (points.driver), bytes
(codec, plan), connections (carriers).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from gridiface.domain.clock import Clock
from gridiface.domain.controls import Setpoint
from gridiface.drivers.api import Ack, DeviceBusy, DeviceGone
from gridiface.drivers.gate import Gate
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface_southbound.modbus.begun import Begun, may_hurry
from gridiface_southbound.modbus.carriers import link_for
from gridiface_southbound.modbus.codec import among_others
from gridiface_southbound.modbus.config import ModbusConfig
from gridiface_southbound.modbus.image import RegisterImage, scale_points
from gridiface_southbound.modbus.plan import ReadBlock, plan_reads, read_of, write_of
from gridiface_southbound.modbus.table import Point
from gridiface_southbound.modbus_connection import Reply
from gridiface_southbound.modbus_link import Link, QuickLink
from gridiface_southbound.modbus_pdu import ILLEGAL_FUNCTION, PASSING, ExceptionReply, PairShape, Request, WriteThenRead
from gridiface_southbound.points import readback
from gridiface_southbound.points.commands import CommandPlan
from gridiface_southbound.points.driver import PointDriver
from gridiface_southbound.points.image import Write
from gridiface_southbound.points.table import Poll

#: The number of no connection.
_UNSEEN = -1


class ModbusDriver(PointDriver[Point]):
    """Drives one device by its register table; made by `create`."""

    Config: ClassVar[type[ModbusConfig]] = ModbusConfig

    def __init__(self, device_id: str, config: ModbusConfig, *, clock: Clock, link: Callable[[], Link]) -> None:
        super().__init__(device_id, config, config.table, clock=clock)
        self._config = config
        self._table = config.table
        self._make_link = link
        self._link: Link | None = None
        self._quick: QuickLink | None = None
        self._image: RegisterImage = RegisterImage(config.table)
        self._blocks: dict[Poll, tuple[ReadBlock, ...]] = {}
        self._singly = False
        self._scales = plan_reads(config.table, scale_points(config.table))
        #: The requests that show points, by their names: the same again and again.
        self._showing: dict[tuple[str, ...], tuple[tuple[ReadBlock, ...], list[Request]]] = {}
        #: By point, a write of its registers with the read that shows them.
        self._shapes: dict[str, PairShape] = {}
        self._hasty = config.pipeline and not self._scales and may_hurry(config.table)
        named = dict.fromkeys(identity.point for identity in config.table.identity)
        self._names = plan_reads(config.table, [config.table.by_name[name] for name in named])
        #: The connection on which it was seen that it is the device that the table is for; None: it is being opened.
        self._seen_on: int | None = None
        self._long_ways: set[asyncio.Future[None]] = set()
        #: Held from reading the bits of others to writing them back: a heartbeat may go into the same register.
        self._merging = Gate()

    @classmethod
    def create(cls, device_id: str, config: ModbusConfig, *, clock: Clock) -> ModbusDriver:
        """A driver, not yet open."""
        return cls(device_id, config, clock=clock, link=lambda: link_for(config))

    @property
    def connection(self) -> str | None:
        """The gateway's address or the serial line where the connection is shared."""
        return self._config.place if self._config.shared else None

    async def _connect(self) -> None:
        if self._link is None:
            self._link = self._make_link()
            self._quick = self._link if isinstance(self._link, QuickLink) else None
        self._image = RegisterImage(self._table)
        self._seen_on = None
        await self._probe()
        self._seen_on = self._link.connects

    async def _disconnect(self) -> None:
        link, self._link, self._quick = self._link, None, None
        if link is not None:
            await link.close()

    # Reading -------------------------------------------------------------------------------------------------------

    async def _probe(self) -> None:
        """Read everything once; what is optional and refused is left out from now on."""
        factors = {p.scale_factor for p in self._table.points if p.scale_factor}
        asked = {identity.point for identity in self._table.identity}
        found: dict[Poll, list[Point]] = {poll: [] for poll in Poll}
        for point in self._table.points:
            # Scale factors are read with what they scale, for some devices change them at run time.
            polled = Poll.FAST if point.name in factors and point.poll is None else point.polled
            found[Poll.ONCE if polled is Poll.NEVER and point.name in asked else polled].append(point)
        for poll in (Poll.ONCE, Poll.SLOW, Poll.FAST):
            blocks: list[ReadBlock] = []
            for block in plan_reads(self._table, found[poll]):
                blocks += await self._probe_block(block)
            self._blocks[poll] = tuple(blocks)

    async def _probe_block(self, block: ReadBlock) -> Sequence[ReadBlock]:
        (reply,) = await self._exchange([block.request()])
        if not isinstance(reply, ExceptionReply):
            self._image.data |= {point.name: data for point, data in block.cut(reply)}
            return (block,)
        if len(block.points) > 1 and reply.code not in PASSING:
            return [part for piece in block.split() for part in await self._probe_block(piece)]
        point, _ = block.points[0]
        if point.optional and reply.code not in PASSING:
            return ()
        raise self._refusal(reply, f"reading {point.name} ({block.area} {point.address})")

    async def _refresh(self, *, slow: bool) -> None:
        blocks = self._blocks[Poll.FAST]
        await self._take((*blocks, *self._blocks[Poll.SLOW]) if slow else blocks)

    async def _prepare(self) -> None:
        """Scale factors are read before each write."""
        if self._scales:
            await self._take(self._scales)

    async def _take(self, blocks: Sequence[ReadBlock]) -> None:
        replies = await self._exchange([block.request() for block in blocks])
        self._image.data |= self._image_of(blocks, replies).data

    # One write -----------------------------------------------------------------------------------------------------

    async def _send(self, writes: Sequence[Write[Point]], shown: Sequence[Point]) -> RegisterImage:
        """Write in order, each only after the one before was taken, then read back."""
        blocks, reads = self._reads(shown)
        delay = self._delay(writes) if blocks else 0.0
        if len(writes) == 1 and not delay and self._config.pipeline:
            reply, *seen = await self._told(writes[0], reads)
            self._require_taken(writes[0], reply, "write 1 of 1")
            return self._image_of(blocks, seen)
        for number, write in enumerate(writes, 1):
            # An enabling register must not be written after a set-point that was refused.
            (reply,) = await self._told(write, [])
            self._require_taken(write, reply, f"write {number} of {len(writes)}")
        if delay:
            await asyncio.sleep(delay)
        return self._image_of(blocks, await self._exchange(reads))

    def _reads(self, shown: Sequence[Point]) -> tuple[tuple[ReadBlock, ...], list[Request]]:
        """The blocks that show these points, and their requests."""
        names = tuple(point.name for point in shown)
        known = self._showing.get(names)
        if known is None:
            blocks = plan_reads(self._table, shown)
            known = self._showing[names] = blocks, [block.request() for block in blocks]
        return known

    def begin(self, command: Setpoint, done: Callable[[Ack | DeviceError], None]) -> bool:
        """As `QuickDriver.begin`: what is written and read back without waiting for anything but the replies."""
        commands, link = self._commands, self._quick
        if commands is None or link is None or command.release or not self._hasty or not self._is_seen():
            return False
        plan = commands.plan(command, revert_s=self._config.revert_s, now=self._clock.now())
        if not plan.writes or not self._writing.take():
            return False
        shown = self._shown(plan)
        blocks, reads = self._reads(readback.showing(shown))
        steps = self._steps(plan.writes, reads)
        self._begins(plan)
        under_way = Begun(
            steps,
            partial(link.begin, self._config.unit_id, timeout_s=self._config.timeout_s),
            partial(self._begun_ended, plan, shown, blocks, done),
        )
        if not under_way.go():
            self._writing.give()
            return False
        return True

    def _steps(self, writes: Sequence[Write[Point]], reads: Sequence[Request]) -> list[Sequence[Request]]:
        """What goes out together: a single write with its read-back, of several each by itself."""
        first = writes[0]
        if len(writes) > 1:
            return [*([self._request(write)] for write in writes), *([reads] if reads else [])]
        if len(reads) != 1 or first.point.function != 16 or (self._singly and first.point.single_will_do):
            return [[self._request(first), *reads]]
        shape = self._shapes.get(first.point.name)
        if shape is None:
            start, width = self._table.start(first.point), first.point.width
            shape = self._shapes[first.point.name] = PairShape(self._config.unit_id, start, width, reads[0])
        return [WriteThenRead(shape, first.data)]

    def _begun_ended(
        self,
        plan: CommandPlan[Point],
        shown: Mapping[str, tuple[Write[Point], Point]],
        blocks: Sequence[ReadBlock],
        done: Callable[[Ack | DeviceError], None],
        result: list[Reply] | DeviceError | None,
    ) -> None:
        """What came of a command that nobody waits for."""
        if result is None or (not isinstance(result, DeviceError) and self._knows_no_16(plan.writes, result)):
            task = asyncio.ensure_future(self._long_way(plan, done))
            self._long_ways.add(task)
            task.add_done_callback(self._long_ways.discard)
            return
        self._writing.give()
        try:
            if isinstance(result, DeviceError):
                self._unseen(result)
                raise result
            for number, (write, reply) in enumerate(zip(plan.writes, result, strict=False), 1):
                self._require_taken(write, reply, f"write {number} of {len(plan.writes)}")
            ack = self._acknowledged(plan, shown, self._image_of(blocks, result[len(plan.writes) :]))
        except DeviceError as error:
            error.device_id = self._id
            done(error)
            return
        done(ack)

    async def _long_way(self, plan: CommandPlan[Point], done: Callable[[Ack | DeviceError], None]) -> None:
        """Carry out from its beginning what somebody came into the way of."""
        try:
            result: Ack | DeviceError = await self._carry_out(plan)
        except DeviceError as error:
            result = error
        finally:
            self._writing.give()
        done(result)

    def _knows_no_16(self, writes: Sequence[Write[Point]], replies: Sequence[Reply]) -> bool:
        """Whether a device seems not to know function 16, which is found out the long way."""
        return not self._singly and any(
            isinstance(reply, ExceptionReply) and reply.code == ILLEGAL_FUNCTION and write.point.single_will_do
            for write, reply in zip(writes, replies, strict=False)
        )

    async def _told(self, write: Write[Point], reads: Sequence[Request]) -> list[Reply]:
        """The replies to one write and the reads after it; a device that does not know function 16 is found out."""
        if write.point.mask is None or write.point.function == 22:  # which leaves the bits of others alone
            return await self._asked(write, reads)
        async with self._merging:
            return await self._asked(await self._among_others(write), reads)

    async def _asked(self, write: Write[Point], reads: Sequence[Request]) -> list[Reply]:
        replies = await self._exchange([self._request(write), *reads])
        refused = isinstance(first := replies[0], ExceptionReply) and first.code == ILLEGAL_FUNCTION
        if refused and write.point.single_will_do and not self._singly:
            # Nothing was written. It is learnt only where 6 is known: some devices refuse both in local control.
            self._singly = True
            replies = await self._exchange([self._request(write), *reads])
            self._singly = not (isinstance(again := replies[0], ExceptionReply) and again.code == ILLEGAL_FUNCTION)
        return replies

    async def _among_others(self, write: Write[Point]) -> Write[Point]:
        """The write with the bits of its register that are not the point's as they are now."""
        point = write.point
        (reply,) = await self._exchange([read_of(self._table, point)])
        if isinstance(reply, ExceptionReply):
            raise self._refusal(reply, f"reading {point.name} ({point.area} {point.address}) before it is written")
        return replace(write, data=among_others(point, write.data, reply))

    def _request(self, write: Write[Point]) -> Request:
        return write_of(self._table, write.point, write.data, singly=self._singly)

    @property
    def _connects(self) -> int:
        return 0 if self._link is None else self._link.connects

    def _confirmed(self, write: Write[Point]) -> bool:
        """Functions 5, 6 and 22 are answered with the value."""
        return write.point.function in (5, 6, 22) or (self._singly and write.point.single_will_do)

    def _require_taken(self, write: Write[Point], reply: Reply, what: str) -> None:
        if isinstance(reply, ExceptionReply):
            raise self._refusal(reply, f"{what}, {write.point.name} ({write.point.area} {write.point.address})")

    # Requests ------------------------------------------------------------------------------------------------------

    def _image_of(self, blocks: Sequence[ReadBlock], replies: Sequence[Reply]) -> RegisterImage:
        """The device's image with these replies put in.

        Raises:
            DeviceRejected: it refused one of them.
        """
        data = dict(self._image.data)
        for block, reply in zip(blocks, replies, strict=True):
            if isinstance(reply, ExceptionReply):
                names = ", ".join(point.name for point, _ in block.points)
                raise self._refusal(reply, f"reading {names} ({block.area} from {block.start} on the wire)")
            data |= {point.name: registers for point, registers in block.cut(reply)}
        return RegisterImage(self._table, data)

    async def _exchange(self, requests: Sequence[Request]) -> list[Reply]:
        link = self._link
        if link is None:
            raise DeviceGone("the driver is not open", device_id=self._id)
        try:
            if self._seen_on is not None and not self._is_seen():
                await self._see_again(link)
            return await link.exchange(self._config.unit_id, requests, timeout_s=self._config.timeout_s)
        except DeviceTimeout as error:
            self._unseen(error)
            raise

    def _is_seen(self) -> bool:
        """Whether it is known to be the table's device that is there."""
        link = self._link
        return not self._names or (link is not None and link.connected and link.connects == self._seen_on)

    def _unseen(self, error: DeviceError) -> None:
        """After a silence another device may be there."""
        if isinstance(error, DeviceTimeout) and self._seen_on is not None:
            self._seen_on = _UNSEEN

    async def _see_again(self, link: Link) -> None:
        """On a new connection, or after a silence, another device may be there: it is asked nothing else before.

        Raises:
            DeviceRejected: it is another one.
        """
        requests = [block.request() for block in self._names]
        replies = await link.exchange(self._config.unit_id, requests, timeout_s=self._config.timeout_s)
        self._image.data |= self._image_of(self._names, replies).data
        for identity in self._table.identity:
            self._check(identity)
        self._seen_on = link.connects

    def _refusal(self, reply: ExceptionReply, what: str) -> DeviceRejected:
        kind = DeviceBusy if reply.code in PASSING else DeviceRejected
        return kind(f"{what}: {reply.reason}", device_id=self._id)
