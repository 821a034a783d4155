"""The picture of a session that people get. Owns no decision."""

from __future__ import annotations

from typing import Any

from gridiface.domain.clock import Instant
from gridiface.northbound.sep2.upstream.session import UpstreamSession
from gridiface.protocols.sep2.resources import EndDeviceList

#: Devices of the server that are not ours, shown by LFDI at most.
_MOST_UNKNOWN = 20

Status = dict[str, Any]
"""Plain data, ready for JSON; see `status_of`."""


def status_of(session: UpstreamSession, now: Instant) -> Status:
    """The picture of one session. Times are ours, s since 1970 UTC."""
    settings, client, condition = session.settings, session.client, session.condition
    listed = next((n.value for n in client.tree.nodes.values() if isinstance(n.value, EndDeviceList)), None)
    ours = {settings.lfdi, *(member.lfdi for member in settings.members)}
    unknown = [d.lFDI for d in listed.members if d.lFDI and d.lFDI not in ours] if listed is not None else []
    bindings = session.book.bindings.known.values()
    return {
        "name": settings.name,
        "server": client.authority,
        "server_lfdi": condition.server,
        "state": _state(session, now),
        "since": condition.since,
        "last_answer": condition.answered_at,
        "trouble": condition.trouble or condition.of_no_use(now),
        "failures": condition.failures,
        "bad_replies": condition.bad_replies,
        "last_bad_reply": condition.bad_reply,
        "clock_offset_s": client.clock_offset,
        "time_quality": client.clock.quality,
        "time_refused": client.clock.refused,
        "registration": _registration(session),
        "devices": [_device(session, member.lfdi, member.target.id) for member in settings.members],
        "unknown_devices": unknown[:_MOST_UNKNOWN],
        "resources": len(client.tree.nodes),
        "events_live": sum(1 for one in bindings if one.control and not one.over),
        "events_running": sum(1 for one in bindings if one.started and not one.over),
        "waiting": len(session.mailbox),
        "delivered": session.mailbox.counts.delivered,
        "refused": session.mailbox.counts.refused + session.reports.refused + condition.refused_writes,
        "dropped": session.mailbox.counts.dropped,
        "subscriptions": session.subscriptions.active,
        "notifications": session.subscriptions.notified,
    }


def _state(session: UpstreamSession, now: Instant) -> str:
    if session.client.refused:
        return "wrong_pin"
    if not session.condition.up:
        return "connecting" if session.condition.up is None else "unreachable"
    if session.condition.of_no_use(now):
        return "of_no_use"
    if session.client.clock_offset is None:
        return "no_time"
    own = session.client.devices[session.settings.lfdi].end_device
    return "connected" if own is not None else "not_registered"


def _registration(session: UpstreamSession) -> str:
    enrolment = session.client.enrolment
    if enrolment.pin is None:
        return "not_checked"
    return "wrong_pin" if enrolment.refused else ("checked" if enrolment.checked else "pending")


def _device(session: UpstreamSession, lfdi: str, target: str) -> dict[str, Any]:
    followed = session.client.devices[lfdi]
    programs = session.client.followers.assigned(followed)
    return {
        "id": target,
        "lfdi": lfdi,
        "listed": followed.end_device is not None,
        "href": followed.end_device.href if followed.end_device is not None else None,
        "programs": [
            {"mRID": program.mRID, "primacy": program.primacy, "description": program.description or ""}
            for program in programs or ()
        ],
        "mirror": session.mirrors.href_of(lfdi),
    }
