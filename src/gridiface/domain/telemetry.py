"""Readings and snapshots with their quality and two times. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gridiface.domain.clock import Instant
from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.values import often_made


class Quality(StrEnum):
    """How far a value can be trusted."""

    GOOD = "good"
    STALE = "stale"
    ESTIMATED = "estimated"
    SUBSTITUTED = "substituted"
    BAD = "bad"


class OperatingState(StrEnum):
    """What a device says it is doing."""

    UNKNOWN = "unknown"
    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    THROTTLED = "throttled"
    STANDBY = "standby"
    SHUTTING_DOWN = "shutting_down"
    FAULT = "fault"
    TEST = "test"


@often_made
class Reading:
    """One measured value of one device. `source_time` is the device's clock, `received` is ours.

    `duration_s`: the value is the mean over so long until `source_time`; 0: the value of that moment.
    """

    device_id: str
    quantity: Quantity
    value: float
    source_time: Instant
    received: Instant
    quality: Quality = Quality.GOOD
    phase: Phase = Phase.ALL
    duration_s: float = 0.0


@often_made
class Snapshot:
    """All that is known of one device (or group) at one time. None = not known.

    W and var as in quantities (+ delivered, + injected), `phase_w` and `phase_var` those of single phases (A, B, C),
    `amps` their currents; `angles` those of the voltages to neutral (AN, BN, CN), degrees, 0 to below 360, counted
    from where the device counts; `soc` 0..1; `available_wh` energy that can still be delivered;
    `available_up_w`/`available_down_w` how far the power can move up or down, W >= 0; alarms by name.
    `duration_s`: the powers are means over so long until `source_time`, as in a Reading.
    """

    device_id: str
    source_time: Instant
    received: Instant
    duration_s: float = 0.0
    quality: Quality = Quality.GOOD
    w: float | None = None
    var: float | None = None
    va: float | None = None
    hz: float | None = None
    volts: Mapping[Phase, float] = field(default_factory=dict)
    amps: Mapping[Phase, float] = field(default_factory=dict)
    angles: Mapping[Phase, float] = field(default_factory=dict)
    phase_w: Mapping[Phase, float] = field(default_factory=dict)
    phase_var: Mapping[Phase, float] = field(default_factory=dict)
    soc: float | None = None
    available_wh: float | None = None
    available_up_w: float | None = None
    available_down_w: float | None = None
    connected: bool | None = None
    state: OperatingState = OperatingState.UNKNOWN
    local_control: bool = False
    alarms: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTotal:
    """A group as one, for those who look at all groups at once. Powers in W, + delivered; None: not known.

    `allocated_w` is the sum of what its reachable members were told last; what a silent one was told does not count.
    `online` are members whose newest data can be trusted. `available_up_w` and `available_down_w` as in a Snapshot.
    """

    group_id: str
    devices: int
    online: int
    allocated_w: float | None = None
    delivered_w: float | None = None
    soc: float | None = None
    available_up_w: float | None = None
    available_down_w: float | None = None
    quality: Quality = Quality.GOOD
