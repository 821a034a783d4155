"""What an outstation asks of the application around it, and what it tells.

Owns the callbacks that must answer at once and the notices of `Outstation.next_event()`. The default handler refuses
everything that changes the world.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gridiface.protocols.dnp3.controls import CommandRequest, CommandStatus


class RestartKind(Enum):
    """What a master may restart."""

    COLD = "cold"
    WARM = "warm"


class OutstationHandler:
    """Callbacks of an outstation; each answers at once, none may block.

    Subclass and override what the application allows. `now` is seconds since 1970, UTC.
    """

    def select(self, request: CommandRequest, now: float) -> CommandStatus:
        """May this command be operated? Must not act. Called after every check of the core."""
        return CommandStatus.NOT_SUPPORTED

    def operate(self, request: CommandRequest, now: float) -> CommandStatus:
        """Act on a command; SUCCESS means it is accepted, not that it is done."""
        return CommandStatus.NOT_SUPPORTED

    def restart(self, kind: RestartKind, master: int, now: float) -> float | None:
        """Seconds until the outstation is back, or None to refuse (answered NO_FUNC_CODE_SUPPORT)."""
        return None

    def write_octets(self, index: int, octets: bytes, master: int, now: float) -> bool:
        """A master writes an octet string (g110); False to refuse."""
        return False

    def terminal_input(self, index: int, octets: bytes, master: int, now: float) -> bool:
        """A master writes to a virtual terminal (g112); False to refuse."""
        return False

    def activate_config(self, names: list[str], master: int, now: float) -> tuple[int, list[int]] | None:
        """Milliseconds until done and a status per name (0: success), or None to refuse the function."""
        return None

    def may_write_attribute(self, variation: int, master: int, now: float) -> bool:
        """Whether a master may write a writable device attribute (g0)."""
        return False

    def may_change_deadband(self, index: int, deadband: float, master: int, now: float) -> bool:
        """Whether a master may change a dead-band (g34)."""
        return True


# not frozen: each command makes one, and a frozen dataclass takes three times as long; nobody changes them
@dataclass(slots=True, unsafe_hash=True)
class Notice:
    """Something worth a log line or an action of the shell; `master` is the association's link address."""

    master: int


@dataclass(slots=True, unsafe_hash=True)
class CommandDone(Notice):
    """A command was judged: answered with `status`."""

    request: CommandRequest | None
    status: CommandStatus
    group: int
    index: int


@dataclass(slots=True, unsafe_hash=True)
class RestartRequested(Notice):
    """The reply to a restart request is on its way; the application restarts what it has to."""

    kind: RestartKind
    seconds: float


@dataclass(slots=True, unsafe_hash=True)
class TimeWritten(Notice):
    """A master wrote the time; `offset_ms` is its clock minus the host's."""

    time_ms: int
    offset_ms: int


@dataclass(slots=True, unsafe_hash=True)
class RestartCleared(Notice):
    """A master took note of the restart (wrote IIN1.7 = 0)."""


@dataclass(slots=True, unsafe_hash=True)
class UnsolicitedChanged(Notice):
    """A master enabled or disabled classes; `classes` are those enabled now."""

    classes: frozenset[int]


@dataclass(slots=True, unsafe_hash=True)
class ClassAssigned(Notice):
    """A master moved points to a class for itself."""

    points: int
    event_class: int


@dataclass(slots=True, unsafe_hash=True)
class ConfirmTimedOut(Notice):
    """A confirm did not come; the events stay."""

    unsolicited: bool


@dataclass(slots=True, unsafe_hash=True)
class RequestRefused(Notice):
    """A request was answered with an error indication."""

    function: int
    reason: str


@dataclass(slots=True, unsafe_hash=True)
class LinkLost(Notice):
    """The peer does not answer the link status probe: the shell should close the connection (`master` is 0)."""
