"""What every handler works with, and what one call brings along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.ports import ControlInbox, DeviceRegistry, FleetView, Ledger
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served.access import Caller, Doorman
from gridiface.northbound.sep2.served.event_clock import EventClock
from gridiface.northbound.sep2.served.kinds import Kind
from gridiface.northbound.sep2.served.nodes import EVERYTHING, Item, Node, Viewer
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, Program
from gridiface.northbound.sep2.served.tree import Tree
from gridiface.northbound.sep2.settings import Sep2Settings
from gridiface.protocols.sep2.enums import ErrorReason
from gridiface.protocols.sep2.exchange import check_content
from gridiface.protocols.sep2.resources import Link
from gridiface.protocols.xmlwire import Limits, WireObject, advised_problems, decode, spec_of

_T = TypeVar("_T", bound=WireObject)


class Locks(Protocol):
    """Locks by name."""

    def hold(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold the lock of a name."""
        ...


@dataclass(slots=True)
class Counts:
    """What happened since the start, for metrics."""

    requests: int = 0
    refused: int = 0
    failed: int = 0
    written: int = 0
    responses: int = 0
    readings: int = 0
    events_published: int = 0


@dataclass(slots=True, kw_only=True)
class Services:
    """Settings, state and ports; `later` hands changes to the background writer."""

    settings: Sep2Settings
    state: State
    doorman: Doorman
    events: EventClock
    ledger: Ledger
    inbox: ControlInbox
    registry: DeviceRegistry
    fleet: FleetView
    locks: Locks
    later: Callable[[Sequence[Change], Callable[[], None] | None], None]
    counts: Counts = field(default_factory=Counts)

    def stated(self, record: EndDeviceRecord, name: str) -> Any:
        """What a client wrote at `name` of its DER (dercap, derg, ders, dera); None where it did not."""
        item = self.state.tree.item(f"{record.der}/{name}")
        return item.obj if item is not None and item.stated else None

    @property
    def tree(self) -> Tree:
        """The resource tree."""
        return self.state.tree


@dataclass(frozen=True, slots=True)
class Call:
    """One request that passed routing and visibility.

    Attributes:
        method: PUT, POST or DELETE.
        node: the resource or list that it is for.
        caller: who asks.
        headers: names in lower case.
        body: as received.
        now: s since 1970.
        peer: address that the caller connects from; "" where it is not known.
    """

    method: str
    node: Node
    caller: Caller
    headers: dict[str, str]
    body: bytes
    now: Instant
    peer: str = ""

    @property
    def second(self) -> int:
        """`now` as TimeType."""
        return int(self.now)

    def read(self, expected: type[_T] | tuple[type[_T], ...], services: Services) -> _T:
        """The typed body, its values within the ranges of the standard's text.

        Raises:
            RemoteProtocolError: 400, 413, 415.
        """
        check_content(self.headers)
        return advised(decode(self.body, expected, Limits(octets=services.settings.limits.body_bytes)))


def advised(body: _T) -> _T:
    """A body whose values are also within the ranges that the standard's text gives, and its schema does not.

    Raises:
        RemoteProtocolError: 400.
    """
    problem = next(advised_problems(body), None)
    if problem is not None:
        raise bad_value(problem)
    return body


def named(mrid: str, what: str) -> None:
    """Whether an mRID names anything.

    Raises:
        RemoteProtocolError: 400 where it is empty or zero.
    """
    if not mrid.strip("0"):
        raise bad_value(f"{what} needs an mRID")


def item_of(node: Node) -> Item:
    """The node as a single resource; what the route table promised.

    Raises:
        RemoteProtocolError: 404, it is none.
    """
    if isinstance(node, Item):
        return node
    raise RemoteProtocolError("no such resource", answer=404)


def record_of(node: Node) -> EndDeviceRecord:
    """The end device below which a node is.

    Raises:
        RemoteProtocolError: 404, it is below none.
    """
    if isinstance(node.data, EndDeviceRecord):
        return node.data
    raise RemoteProtocolError("no such end device", answer=404)


def program_of(node: Node) -> Program:
    """The program to which a node belongs.

    Raises:
        RemoteProtocolError: 404, it belongs to none.
    """
    if isinstance(node.data, Program):
        return node.data
    raise RemoteProtocolError("no such program", answer=404)


def still_there(services: Services, node: Node) -> None:
    """Whether a node was not removed while the call waited for its turn.

    Raises:
        RemoteProtocolError: 404.
    """
    if services.tree.get(node.path) is not node:
        raise RemoteProtocolError("no such resource", answer=404)


def settle_links(tree: Tree, of: Kind, obj: Any, viewer: Viewer = EVERYTHING) -> None:
    """Keep the links that the writer chooses where they lead to what it may see, drop all that are the server's.

    Raises:
        RemoteProtocolError: 400 for a link that leads nowhere.
    """
    for f in spec_of(type(obj)).elements:
        if not (isinstance(f.kind, type) and issubclass(f.kind, Link)):
            continue
        link = getattr(obj, f.attr)
        if link is None:
            continue
        if f.attr in of.free:
            node = tree.get(link.href)
            if node is None or not viewer.may_read(node.audience):
                raise bad_value(f"{f.attr} leads nowhere")
        elif not f.required:
            setattr(obj, f.attr, None)


def limit_reached(what: str) -> RemoteProtocolError:
    """The refusal of one more of something."""
    return RemoteProtocolError(f"no room for another {what}", answer=400, detail=ErrorReason.RESOURCE_LIMIT)


def bad_value(reason: str) -> RemoteProtocolError:
    """The refusal of a value."""
    return RemoteProtocolError(reason, detail=ErrorReason.INVALID_VALUES)
