"""`gridiface device`: devices of a running server; what defines them is define.py's. Owns words and tables only."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from gridiface.cli import define
from gridiface.cli.control import utc
from gridiface.cli.define import DeviceArgument, ReasonOption
from gridiface.cli.remote import (
    Remote,
    asking,
    kw,
    percent,
    segment,
    show_json,
    show_table,
)

app = typer.Typer(no_args_is_help=True, help="Devices: list, add, change, move, remove, block, quarantine.")
app.command("add")(define.add_device)
app.command("definition")(define.device_definition)
app.command("change")(define.change_device)
app.command("move")(define.move_device)
app.command("remove")(define.remove_device)


class QualityChoice(StrEnum):
    """How far a device's newest data can be trusted; none: it has told nothing yet."""

    GOOD = "good"
    STALE = "stale"
    ESTIMATED = "estimated"
    SUBSTITUTED = "substituted"
    BAD = "bad"
    NONE = "none"


@app.command("list")
@asking
def list_devices(
    remote: Remote,
    *,
    as_json: bool,
    group: Annotated[str, typer.Option("--group", help="Only members of this group.")] = "",
    driver: Annotated[str, typer.Option("--driver", help="Only devices of this driver.")] = "",
    quality: Annotated[QualityChoice | None, typer.Option("--quality", help="Only with data of this quality.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
) -> None:
    """List devices: what each was told last and what it does.

    Example: gridiface device list --quality bad
    """
    wanted = None if quality is None else quality.value
    rows = remote.pages("/devices", "devices", limit, group=group, driver=driver, quality=wanted)
    if as_json:
        show_json({"devices": rows})
        return
    columns = ("device", "name", "driver", "told, kW", "delivers, kW", "charge, %", "data", "last set-point", "blocked")
    show_table("", columns, map(_row, rows))


@app.command("show")
@asking
def show(
    remote: Remote,
    *,
    as_json: bool,
    device: DeviceArgument,
) -> None:
    """Show one device: ratings, state, what became of its set-points, and the decisions that concerned it.

    Example: gridiface device show battery1
    """
    found = remote.get(f"/devices/{segment(device)}")
    if as_json:
        show_json(found)
        return
    plate, block = found["nameplate"], found["block"]
    facts = [
        ("device", found["id"]),
        ("name", found["name"]),
        ("kind, driver", f"{found['kind']}, {found['driver']}"),
        ("groups", ", ".join(found["groups"])),
        ("rated, kW", f"{kw(plate['max_w'])} out, {kw(plate['max_charge_w'])} in"),
        ("can", ", ".join(plate["capabilities"])),
        ("told, kW", kw(found["setpoint_W"])),
        ("delivers, kW", kw(found["delivered_W"])),
        ("charge, %", percent(found["soc"])),
        ("data", found["quality"]),
        ("state", found["state"]),
        ("blocked", "no" if block is None else f"by {block['by']} at {utc(block['at'])} {block['reason']}"),
    ]
    show_table("", ("", ""), facts)
    told = [(utc(d["at"]), d["outcome"], d["attempts"], d["detail"]) for d in found["deliveries"][:20]]
    show_table("Set-points", ("time, UTC", "outcome", "attempts", "detail"), told)
    decided = [(utc(d["at"]), d["target"], d["signal"], d["verdict"], d["reason"]) for d in found["decisions"][:20]]
    show_table("Decisions", ("time, UTC", "target", "signal", "verdict", "reason"), decided)


@app.command("block")
@asking
def block(
    remote: Remote,
    *,
    as_json: bool,
    device: DeviceArgument,
    reason: ReasonOption = "",
) -> None:
    """Release a device and leave it out of all controls until it is unblocked, also after a restart.

    Example: gridiface device block battery1 --reason "works on the cabinet"
    """
    path = f"/devices/{segment(device)}/block"
    _done(remote.post(path, {"reason": reason}), "blocked", as_json=as_json)


@app.command("unblock")
@asking
def unblock(
    remote: Remote,
    *,
    as_json: bool,
    device: DeviceArgument,
    reason: ReasonOption = "",
) -> None:
    """Let a blocked device take part again.

    Example: gridiface device unblock battery1
    """
    path = f"/devices/{segment(device)}/unblock"
    _done(remote.post(path, {"reason": reason}), "not blocked", as_json=as_json)


@app.command("quarantine")
@asking
def quarantine(
    remote: Remote,
    *,
    as_json: bool,
    device: DeviceArgument,
    reason: ReasonOption = "",
) -> None:
    """Leave a device out as not to be believed, until it is released.

    Example: gridiface device quarantine battery1 --reason "its meter was changed"
    """
    path = f"/devices/{segment(device)}/quarantine"
    _quarantined(remote.post(path, {"reason": reason}), as_json=as_json)


@app.command("release")
@asking
def release(
    remote: Remote,
    *,
    as_json: bool,
    device: DeviceArgument,
    reason: ReasonOption = "",
) -> None:
    """End the quarantine of a device whose telemetry was not believed.

    Example: gridiface device release battery1 --reason "current transformer was turned round"
    """
    path = f"/devices/{segment(device)}/release"
    _quarantined(remote.post(path, {"reason": reason}), as_json=as_json)


def _quarantined(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(found)
    else:
        typer.echo(f"in quarantine: {', '.join(found['devices']) or 'nobody'}")


def _done(row: dict[str, Any], state: str, *, as_json: bool) -> None:
    if as_json:
        show_json(row)
    else:
        typer.echo(f"device {row['id']} is {state}")


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    delivery = row["delivery"]
    return (
        row["id"],
        row["name"],
        row["driver"],
        kw(row["setpoint_W"]),
        kw(row["delivered_W"]),
        percent(row["soc"]),
        row["quality"],
        None if delivery is None else delivery["outcome"],
        "yes" if row["blocked"] else "",
    )
