"""`gridiface openadr vtn`: events. Owns words and tables only."""

from __future__ import annotations

import contextlib
import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.cli.openadr.words import from_file, moment, named, show_event, show_events, signal_of
from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.terminal.showing import printable, show_json
from gridiface.segments import segment

app = typer.Typer()

EventArgument = Annotated[str, typer.Argument(help="eventID, as `gridiface openadr vtn events` shows it.")]
SignalOption = Annotated[
    list[str] | None,
    typer.Option(
        "--signal", help="NAME/TYPE/UNIT=SECONDS:VALUE,...: SIMPLE=3600:2, LOAD_DISPATCH/setpoint/kW=900:-6,900:-3."
    ),
]
StartOption = Annotated[str, typer.Option("--start", help="+SECONDS from now, or ISO 8601 with zone.")]
VensOption = Annotated[list[str] | None, typer.Option("--ven", help="venID that gets it; repeat it for more.")]
EveryoneOption = Annotated[bool, typer.Option("--everyone", help="All VENs get it.")]
GroupsOption = Annotated[list[str] | None, typer.Option("--group", help="groupID that it means.")]
ResourcesOption = Annotated[list[str] | None, typer.Option("--resource", help="resourceID that it means.")]
RandomOption = Annotated[int | None, typer.Option("--startafter", help="VENs begin within so long, s.", min=0)]
RampOption = Annotated[int | None, typer.Option("--ramp-up", help="s before the start; negative: after it.")]
RecoveryOption = Annotated[int | None, typer.Option("--recovery", help="s after the end; negative: before it.")]
NoticeOption = Annotated[int | None, typer.Option("--notification", help="s before the start.", min=0)]
PriorityOption = Annotated[int | None, typer.Option("--priority", help="1 is the highest, 0 the lowest.", min=0)]
CommentOption = Annotated[str, typer.Option("--comment", help="For people at the VENs.")]
FileOption = Annotated[Path | None, typer.Option("--file", help="JSON as the REST API takes it; options win.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Told to VENs; kept in the audit log.")]
_EVENTS = "/openadr/vtn/events"


class Status(StrEnum):
    """Of an event, by the clock."""

    FAR = "far"
    NEAR = "near"
    ACTIVE = "active"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@app.command("events")
