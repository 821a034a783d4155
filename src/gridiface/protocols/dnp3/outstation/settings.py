"""What is configured for an outstation and for each of its associations.

Owns names, defaults and limits of the settings; no behaviour.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.link import MAX_ADDRESS

MIN_FRAGMENT = 249
MAX_FRAGMENT = 65_535


class TimePolicy(Enum):
    """What a master's time write changes; the clock of the host is never set."""

    REPORT_ONLY = "the offset is kept and shown when the master reads the time"
    SHIFT_EVENTS = "the times of events for this master are shifted by the offset too"


@dataclass(frozen=True, slots=True)
class Trigger:
    """When events of one class are reported unasked: so many, or the oldest so old (seconds)."""

    count: int = 1
    hold_time: float = 0.0


@dataclass(frozen=True, slots=True)
class UnsolicitedSettings:
    """Unsolicited reporting of one association (IEEE 1815 clause 5.1.1.1 and 4.4.2).

    Args:
        confirm_timeout: seconds to wait for a confirm.
        retries: how often a report is sent again before the offline interval (None: for ever).
        offline_interval: seconds of silence after the last retry; a poll or a new connection ends it.
        regenerate: retries hold the newest events under a new sequence number, instead of identical octets.
        triggers: per class; a class without one reports each event at once.
        backoff: a report waits a random part of so many seconds, where several stations share a line (clause 13.2.3);
            `jitter` gives the part, 0 to 1.
    """

    confirm_timeout: float = 5.0
    retries: int | None = 3
    offline_interval: float = 60.0
    regenerate: bool = False
    triggers: dict[int, Trigger] = field(default_factory=dict)
    backoff: float = 0.0
    jitter: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class AssociationSettings:
    """One master of an outstation.

    Args:
        master: its link address.
        name: for logs and pages.
        unsolicited: None where the outstation never reports unasked to it.
        confirm_timeout: seconds to wait for the confirm of a response.
        select_timeout: seconds within which OPERATE must follow SELECT.
        max_tx_fragment, max_rx_fragment: octets of a fragment, at least 249.
        max_controls: objects in one control request; those beyond are answered TOO_MANY_OBJS.
        event_capacity: events kept per class.
        drop_oldest: which event a full class loses: the oldest, or the one that comes.
        need_time: IIN1.4 is set at start and when `time_sync_interval` seconds passed since the last time write.
        clear_need_time_by_write: whether a write of IIN1.4 = 0 is taken (clause 4.5.5) or refused.
        time_policy: what a time write changes.
    """

    master: int
    name: str = ""
    unsolicited: UnsolicitedSettings | None = None
    confirm_timeout: float = 5.0
    select_timeout: float = 10.0
    max_tx_fragment: int = 2048
    max_rx_fragment: int = 2048
    max_controls: int = 64
    event_capacity: int = 10_000
    drop_oldest: bool = True
    need_time: bool = False
    time_sync_interval: float | None = None
    clear_need_time_by_write: bool = False
    time_policy: TimePolicy = TimePolicy.REPORT_ONLY

    def __post_init__(self) -> None:
        if not 0 <= self.master <= MAX_ADDRESS:
            raise LocalProtocolError(f"link address {self.master} is not within 0..{MAX_ADDRESS}")
        for size in (self.max_tx_fragment, self.max_rx_fragment):
            if not MIN_FRAGMENT <= size <= MAX_FRAGMENT:
                raise LocalProtocolError(f"a fragment of {size} octets is not within 249..65535")


@dataclass(frozen=True, slots=True)
class OutstationSettings:
    """An outstation.

    Args:
        address: its link address.
        self_address: whether requests to 0xFFFC are answered.
        keep_alive: seconds without an octet after which the link is probed; None: never.
        link_timeout: seconds to wait for the answer to the probe.
        track_outputs: whether a successful command moves the output's status point.
        processing_delay_ms: what DELAY_MEASURE answers.
    """

    address: int
    self_address: bool = False
    keep_alive: float | None = 60.0
    link_timeout: float = 5.0
    track_outputs: bool = True
    processing_delay_ms: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.address <= MAX_ADDRESS:
            raise LocalProtocolError(f"link address {self.address} is not within 0..{MAX_ADDRESS}")
