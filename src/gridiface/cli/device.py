"""`gridiface device`: list, show, block and unblock devices of a running server. Owns words and tables only."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from gridiface.cli.control import utc
from gridiface.cli.remote import (
    ConfigOption,
    JsonOption,
    Remote,
    TokenFileOption,
    UrlOption,
    kw,
    percent,
    segment,
    show_json,
    show_table,
)

app = typer.Typer(no_args_is_help=True, help="List, show, block and unblock devices of a running server.")

DeviceArgument = Annotated[str, typer.Argument(help="The device's id, as `gridiface device list` shows it.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Kept in the audit log.")]


class QualityChoice(StrEnum):
    """How far a device's newest data can be trusted; none: it has told nothing yet."""

    GOOD = "good"
    STALE = "stale"
    ESTIMATED = "estimated"
    SUBSTITUTED = "substituted"
    BAD = "bad"
    NONE = "none"


@app.command("list")
def list_devices(
    *,
    group: Annotated[str, typer.Option("--group", help="Only members of this group.")] = "",
    driver: Annotated[str, typer.Option("--driver", help="Only devices of this driver.")] = "",
    quality: Annotated[QualityChoice | None, typer.Option("--quality", help="Only with data of this quality.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List devices: what each was told last and what it does.

    Example: gridiface device list --quality bad
    """
    remote = Remote.of(url, config, token_file)
    wanted = None if quality is None else quality.value
    rows = remote.pages("/devices", "devices", limit, group=group, driver=driver, quality=wanted)
    if as_json:
        show_json({"devices": rows})
        return
    columns = ("device", "name", "driver", "told, kW", "delivers, kW", "charge, %", "data", "last set-point", "blocked")
    show_table("", columns, map(_row, rows))


@app.command("show")
def show(
    *,
    device: DeviceArgument,
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one device: ratings, state, what became of its set-points, and the decisions that concerned it.

    Example: gridiface device show battery1
    """
    found = Remote.of(url, config, token_file).get(f"/devices/{segment(device)}")
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
def block(
    *,
    device: DeviceArgument,
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release a device and leave it out of all controls until it is unblocked, also after a restart.

    Example: gridiface device block battery1 --reason "works on the cabinet"
    """
    path = f"/devices/{segment(device)}/block"
    _done(Remote.of(url, config, token_file).post(path, {"reason": reason}), "blocked", as_json=as_json)


@app.command("unblock")
def unblock(
    *,
    device: DeviceArgument,
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a blocked device take part again.

    Example: gridiface device unblock battery1
    """
    path = f"/devices/{segment(device)}/unblock"
    _done(Remote.of(url, config, token_file).post(path, {"reason": reason}), "not blocked", as_json=as_json)


@app.command("quarantine")
def quarantine(
    *,
    device: DeviceArgument,
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave a device out as not to be believed, until it is released.

    Example: gridiface device quarantine battery1 --reason "its meter was changed"
    """
    path = f"/devices/{segment(device)}/quarantine"
    _quarantined(Remote.of(url, config, token_file).post(path, {"reason": reason}), as_json=as_json)


@app.command("release")
def release(
    *,
    device: DeviceArgument,
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """End the quarantine of a device whose telemetry was not believed.

    Example: gridiface device release battery1 --reason "current transformer was turned round"
    """
    path = f"/devices/{segment(device)}/release"
    _quarantined(Remote.of(url, config, token_file).post(path, {"reason": reason}), as_json=as_json)


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