@asking
def list_events(
    remote: Remote,
    *,
    as_json: bool,
    status: Annotated[Status | None, typer.Option("--status", help="Only these.")] = None,
    ven: Annotated[str, typer.Option("--ven", help="Only events for this VEN.")] = "",
    unanswered: Annotated[
        bool, typer.Option("--unanswered", help="Only events that somebody has not answered.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
) -> None:
    """List events and how many VENs opted in, opted out, are silent.

    Example: gridiface openadr vtn events --unanswered
    """
    wanted = None if status is None else status.value
    only = "true" if unanswered else ""
    rows = remote.pages(_EVENTS, "events", limit, status=wanted, ven=ven, open=only)
    if as_json:
        show_json({"events": rows})
    else:
        show_events(rows)


@app.command("event")
@asking
def show(
    remote: Remote,
    *,
    as_json: bool,
    event: EventArgument,
) -> None:
    """Show one event: who fetched it, acknowledged, opted, is late or lost.

    Example: gridiface openadr vtn event 9f1c
    """
    show_event(remote.get(f"{_EVENTS}/{segment(event)}"), as_json)


@app.command("create")
@asking
def create(
    remote: Remote,
    *,
    as_json: bool,
    signals: SignalOption = None,
    market_context: Annotated[str, typer.Option("--market-context", help="URI of the program.")] = "",
    event: Annotated[str, typer.Option("--id", help="eventID; without it one is made.")] = "",
    start: StartOption = "",
    vens: VensOption = None,
    everyone: EveryoneOption = False,
    groups: GroupsOption = None,
    resources: ResourcesOption = None,
    startafter: RandomOption = None,
    notification: NoticeOption = None,
    ramp_up: RampOption = None,
    recovery: RecoveryOption = None,
    priority: PriorityOption = None,
    test: Annotated[bool, typer.Option("--test", help="A test event: VENs answer, and nothing moves.")] = False,
    comment: CommentOption = "",
    no_answer: Annotated[bool, typer.Option("--no-answer", help="VENs must not answer.")] = False,
    file: FileOption = None,
) -> None:
    """Send an event; without --start it begins now.

    Example: gridiface openadr vtn create --market-context http://utility.example/dr --signal SIMPLE=3600:2 --ven A
    """
    body = from_file(file) | _fields(signals, start, vens, everyone, groups, resources, comment)
    body |= _times(startafter, notification, ramp_up, recovery, priority)
    body |= named(id=event, market_context=market_context, test="true" if test else "")
    if no_answer:
        body["response_required"] = False
    show_event(remote.post(_EVENTS, body), as_json)


@app.command("modify")
@asking
def modify(
    remote: Remote,
    *,
    as_json: bool,
    event: EventArgument,
    signals: SignalOption = None,
    start: StartOption = "",
    vens: VensOption = None,
    everyone: EveryoneOption = False,
    groups: GroupsOption = None,
    resources: ResourcesOption = None,
    startafter: RandomOption = None,
    notification: NoticeOption = None,
    ramp_up: RampOption = None,
    recovery: RecoveryOption = None,
    priority: PriorityOption = None,
    comment: CommentOption = "",
    reason: ReasonOption = "",
    file: FileOption = None,
) -> None:
    """Change an event before or while it runs; what is past stays.

    Example: gridiface openadr vtn modify 9f1c --signal SIMPLE=3600:1
    """
    body = from_file(file) | _fields(signals, start, vens, everyone, groups, resources, comment)
    body |= _times(startafter, notification, ramp_up, recovery, priority) | named(reason=reason)
    show_event(remote.patch(f"{_EVENTS}/{segment(event)}", body), as_json)


@app.command("cancel")
@asking
def cancel(
    remote: Remote,
    *,
    as_json: bool,
    event: EventArgument,
    reason: ReasonOption = "",
) -> None:
    """Cancel an event; it is sent until each VEN has confirmed.

    Example: gridiface openadr vtn cancel 9f1c --reason "weather changed"
    """
    answer = remote.post(f"{_EVENTS}/{segment(event)}/cancel", {"reason": reason})
    show_event(answer, as_json)


@app.command("duplicate")
@asking
def duplicate(
    remote: Remote,
    *,
    as_json: bool,
    event: EventArgument,
    copy: Annotated[str, typer.Option("--id", help="eventID of the copy; without it one is made.")] = "",
    signals: SignalOption = None,
    start: StartOption = "",
    vens: VensOption = None,
    everyone: EveryoneOption = False,
) -> None:
    """Send a copy of an event; without --start it begins now.

    Example: gridiface openadr vtn duplicate 9f1c --start 2026-07-02T14:00:00Z
    """
    body = _fields(signals, start, vens, everyone, None, None, "") | named(id=copy)
    show_event(remote.post(f"{_EVENTS}/{segment(event)}/duplicate", body), as_json)


@app.command("watch")
@asking
def watch(
    remote: Remote,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print each change as one JSON line.")],
    event: EventArgument,
    period: Annotated[float, typer.Option("--every", help="Look so often, s.", min=0.1, max=3600)] = 2.0,
) -> None:
    """Watch an event until every VEN has answered its last version and it is over; Ctrl-C ends it.

    Example: gridiface openadr vtn watch 9f1c
    """
    before = dict[str, Any]()
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            found = remote.get(f"{_EVENTS}/{segment(event)}")
            for line in changes_of(before, found):
                typer.echo(json.dumps(line) if as_json else printable(" ".join(str(part) for part in line.values())))
            before = found
            if is_over(found):
                return
            time.sleep(period)


def changes_of(before: dict[str, Any], found: dict[str, Any]) -> list[dict[str, Any]]:
    """What is another in an event than a moment ago."""
    lines: list[dict[str, Any]] = []
    if (before.get("status"), before.get("modification")) != (found["status"], found["modification"]):
        lines.append({"event": found["id"], "status": found["status"], "version": found["modification"]})
    known = {row["ven"]: row for row in before.get("deliveries", [])}
    for row in found["deliveries"]:
        keys = ("liveness", "state", "opt", "code", "description", "cancel_confirmed", "cancel_refused")
        old = known.get(row["ven"], {})
        if any(old.get(key) != row[key] for key in keys):
            lines.append({"ven": row["ven"], **{key: row[key] for key in keys}})
    return lines


def is_over(found: dict[str, Any]) -> bool:
    """Whether nothing more is to come."""
    if found["status"] == "completed":
        return True
    answered = (row["cancel_confirmed"] or row["cancel_refused"] is not None for row in found["deliveries"])
    return found["status"] == "cancelled" and all(answered)


def _fields(
    signals: list[str] | None,
    start: str,
    vens: list[str] | None,
    everyone: bool,
    groups: list[str] | None,
    resources: list[str] | None,
    comment: str,
) -> dict[str, Any]:
    found = named(
        signals=[signal_of(text) for text in signals or ()],
        start=moment(start) if start else "",
        vens=vens,
        target=named(groups=groups, resources=resources),
        comment=comment,
    )
    return found | ({"everyone": True} if everyone else {})


def _times(
    startafter: int | None, notification: int | None, ramp_up: int | None, recovery: int | None, priority: int | None
) -> dict[str, Any]:
    return named(
        startafter_s=startafter,
        notification_s=notification,
        ramp_up_s=ramp_up,
        recovery_s=recovery,
        priority=priority,
    )
