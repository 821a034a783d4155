"""What a client core reports to its shell (`Client.next_event`)."""

from __future__ import annotations

from dataclasses import dataclass

from gridiface.protocols.sep2.followed import ModeInForce, Transition
from gridiface.protocols.sep2.outbox import Written
from gridiface.protocols.xmlwire import WireObject


@dataclass(frozen=True, slots=True)
class ResourceChanged:
    """A resource was found (previous None) or has changed."""

    href: str
    value: WireObject
    previous: WireObject | None


@dataclass(frozen=True, slots=True)
class ResourceGone:
    """A resource is no longer there, or nothing links to it any more."""

    href: str
    value: WireObject | None


@dataclass(frozen=True, slots=True)
class BadReply:
    """The server sent what the standard, as far as we know it, does not allow.

    The resource is asked for again later, unless the rest of it was `read`.
    """

    href: str
    reason: str
    read: bool = False


@dataclass(frozen=True, slots=True)
class TimeSet:
    """The server's clock is known: server time = own time + offset (s); quality per enums.TimeQuality."""

    offset: float
    quality: int


@dataclass(frozen=True, slots=True)
class TimeUnsafe:
    """The server's Time was not taken: its quality, and why. Without a safe one nothing is started."""

    quality: int
    reason: str


@dataclass(frozen=True, slots=True)
class ServerMoved:
    """The server sent the client to another authority (host:port), which the configuration allows."""

    authority: str
    root: str


@dataclass(frozen=True, slots=True)
class RegistrationChecked:
    """The PIN was compared; when it does not fit, the client sends nothing more."""

    fits: bool


@dataclass(frozen=True, slots=True)
class EventHappened:
    """An event of a device was received, started, ended, superseded, cancelled or rejected."""

    lfdi: str
    transition: Transition


@dataclass(frozen=True, slots=True)
class EventWithdrawn:
    """An event does not concern a device any more: the device is not assigned to its program. Nothing is answered."""

    lfdi: str
    mrid: str


@dataclass(frozen=True, slots=True)
class ControlChanged:
    """What holds for a device has changed: mode -> value and its source; a mode that is absent is not controlled."""

    lfdi: str
    in_force: dict[str, ModeInForce]


@dataclass(frozen=True, slots=True)
class WriteDone:
    """A PUT, POST or DELETE has its final answer."""

    outcome: Written


ClientEvent = (
    ResourceChanged
    | ResourceGone
    | BadReply
    | TimeSet
    | TimeUnsafe
    | ServerMoved
    | RegistrationChecked
    | EventHappened
    | EventWithdrawn
    | ControlChanged
    | WriteDone
)
"""Everything that `Client.next_event` may give."""
