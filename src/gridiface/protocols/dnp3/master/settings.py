"""What is configured for a master, and the notices of its `next_event()`.

Owns names, defaults and limits; behaviour is master.py and tasks.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.application import Fragment
from gridiface.protocols.dnp3.controls import CommandStatus
from gridiface.protocols.dnp3.link import MAX_ADDRESS
from gridiface.protocols.dnp3.measurements import PointBlock


class TimeSync(Enum):
    """How a master sets an outstation's time when IIN1.4 asks for it."""

    NONE = "never"
    NON_LAN = "DELAY_MEASURE, then g50v1"
    LAN = "RECORD_CURRENT_TIME, then g50v3"
    DIRECT = "g50v1 at once"


@dataclass(frozen=True, slots=True)
class MasterSettings:
    """A master and the one outstation it talks to.

    Args:
        address: the master's link address.
        outstation: the outstation's.
        response_timeout: seconds to wait for a response or its next fragment.
        retry_delay: seconds after which a failed start-up task or automatic task is tried again.
        max_rx_fragment: octets of a response fragment at most.
        startup_disable, startup_integrity: whether a new connection begins with DISABLE_UNSOLICITED and an integrity
            poll.
        enable_classes: classes whose unsolicited reports are enabled after the integrity poll; empty: none.
        time_sync: what to do when the outstation needs time.
        integrity_on_overflow: poll all when the outstation lost events.
        poll_on_events: poll the classes whose IIN bits are set in a response.
        keep_alive, link_timeout: as for an outstation.
        frame_gap: seconds of silence within a frame after which the rest of it is not waited for (link.FrameReader).
    """

    address: int
    outstation: int
    response_timeout: float = 5.0
    retry_delay: float = 5.0
    max_rx_fragment: int = 65_535
    startup_disable: bool = True
    startup_integrity: bool = True
    enable_classes: tuple[int, ...] = (1, 2, 3)
    time_sync: TimeSync = TimeSync.NONE
    integrity_on_overflow: bool = True
    poll_on_events: bool = False
    keep_alive: float | None = 60.0
    link_timeout: float = 5.0
    frame_gap: float | None = None

    def __post_init__(self) -> None:
        for address in (self.address, self.outstation):
            if not 0 <= address <= MAX_ADDRESS:
                raise LocalProtocolError(f"link address {address} is not within 0..{MAX_ADDRESS}")


class Failure(Enum):
    """Why a task failed."""

    TIMEOUT = "no response in time"
    DISCONNECTED = "the connection was closed"
    MALFORMED = "the response did not parse or did not fit the request"
    REFUSED = "the outstation answered with an error indication"
    NOT_AUTHENTICATED = "authentication failed"


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """The status of one command of a request."""

    index: int
    status: CommandStatus


@dataclass(frozen=True, slots=True)
class PointsReceived:
    """Points of one fragment; `task` is the number of the task that asked, 0 for an unsolicited report."""

    task: int
    blocks: tuple[PointBlock, ...]
    iin: int


@dataclass(frozen=True, slots=True)
class TaskDone:
    """A task ended: `failure` is None when it succeeded.

    `outcomes` holds the status of each command, `responses` the fragments of the last response, `iin` the last
    indications, `value` what the task computed (the file's octets, the measured delay).
    """

    task: int
    name: str
    failure: Failure | None
    iin: int = 0
    outcomes: tuple[CommandOutcome, ...] = ()
    responses: tuple[Fragment, ...] = ()
    value: object = None


@dataclass(frozen=True, slots=True)
class OutstationRestarted:
    """IIN1.7 was seen: the start-up sequence runs again."""


@dataclass(frozen=True, slots=True)
class EventsLost:
    """IIN2.3 was seen."""


@dataclass(frozen=True, slots=True)
class OutstationLost:
    """The outstation does not answer the link status probe: the shell should close the connection."""


MasterEvent = PointsReceived | TaskDone | OutstationRestarted | EventsLost | OutstationLost
