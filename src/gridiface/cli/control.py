"""`gridiface control`: send, list, show, cancel and watch controls of a running server. Owns words and tables only."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gridiface.cli.places.event_stream import Event
from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.sep2.words import start_of
from gridiface.cli.terminal.showing import asks, kw, printable, show_json, show_table, utc
from gridiface.domain.controls import ControlState, ServiceClass
from gridiface.errors import ConfigError
from gridiface.segments import segment

app = typer.Typer(no_args_is_help=True, help="Send, list, show, cancel and watch controls of a running server.")

ControlArgument = Annotated[str, typer.Argument(help="The control's id, as `gridiface control list` shows it.")]

#: Steps after which a control is over.
_OVER = frozenset({"completed", "cancelled", "superseded", "failed", "refused", "partial"})


@app.command("send")
@asking
def send(
    remote: Remote,
    *,
    as_json: bool,
    values: Annotated[
        list[str],
        typer.Argument(
            help="MODE=NUMBER, one or several: set_w=20000 (W, + delivered to the grid, - taken), export_limit=5000, "
            "max_w_percent=50, connect=0, ..."
        ),
    ],
    group: Annotated[str, typer.Option("--group", help="The group whose total is controlled.")] = "",
    device: Annotated[str, typer.Option("--device", help="Or the one device that is controlled.")] = "",
    start: Annotated[
        str, typer.Option("--start", help="+SECONDS from now, or ISO 8601 with zone; without it: now.")
    ] = "",
    duration: Annotated[
        float | None, typer.Option("--duration", help="How long, s; without it: until it is cancelled.", min=0)
    ] = None,
    priority: Annotated[int, typer.Option("--priority", help="0 to 100; the larger wins.", min=0, max=100)] = 50,
    service_class: Annotated[
        ServiceClass, typer.Option("--service-class", help="How fast it must be carried out.")
    ] = ServiceClass.DISPATCH,
    ramp: Annotated[float | None, typer.Option("--ramp", help="Time to reach the value, s.", min=0)] = None,
    description: Annotated[str, typer.Option("--description", help="For people.")] = "",
    key: Annotated[
        str, typer.Option("--key", help="Idempotency key: sending the same again with it changes nothing.")
    ] = "",
    preview: Annotated[bool, typer.Option("--preview", help="Say what would happen; change nothing.")] = False,
    shares: Annotated[bool, typer.Option("--shares", help="Say who would get what; change nothing.")] = False,
) -> None:
    """Send a control to a group or a device. Exit code 1: it is refused, with the reason.

    Example: gridiface control send set_w=20000 --group fleet --duration 900 --description "evening peak"
    """
    if bool(group) == bool(device):
        raise ConfigError("name a --group or a --device")
    body: dict[str, Any] = {
        "target": {"kind": "group", "id": group} if group else {"kind": "device", "id": device},
        "values": dict(map(_pair, values)),
        "duration_s": duration,
        "priority": priority,
        "service_class": service_class.value,
        "ramp_s": ramp,
        "description": description,
        "preview": preview,
    }
    if start:
        body["start"] = start_of(start) if start.startswith("+") else start
    if shares:
        _show_shares(remote.post("/controls/shares", body), as_json=as_json)
        return
    answer = remote.post("/controls", body, headers={"Idempotency-Key": key} if key else {})
    if as_json:
        show_json(answer)
    else:
        _show_answer(answer)
    if not answer["will_run"] and answer["verdict"] != "pending":
        raise typer.Exit(1)


@app.command("list")
@asking
def list_controls(
    remote: Remote,
    *,
    as_json: bool,
    state: Annotated[ControlState | None, typer.Option("--state", help="Only controls in this state.")] = None,
    target: Annotated[str, typer.Option("--target", help="Only controls of this device or group.")] = "",
    defaults: Annotated[bool, typer.Option("--defaults", help="Default controls, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 50,
) -> None:
    """List controls of all sources, the latest start first.

    Example: gridiface control list --state active
    """
    wanted = None if state is None else state.value
    rows = remote.pages("/controls", "controls", limit, state=wanted, target=target, defaults=defaults or None)
    if as_json:
        show_json({"controls": rows})
        return
    columns = ("control", "what for", "from", "target", "asks for", "start, UTC", "end, UTC", "state")
    show_table(
        "",
        columns,
        [(r["id"], r["description"], r["source"], r["target"], asks(r["values"]), *_span(r), r["state"]) for r in rows],
    )


@app.command("show")
@asking
def show(
    remote: Remote,
    *,
    as_json: bool,
    control: ControlArgument,
) -> None:
    """Show one control: what each device did, why, and what came of it.

    Example: gridiface control show op-0123456789abcdef0123456789abcdef
    """
    found = remote.get(f"/controls/{segment(control)}")
    if as_json:
        show_json(found)
        return
    facts = [
        ("control", found["id"]),
        ("what for", found["description"]),
        ("from", f"{found['source']} {found['identity']} (authority {found['authority']:g})"),
        ("target", f"{found['target_kind']} {found['target']}"),
        ("asks for", asks(found["values"])),
        ("start, end", " to ".join(_span(found))),
        ("state", found["state"]),
    ]
    show_table("", ("", ""), facts)
    parts = [(p["device"], ", ".join(p["steps"]), p["reason"]) for p in found["devices"]]
    show_table("Devices", ("device", "steps", "reason"), parts)
    means = [
        (t["target"], *(kw(t["mean"][name]) for name in _POWERS), _known(t["known"]))
        for t in found["report"]["targets"]
    ]
    show_table("Mean power, kW", ("target", "requested", "allocated", "delivered", "known"), means[:20])
    told = [(utc(d["at"]), d["signal"], d["verdict"], d["reason"]) for d in found["decisions"]]
    show_table("Decisions", ("time, UTC", "signal", "verdict", "reason"), told)


@app.command("cancel")
@asking
def cancel(
    remote: Remote,
    *,
    as_json: bool,
    control: ControlArgument,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the audit log.")] = "",
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Also one that came in over a protocol; its sender is told.")
    ] = False,
) -> None:
    """Cancel a control that an operator has sent, or with --foreign a utility's.

    Example: gridiface control cancel op-0123456789abcdef0123456789abcdef --reason "works on the feeder"
    """
    path = f"/controls/{segment(control)}/cancel"
    found = remote.post(path, {"reason": reason, "foreign": foreign})
    if as_json:
        show_json(found)
    else:
        typer.echo(f"control {found['id']} is {found['state']}")


@app.command("decisions")
@asking
def decisions(
    remote: Remote,
    *,
    as_json: bool,
    control: Annotated[str, typer.Option("--control", help="Only on this control.")] = "",
    target: Annotated[str, typer.Option("--target", help="Only on this device or group.")] = "",
    text: Annotated[str, typer.Option("--text", help="Only those whose reason holds these words.")] = "",
    before: Annotated[
        float | None, typer.Option("--before", help="Only those before then, seconds since 1970 UTC.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many, the newest.", min=1, max=1000)] = 50,
) -> None:
    """List decisions: which signal, from whom, won or lost, and why.

    Example: gridiface control decisions --target battery1
    """
    until = {} if before is None else {"end": before}
    found = remote.get("/decisions", control=control, target=target, text=text, limit=limit, **until)
    if as_json:
        show_json(found)
        return
    rows = [
        (utc(d["at"]), d["target"], d["signal"], d["source"], d["verdict"], d["reason"]) for d in found["decisions"]
    ]
    show_table("", ("time, UTC", "target", "signal", "from", "verdict", "reason"), rows)
    if found["reach"] is not None:
        typer.echo(f"looked through the newest, back to {utc(found['reach'])}; --before {found['reach']} looks further")


@app.command("waiting")
@asking
def waiting(
    remote: Remote,
    *,
    as_json: bool,
) -> None:
    """List controls that wait for a second person (operator.approval_share).

    Example: gridiface control waiting
    """
    found = remote.get("/approvals")
    if as_json:
        show_json(found)
        return
    rows = [
        (
            row["control"],
            row["by"],
            utc(row["at"]),
            utc(row["expires"]),
            row["asked"]["target"]["id"],
            asks(row["asked"]["values"]),
            row["asked"].get("description", ""),
        )
        for row in found["approvals"]
    ]
    show_table("", ("control", "asked by", "at, UTC", "until, UTC", "target", "asks for", "what for"), rows)


@app.command("approve")
@asking
def approve(
    remote: Remote,
    *,
    as_json: bool,
    control: ControlArgument,
) -> None:
    """Send a control that another person asked for; it is judged anew.

    Example: gridiface control approve op-0123456789abcdef0123456789abcdef
    """
    found = remote.post(f"/approvals/{segment(control)}/approve", {})
    if as_json:
        show_json(found)
    else:
        _show_answer(found)


@app.command("reject")
@asking
def reject(
    remote: Remote,
    *,
    as_json: bool,
    control: ControlArgument,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the audit log.")] = "",
) -> None:
    """Take a waiting control away without sending it.

    Example: gridiface control reject op-0123456789abcdef0123456789abcdef --reason "wrong feeder"
    """
    found = remote.post(f"/approvals/{segment(control)}/reject", {"reason": reason})
    if as_json:
        show_json(found)
    else:
        typer.echo(f"control {found['control']}, asked by {printable(found['by'])}, is not sent")


@app.command("watch")
@asking
def watch(
    remote: Remote,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as one JSON line.")],
    control: Annotated[str, typer.Argument(help="Only this control, until it is over; without it: everything.")] = "",
    last_id: Annotated[str, typer.Option("--after", help="Resume after the event of this id.")] = "",
) -> None:
    """Watch responses and deliveries as they happen; Ctrl-C ends it.

    Example: gridiface control watch op-0123456789abcdef0123456789abcdef
    """
    if control and remote.get(f"/controls/{segment(control)}")["over"]:
        typer.echo(f"control {printable(control)} is over already", err=True)
        return
    with contextlib.suppress(KeyboardInterrupt):
        for told in remote.events(last_id):
            event = _about(told, control) if control else told
            if event is None:
                continue
            if as_json:
                typer.echo(json.dumps({"id": event.id, "event": event.kind, "data": event.data}))
            else:
                for line in lines_of(event):
                    typer.echo(printable(line))
            if control and event.kind == "outcome" and event.data["device"] is None and event.data["step"] in _OVER:
                return


def lines_of(event: Event) -> list[str]:
    """An event as lines for people."""
    if event.kind == "outcome":
        data = event.data
        who = data["device"] or "the whole control"
        return [f"{utc(data['at'])} {who}: {data['step']} {data['reason']} [{data['control']}]"]
    if event.kind == "deliveries":
        return [
            f"{utc(row['at'])} {row['device']}: set-point {row['outcome']} {row['detail']}".rstrip()
            for row in event.data["deliveries"]
        ]
    return [f"{event.kind}: {event.data.get('detail', '')}"]


def _about(event: Event, control: str) -> Event | None:
    """What an event says of one control, or None."""
    if event.kind == "outcome":
        return event if event.data["control"] == control else None
    if event.kind == "deliveries":
        rows = [row for row in event.data["deliveries"] if control in row["controls"]]
        return Event(event.id, event.kind, {"deliveries": rows}) if rows else None
    return event


_POWERS = ("requested_w", "allocated_w", "delivered_w")


def _known(part: float | None) -> str:
    """For how much of the time the delivered power was measured, where that was not all of it."""
    return "" if part is None or part >= 1 else f"{min(99.9, 100 * part):.1f} % of the time"


def _pair(text: str) -> tuple[str, float]:
    mode, separator, number = text.partition("=")
    try:
        value = float(number)
        if separator and math.isfinite(value):
            return mode.strip(), value
    except ValueError:
        pass
    raise ConfigError(f"{text!r} is no MODE=NUMBER; write for example set_w=20000")


def _show_answer(answer: Mapping[str, Any]) -> None:
    what = "would be" if answer["preview"] else "is"
    typer.echo(f"control {answer['control']} {what} {answer['verdict']}")
    if answer["reason"]:
        typer.echo(printable(answer["reason"]))
    if answer["feasible_W"] is not None:
        typer.echo(f"the target can deliver {kw(answer['feasible_W'])} kW")
    if answer["left_out"]:
        typer.echo(printable("left out: " + ", ".join(answer["left_out"])))
    rows = [(o["id"], o["source"], o["target"], f"{o['authority']:g}", o["higher"]) for o in answer["overlaps"]]
    if rows:
        show_table("At the same time", ("control", "from", "target", "authority", "higher than this"), rows)


def _span(row: Mapping[str, Any]) -> tuple[str, str]:
    return utc(row["start"]), "cancelled" if row["end"] is None else utc(row["end"])


def _show_shares(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    rows = [(share["device_id"], kw(share["now_w"]), kw(share["w"])) for share in found["shares"]]
    show_table("", ("device", "now, kW", "then, kW"), rows)
