"""Models over a link: read in as few requests as they take, neighbours written, refusals in the driver's words.

Owned here: which registers of a model are read, whether the device takes several at once (function 16), its open
link, and that models lie where they were found: a device that comes back with another firmware may have moved them.
Not owned: the link's connection (modbus_link), what the blocks mean (telemetry, controls), whole plans (sending).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Protocol

from gridiface.drivers.api import DeviceBusy, DeviceForgot, DeviceGone
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface_southbound.modbus_connection import Reply
from gridiface_southbound.modbus_link import Link, QuickLink
from gridiface_southbound.modbus_pdu import (
    ILLEGAL_FUNCTION,
    MAX_READ,
    PASSING,
    ExceptionReply,
    Request,
    read_request,
    write_request,
    write_single_request,
)
from gridiface_southbound.sunspec import models
from gridiface_southbound.sunspec.models import Block, Model
from gridiface_southbound.sunspec.scan import ModelPlace

#: The number of no connection.
_UNSEEN = -1


class _Begin(Protocol):
    """`QuickLink.begin`."""

    def __call__(
        self,
        unit: int,
        requests: Sequence[Request],
        done: Callable[[list[Reply] | DeviceError], None],
        *,
        timeout_s: float,
    ) -> bool: ...


class Registers:
    """The registers of one device: one unit on one link, None while it is closed.

    Args:
        device_id: for errors.
        unit_id: on the link.
        timeout_s: for each answer.
        most: registers that the device gives in one answer.

    Attributes:
        single: it takes one register at a time (function 6).
    """

    def __init__(self, device_id: str, unit_id: int, timeout_s: float, most: int = MAX_READ) -> None:
        self.single = False
        self._link: Link | None = None
        self._begin: _Begin | None = None
        self._id = device_id
        self._unit_id = unit_id
        self._timeout_s = timeout_s
        self._most = most
        self._last: ModelPlace | None = None
        self._seen_on = _UNSEEN

    @property
    def link(self) -> Link | None:
        """The open link; None while it is closed."""
        return self._link

    @link.setter
    def link(self, link: Link | None) -> None:
        self._link = link
        # Asked once: looking for a protocol's members costs more than the command itself.
        self._begin = link.begin if isinstance(link, QuickLink) else None

    def found(self, places: Sequence[ModelPlace]) -> None:
        """Where the models that are used lie, as just read on this connection; none: it is being found out.

        From then on nothing is asked on a new connection, or after a silence, before the last of them was seen there:
        whatever is put in or left out before it moves it.
        """
        self._last = max(places, key=_address, default=None)
        self._seen_on = self.connects

    @property
    def connects(self) -> int:
        """As `Link.connects`."""
        return 0 if self._link is None else self._link.connects

    async def exchange(self, requests: Sequence[Request]) -> list[Reply]:
        """As `Link.exchange`, with errors that name the device.

        Raises:
            DeviceForgot: its models do not lie any more where they were found; nothing was asked.
        """
        link = self._link
        if link is None:
            raise DeviceGone("the driver is not open", device_id=self._id)
        try:
            if self._last is not None and not (link.connected and link.connects == self._seen_on):
                await self._see_again(link, self._last)
            return await link.exchange(self._unit_id, requests, timeout_s=self._timeout_s)
        except (DeviceTimeout, DeviceRejected) as error:
            if isinstance(error, DeviceTimeout):
                self._seen_on = _UNSEEN
            error.device_id = self._id
            raise

    async def _see_again(self, link: Link, place: ModelPlace) -> None:
        (head,) = await link.exchange(self._unit_id, [read_request(place.address, 2)], timeout_s=self._timeout_s)
        if isinstance(head, ExceptionReply):
            if head.code in PASSING:
                raise self.refusal(head, f"reading model {place.id}")
            raise DeviceForgot(f"model {place.id} is not at register {place.address} any more: {head.reason}")
        self.require_at(place, head)
        self._seen_on = link.connects

    def require_at(self, place: ModelPlace, data: bytes) -> None:
        """That registers which were read begin with the model that was found there.

        Raises:
            DeviceForgot: they do not: neither what was read nor what was written is what was meant.
        """
        if data[:2] != place.id.to_bytes(2, "big"):
            self._seen_on = _UNSEEN
            seen = int.from_bytes(data[:2], "big")
            reason = f"the map has changed: register {place.address} has {seen}, where model {place.id} began"
            raise DeviceForgot(reason, device_id=self._id)

    def begin(self, requests: Sequence[Request], done: Callable[[list[Reply] | DeviceError], None]) -> bool:
        """As `QuickLink.begin`; False where the driver is closed, its link cannot, or the map is to be seen first."""
        if self._begin is None or self.connects != self._seen_on:
            return False
        return self._begin(self._unit_id, requests, partial(self._ended, done), timeout_s=self._timeout_s)

    def _ended(self, done: Callable[[list[Reply] | DeviceError], None], result: list[Reply] | DeviceError) -> None:
        if isinstance(result, DeviceTimeout):
            self._seen_on = _UNSEEN
        done(result)

    async def read(self, address: int, count: int) -> bytes:
        """`count` registers from `address`; a refusal raises."""
        (reply,) = await self.exchange([read_request(address, count)])
        if isinstance(reply, ExceptionReply):
            raise self.refusal(reply, f"reading register {address}")
        return reply

    async def blocks(self, places: Sequence[ModelPlace]) -> dict[int, Block]:
        """Read models; one that refuses to be read is left out.

        Raises:
            DeviceBusy: one cannot be read for now, which says nothing of whether it is there.
            DeviceForgot: another model lies in its place.
        """
        requests = [request for place in places for request in self.requests(place)]
        return self.collect(places, await self.exchange(requests), tolerant=True)

    def requests(self, place: ModelPlace) -> list[Request]:
        """The requests that read a model."""
        return block_requests(place, self._most)

    def collect(
        self, places: Sequence[ModelPlace], replies: Sequence[Reply], *, tolerant: bool = False
    ) -> dict[int, Block]:
        """The blocks from the replies to their `requests`; a refusal raises unless `tolerant`."""
        blocks: dict[int, Block] = {}
        at = 0
        for place in places:
            count = len(self.requests(place))
            parts, at = replies[at : at + count], at + count
            refusal = next((part for part in parts if isinstance(part, ExceptionReply)), None)
            table = models.model(place.id)
            if refusal is not None and not (tolerant and refusal.code not in PASSING):
                raise self.refusal(refusal, f"reading model {place.id}{'' if tolerant else ' back'}")
            if table is None or refusal is not None:
                continue
            data = b"".join(part for part in parts if isinstance(part, bytes))
            self.require_at(place, data)
            blocks[place.id] = Block(table, place.address, data)
        return blocks

    async def whole(self, place: ModelPlace, table: Model) -> Block:
        """A model with its repeated groups; a refusal raises."""
        requests = _cut(place, table, min(table.length, place.length + 2), self._most)
        replies = await self.exchange(requests)
        for reply in replies:
            if isinstance(reply, ExceptionReply):
                raise self.refusal(reply, f"reading model {place.id}")
        data = b"".join(reply for reply in replies if isinstance(reply, bytes))
        self.require_at(place, data)
        return Block(table, place.address, data)

    async def write(self, address: int, registers: bytes) -> None:
        """Write neighbours, by function 16 or register by register.

        Raises:
            DeviceRejected: the device refused.
        """
        if not self.single:
            (reply,) = await self.exchange([write_request(address, registers)])
            if not isinstance(reply, ExceptionReply):
                return
            if reply.code != ILLEGAL_FUNCTION:
                raise self.refusal(reply, f"writing register {address}")
            self.single = True
        for at in range(0, len(registers), 2):
            (reply,) = await self.exchange([write_single_request(address + at // 2, registers[at : at + 2])])
            if isinstance(reply, ExceptionReply):
                raise self.refusal(reply, f"writing register {address + at // 2}")

    def refusal(self, reply: ExceptionReply, what: str) -> DeviceRejected:
        """An exception of the device as the error to raise."""
        kind = DeviceBusy if reply.code in PASSING else DeviceRejected
        return kind(f"{what}: {reply.reason}", device_id=self._id)


def _address(place: ModelPlace) -> int:
    return place.address


def place_of(block: Block) -> ModelPlace:
    """Where a block was read."""
    return _place(block.model.id, block.address, len(block.data) // 2 - 2)


@lru_cache(maxsize=4096)
def _place(model_id: int, address: int, length: int) -> ModelPlace:
    return ModelPlace(model_id, address, length)


@lru_cache(maxsize=4096)
def block_requests(place: ModelPlace, most: int = MAX_READ) -> list[Request]:
    """The requests that read a model, `most` registers each: what its table knows, of 701 what one request can hold.

    A number of several registers is never cut in two: the device might change it between the answers.
    """
    table = models.model(place.id)
    return _cut(place, table, _wanted(table, place), most)


def _cut(place: ModelPlace, table: Model | None, wanted: int, most: int) -> list[Request]:
    begins = [0] if table is None else sorted(point.offset for point in table.points.values() if point.offset < wanted)
    requests: list[Request] = []
    first = 0
    while first < wanted:
        last = min(first + most, wanted)
        if last < wanted:
            last = max((begin for begin in begins if first < begin <= last), default=last)
        requests.append(read_request(place.address + first, last - first))
        first = last
    return requests


def _wanted(table: Model | None, place: ModelPlace) -> int:
    length = place.length + 2 if table is None else min(table.length, place.length + 2)
    # Behind the numbers of 701 lies only an alarm text, which would cost a second request.
    return min(length, MAX_READ) if place.id == 701 else length
