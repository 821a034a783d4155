"""Domain values as the API's rows. Pure but for what FleetView and Status answer; decides nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Decision, Outcome, Target, TargetKind
from gridiface.domain.fleet import Device, Group
from gridiface.domain.performance import PerformanceInterval, PerformanceReport
from gridiface.domain.ports import FleetView
from gridiface.domain.telemetry import Reading
from gridiface.domain.timeline import TERMINAL, state_at
from gridiface.naming import by_name
from gridiface.operator.rows.rows import (
    ControlDetail,
    DecisionRow,
    DeviceFacts,
    DevicePart,
    GroupDetail,
    Overlap,
    ReadingRow,
)
from gridiface.operator.rows.status import Status, newest_first

#: Rows of one kind in a detail.
SHOWN = 50


def plain(value: object) -> Any:
    """A domain value as JSON: units and signs as they are, numbers that are none as null."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(plain(item) for item in value)
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else str(value)


def decision_row(decision: Decision) -> DecisionRow:
    """One entry of the decision log."""
    return {
        "at": decision.at,
        "target": decision.target.id,
        "target_kind": decision.target.kind.value,
        "signal": decision.signal,
        "source": decision.source.protocol,
        "program": decision.source.program,
        "identity": decision.source.identity,
        "priority": decision.source.authority,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "control": decision.control_id,
        "value": plain(decision.value),
    }


def reading_row(reading: Reading) -> ReadingRow:
    """One measured value."""
    return {
        "quantity": reading.quantity.value,
        "phase": reading.phase.value,
        "value": plain(reading.value),
        "at": reading.source_time,
        "quality": reading.quality.value,
    }


def groups_of(device_id: str, fleet: FleetView) -> list[str]:
    """The groups that a device is in, through nested groups, too; in the fleet's order.

    Looks at whose member each is, not at everybody's members: groups are few where devices are many.
    """
    groups = fleet.groups()
    found: set[str] = set()
    waiting = [device_id]
    while waiting:
        name = waiting.pop()
        holders = [group.id for group in groups if name in group.members and group.id not in found]
        found.update(holders)
        waiting += holders
    return [group.id for group in groups if group.id in found]


def concerns(control: Control, device_id: str, groups: Iterable[str]) -> bool:
    """Whether a control speaks of a device, itself or through a group."""
    wanted = control.target
    return wanted.id == device_id if wanted.kind is TargetKind.DEVICE else wanted.id in groups


def decisions_about(device_id: str, groups: Sequence[str], decisions: Iterable[Decision]) -> list[DecisionRow]:
    """Of the newest decisions those that concern a device: on itself, or on a group that it is in."""
    targets = {Target(TargetKind.DEVICE, device_id), *(Target(TargetKind.GROUP, name) for name in groups)}
    return [decision_row(one) for one in decisions if one.target in targets][:SHOWN]


def device_facts(device: Device) -> DeviceFacts:
    """What a device is."""
    return {
        "enabled": device.enabled,
        "tier": device.tier,
        "phases": device.phases.value,
        "identities": dict(device.identities),
        "nameplate": plain(device.nameplate),
        "settings": plain(device.settings),
        "traits": plain(device.traits),
    }


def group_detail(group: Group, status: Status, now: Instant) -> GroupDetail:
    """One group with members, limits and the controls that name it."""
    mine = Target(TargetKind.GROUP, group.id)
    controls = [control for control in status.controls() if control.target == mine and not control.is_default]
    return {
        **status.group_row(group, now),
        "members": list(group.members),
        "member_devices": list(status.fleet.members(group.id)),
        "meter": group.meter,
        "max_export_w": group.max_export_w,
        "max_import_w": group.max_import_w,
        "strategy": group.strategy,
        "snapshot": plain(status.fleet.snapshot(mine)),
        "controls": [status.control_row(control, now) for control in newest_first(controls)[:SHOWN]],
    }


def control_detail(
    control: Control,
    outcomes: Iterable[Outcome],
    decisions: Iterable[Decision],
    reports: Sequence[PerformanceReport],
    status: Status,
    now: Instant,
) -> ControlDetail:
    """One control: each device's part in it, the decisions on it and its account."""
    whole: dict[str, float] = {}
    parts: dict[str, DevicePart] = {}
    for outcome in outcomes:
        step = outcome.kind.name.lower()
        if outcome.device_id is None:
            whole.setdefault(step, outcome.at)
            continue
        part = parts.setdefault(outcome.device_id, {"device": outcome.device_id, "steps": {}, "reason": ""})
        part["steps"].setdefault(step, outcome.at)
        part["reason"] = outcome.reason or part["reason"]
    row = status.control_row(control, now)
    counts = dict.fromkeys(row["responses"], 0)
    for part in parts.values():
        for step in part["steps"]:
            counts[step] += 1
    return {
        **row,
        "responses": counts,
        "target_kind": control.target.kind.value,
        "program": control.source.program,
        "identity": control.source.identity,
        "authority": control.source.authority,
        "created": control.created,
        "service_class": control.service_class.value,
        "ramp_s": control.ramp_s,
        "devices": [part for _, part in by_name(parts)],
        "steps": whole,
        "decisions": [decision_row(one) for one in decisions][:SHOWN],
        "report": {"targets": [plain(target_report(report)) for report in reports]},
    }


#: The powers of an account.
_POWERS = ("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w")


def target_report(report: PerformanceReport) -> dict[str, Any]:
    """One target's account: `report_head` with its intervals."""
    return {**report_head(report), "intervals": [interval_row(one) for one in report.intervals]}


def report_head(report: PerformanceReport) -> dict[str, Any]:
    """What one target's account comes to."""
    return {
        "target": report.target_id,
        "mean": {name: report.mean(name) for name in _POWERS},
        "known": report.known,
        "limit": plain(report.limit),
    }


def interval_row(one: PerformanceInterval) -> dict[str, Any]:
    """One interval of an account."""
    told = {name: getattr(one, name) for name in (*_POWERS, "known", "reason")}
    return {"start": one.start, "end": one.end, **told, "limit": plain(one.limit)}


def overlaps(control: Control, status: Status, now: Instant) -> list[Overlap]:
    """The live controls that concern some of the same devices while this one runs, the highest authority first."""
    mine = reached(control.target, status.fleet)
    found = [
        other
        for other in status.controls()
        if not other.is_default
        and other.id != control.id
        and state_at(other, now) not in TERMINAL
        and other.span.overlaps(control.span)
        and mine & reached(other.target, status.fleet)
    ]
    found.sort(key=lambda other: (-other.source.authority, other.id))
    return [
        {
            "id": other.id,
            "source": other.source.protocol,
            "target": other.target.id,
            "authority": other.source.authority,
            "higher": other.source.authority > control.source.authority,
        }
        for other in found[:SHOWN]
    ]


def reached(target: Target, fleet: FleetView) -> set[str]:
    """The devices that a target stands for."""
    return {target.id} if target.kind is TargetKind.DEVICE else set(fleet.members(target.id))


def covers(groups: frozenset[str], target: Target, fleet: FleetView) -> bool:
    """Whether a target is one of these groups, or in one of them as a whole."""
    if target.kind is TargetKind.GROUP and target.id in groups:
        return True
    mine = devices_of(groups, fleet)
    wanted = reached(target, fleet)
    return bool(wanted) and wanted <= mine


def devices_of(groups: Iterable[str], fleet: FleetView) -> set[str]:
    """All devices of these groups, through nested groups, too."""
    return {name for group in groups for name in fleet.members(group)}


def iso(at: Instant) -> str:
    """An instant for people, UTC to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
