"""`gridiface device`: devices of a running server; what defines them is define.py's. Owns words and tables only."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from gridiface.cli.fleet import define, envelope, trying
from gridiface.cli.fleet.define import DeviceArgument
from gridiface.cli.places.remote import ReasonOption, Remote, asking
from gridiface.cli.terminal.showing import kw, percent, show_json, show_table, utc
from gridiface.segments import segment

app = typer.Typer(no_args_is_help=True, help="Devices: list, add, change, move, remove, block, quarantine.")
app.command("add")(define.add_device)
app.command("definition")(define.device_definition)
app.command("change")(define.change_device)
app.command("move")(define.move_device)
app.command("remove")(define.remove_device)
app.command("try")(trying.try_device)
app.command("envelope")(envelope.device_envelope)


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
        ("delivers, kW", _delivers(found)),
        ("charge, %", percent(found["soc"])),
        ("data", found["quality"]),
        ("state", found["state"]),
        ("why it does not follow", found["why"] or "-"),
        ("blocked", "no" if block is None else f"by {block['by']} at {utc(block['at'])} {block['reason']}"),
    ]
    show_table("", ("", ""), facts)
    told = [(utc(d["at"]), d["outcome"], d["attempts"], d["detail"]) for d in found["deliveries"][:20]]
    show_table("Set-points", ("time, UTC", "outcome", "attempts", "detail"), told)
    decided = [(utc(d["at"]), d["target"], d["signal"], d["verdict"], d["reason"]) for d in found["decisions"][:20]]
    show_table("Decisions", ("time, UTC", "target", "signal", "verdict", "reason"), decided)


def _verb(name: str, text: str, state: str) -> None:
    """One of the verbs that change what a device may do: `gridiface device NAME DEVICE`.

    Args:
        name: of the verb and of the operation.
        text: its help, with an example.
        state: what the device then is; empty: who is in quarantine is told instead.
    """

    def verb(remote: Remote, *, as_json: bool, device: DeviceArgument, reason: ReasonOption = "") -> None:
        found = remote.post(f"/devices/{segment(device)}/{name}", {"reason": reason})
        if as_json:
            show_json(found)
        elif state:
            typer.echo(f"device {found['id']} is {state}")
        else:
            typer.echo(f"in quarantine: {', '.join(found['devices']) or 'nobody'}")

    verb.__name__, verb.__doc__ = name, text
    app.command(name)(asking(verb))


_verb(
    "block",
    """Release a device and leave it out of all controls until it is unblocked, also after a restart.

    Example: gridiface device block battery1 --reason "works on the cabinet"
    """,
    "blocked",
)
_verb(
    "unblock",
    """Let a blocked device take part again.

    Example: gridiface device unblock battery1
    """,
    "not blocked",
)
_verb(
    "quarantine",
    """Leave a device out as not to be believed, until it is released.

    Example: gridiface device quarantine battery1 --reason "its meter was changed"
    """,
    "",
)
_verb(
    "release",
    """Believe a device again: its quarantine ends, or the doubt about its state of charge.

    Example: gridiface device release battery1 --reason "current transformer was turned round"
    """,
    "",
)


@app.command("reset-alarms")
@asking
def reset_alarms(remote: Remote, *, as_json: bool, device: DeviceArgument, reason: ReasonOption = "") -> None:
    """Reset the alarms that a device has latched; what it still tells afterwards is not over.

    Example: gridiface device reset-alarms battery1 --reason "breaker was closed again"
    """
    found = remote.post(f"/devices/{segment(device)}/reset-alarms", {"reason": reason})
    if as_json:
        show_json(found)
    else:
        typer.echo(f"device {found['device']} still tells: {', '.join(found['alarms']) or 'nothing'}")


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    delivery = row["delivery"]
    return (
        row["id"],
        row["name"],
        row["driver"],
        kw(row["setpoint_W"]),
        _delivers(row),
        percent(row["soc"]),
        row["quality"],
        None if delivery is None else delivery["outcome"],
        "yes" if row["blocked"] else "",
    )


def _delivers(row: Mapping[str, Any]) -> str:
    """What a device delivers, kW; of one that is not heard of any more what it told last."""
    old = row["quality"] in {"bad", "stale"} and row["delivered_W"] is not None
    return f"last {kw(row['delivered_W'])}" if old else kw(row["delivered_W"])
