"""The rows that answers are made of: typed, described; the OpenAPI document is made from them. No code.

Powers in W, + delivered to the grid; times in seconds since 1970 UTC; null where nothing is known.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict


class OutcomeRow(TypedDict):
    """One step in the life of a control; device null: the control as a whole."""

    control: str
    device: str | None
    step: str
    at: float
    reason: str


class GroupRow(TypedDict):
    """One group: asked, told, done. W, + delivered; null: nothing known or asked. soc 0 to 1."""

    id: str
    name: str
    parent: str | None
    devices: int
    requested_W: float | None
    allocated_W: float | None
    delivered_W: float | None
    soc: float | None


class ControlRow(TypedDict):
    """One control with the number of devices that took each step. end null: until it is cancelled."""

    id: str
    description: str
    source: str
    target: str
    values: dict[str, float]
    start: float
    end: float | None
    state: str
    over: bool
    responses: dict[str, int]


class StatusAnswer(TypedDict):
    """Everything the overview shows."""

    site: str
    now: float
    devices: dict[str, int]
    groups: list[GroupRow]
    controls: list[ControlRow]
    outcomes: list[OutcomeRow]
    counters: dict[str, int]


class DeliveryRow(TypedDict):
    """What became of the last set-point."""

    outcome: str
    at: float
    attempts: int
    detail: str
    controls: list[str]


class DeviceRow(TypedDict):
    """One device: what it was told last and what it does."""

    id: str
    name: str
    kind: str
    driver: str
    setpoint_W: float | None
    delivered_W: float | None
    soc: float | None
    quality: str | None
    state: str | None
    delivery: DeliveryRow | None
    blocked: bool


class DecisionRow(TypedDict):
    """One entry of the decision log: which signal, from whom, won or lost, and why."""

    at: float
    target: str
    target_kind: str
    signal: str
    source: str
    program: str
    identity: str
    priority: float
    verdict: str
    reason: str
    control: str
    value: float | None


class ReadingRow(TypedDict):
    """One measured value; the quantity's name is its unit."""

    quantity: str
    phase: str
    value: float | None
    at: float
    quality: str


class BlockRow(TypedDict):
    """Who blocked a device, when and why."""

    by: str
    at: float
    reason: str


class DeviceFacts(TypedDict):
    """What a device is: ratings and settings in W, var, VA, Wh, W/s, magnitudes."""

    enabled: bool
    tier: int
    phases: str
    identities: dict[str, str]
    nameplate: dict[str, Any]
    settings: dict[str, Any]
    traits: dict[str, Any]


class DeviceDetail(DeviceRow, DeviceFacts):
    """All that is known of one device. `why` it does not do what it is asked, for people; empty: nothing speaks so."""

    why: str
    groups: list[str]
    snapshot: dict[str, Any] | None
    setpoint: dict[str, Any] | None
    block: BlockRow | None
    decisions: list[DecisionRow]
    deliveries: list[DeliveryRow]
    readings: list[ReadingRow]


class GroupDetail(GroupRow):
    """One group with its members and limits. Caps in W >= 0, null: none."""

    members: list[str]
    member_devices: list[str]
    meter: str | None
    max_export_w: float | None
    max_import_w: float | None
    strategy: str
    snapshot: dict[str, Any] | None
    controls: list[ControlRow]


class DevicePart(TypedDict):
    """One device's part in a control: the time of each step it took, and the reason of the last."""

    device: str
    steps: dict[str, float]
    reason: str


class ControlDetail(ControlRow):
    """One control: who sent it, what each device did, why, and what came of it."""

    target_kind: str
    program: str
    identity: str
    authority: float
    created: float
    service_class: str
    ramp_s: float | None
    devices: list[DevicePart]
    steps: dict[str, float]
    decisions: list[DecisionRow]
    report: dict[str, Any]


class Overlap(TypedDict):
    """A live control that concerns some of the same devices at the same time."""

    id: str
    source: str
    target: str
    authority: float
    higher: bool


class ReportAnswer(TypedDict):
    """Requested, accepted, allocated, acknowledged and delivered power of one control.

    `known` of a target, and of an interval: the part of its time for which the delivered power was measured, 0 to 1;
    `delivered_w` is the mean over that part. `reason` of an interval: why nothing is known of it, empty otherwise.
    """

    control: str
    responses: dict[str, int]
    targets: list[dict[str, Any]]
