"""Every kind of alarm there is: how bad, what it means, what to do. A table; the reference page is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "critical"]

#: From harmless to bad.
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmKind:
    """One kind.

    Args:
        severity: how bad it is.
        meaning: what is so while it stands.
        fix: what to do.
        device: its subject is a device.
        latched: it happened at an instant, and stands until somebody acknowledges it.
        after_s: it must be so for this long before the alarm is raised.
    """

    severity: Severity
    meaning: str
    fix: str
    device: bool = False
    latched: bool = False
    after_s: float = 0.0


KINDS: Mapping[str, AlarmKind] = {
    "device_lost": AlarmKind(
        severity="warning",
        meaning="a device does not answer, its data are stale or bad",
        fix="`gridiface device show ID` has the reason; look at its power, network and address",
        device=True,
        after_s=10.0,
    ),
    "breaker_open": AlarmKind(
        severity="warning",
        meaning="a device failed so often that it is not asked for a while; others take its part",
        fix="look at the device's last deliveries; it is tried again by itself",
        device=True,
    ),
    "soc_residual": AlarmKind(
        severity="warning",
        meaning="a device's reported state of charge left its own history; it is derated",
        fix="calibrate the battery's state of charge, then release the device",
        device=True,
    ),
    "quarantined": AlarmKind(
        severity="critical",
        meaning="a device's telemetry contradicts its physics or its group's meter; it is left out",
        fix="find out whether the device or somebody on the way lies, then release it",
        device=True,
    ),
    "certificate_expiring": AlarmKind(
        severity="warning",
        meaning="a certificate of this server ends within 30 days",
        fix="have a new one issued, and put it where the configuration names the old one",
    ),
    "certificate_expired": AlarmKind(
        severity="critical",
        meaning="a certificate of this server has ended, does not hold yet, or cannot be read; peers refuse it",
        fix="have a new one issued at once; look at the clock where one does not hold yet",
    ),
    "northbound_link_lost": AlarmKind(
        severity="critical",
        meaning="a utility's server, VTN or DNP3 master that was there is not; running controls go on, then defaults",
        fix="look at the network, the peer's address and both certificates",
        after_s=30.0,
    ),
    "ven_lost": AlarmKind(
        severity="warning",
        meaning="a VEN has not polled for ten of its intervals",
        fix="`gridiface openadr vtn vens` has when it was heard last",
    ),
    "store_trouble": AlarmKind(
        severity="critical",
        meaning="nothing can be recorded: peers get 503, the last controls stay active on the devices",
        fix="`gridiface doctor` looks at disk and database",
        after_s=2.0,
    ),
    "clock_jump": AlarmKind(
        severity="warning",
        meaning="the machine's clock was set while controls run by it",
        fix="look at NTP or PTP; acknowledge when the time is right",
        latched=True,
    ),
    "approval_waiting": AlarmKind(
        severity="info",
        meaning="a control waits for a second person",
        fix="`gridiface control waiting`, then approve or reject",
    ),
    "audit_unsealed": AlarmKind(
        severity="critical",
        meaning="entries of the audit log could not be sealed for a minute",
        fix="look at the store; `gridiface audit verify` says what is missing",
        after_s=60.0,
    ),
    "notice_undelivered": AlarmKind(
        severity="warning",
        meaning="a webhook or mail server does not take our notices; they are tried for a day",
        fix="look at its address and answer in the log; `gridiface alarm test` tries again",
        after_s=60.0,
    ),
}


def alarms_page() -> str:
    """All kinds; Markdown."""
    head = """# Alarms reference
This page is made from the code (`make reference`). How alarms are acknowledged and told of:
[alarms](../operator/alarms.md). An alarm is raised when it has been so for the time in the table, and cleared when it
is not so any more; a latched one stands until somebody acknowledges it.

| kind | severity | means | what to do | raised after |
|---|---|---|---|---|"""
    rows = [
        f"| `{name}` | {kind.severity} | {kind.meaning} | {kind.fix} | "
        f"{'at once, latched' if kind.latched else f'{kind.after_s:g} s'} |"
        for name, kind in KINDS.items()
    ]
    return "\n".join([head, *rows]) + "\n"
