"""`gridiface dnp3`, the verbs for a running server: what its outstations show, local mode, tags, connections.

Owns words and tables only; the verbs stand beside those of cli/dnp3/app.py in one group.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.terminal.showing import many, show_json, show_table, utc
from gridiface.errors import ConfigError
from gridiface.segments import segment

live = typer.Typer()

Outstation = Annotated[str, typer.Argument(help="The outstation's name, as `gridiface dnp3 stations` shows it.")]
Output = Annotated[str, typer.Option("--point", help="Name of the output; without it: all outputs.")]
Why = Annotated[str, typer.Option("--reason", help="Kept in the audit log.")]


@live.command("stations")
@asking
def stations(
    remote: Remote,
    *,
    as_json: bool,
) -> None:
    """List outstations: address, local mode, blocked outputs, masters connected.

    Example: gridiface dnp3 stations
    """
    found = remote.get("/dnp3/outstations")
    if as_json:
        show_json(found)
        return
    columns = ("outstation", "address", "speaks of", "points", "masters", "connected", "mode", "blocked")
    show_table("", columns, [_station(row) for row in found["outstations"]])


@live.command("live")
@asking
def live_points(
    remote: Remote,
    *,
    as_json: bool,
    outstation: Outstation,
    kind: Annotated[str, typer.Option("--type", help='Only points of this type, such as "analog input".')] = "",
    limit: Annotated[int, typer.Option(help="Most points shown.", min=1)] = 1000,
) -> None:
    """Show the points of an outstation as masters see them now.

    Example: gridiface dnp3 live gateway --type "analog input"
    """
    rows = remote.pages(f"/dnp3/outstations/{segment(outstation)}/points", "points", limit, type=kind)
    if as_json:
        show_json({"points": rows})
        return
    columns = ("type", "index", "name", "value", "unit", "flags", "at", "meaning", "blocked")
    show_table("", columns, [_point(row) for row in rows])


@live.command("masters")
@asking
def masters(
    remote: Remote,
    *,
    as_json: bool,
    outstation: Outstation,
) -> None:
    """Show the masters of an outstation: connection, events that wait, clock.

    Example: gridiface dnp3 masters gateway
    """
    found = remote.get(f"/dnp3/outstations/{segment(outstation)}/masters")
    if as_json:
        show_json(found)
        return
    columns = (
        "master",
        "address",
        "authority",
        "may control",
        "peer",
        "heard",
        "told unasked",
        "waiting 1/2/3",
        "lost",
    )
    show_table("", columns, [_master(row) for row in found["masters"]])


@live.command("commands")
@asking
def commands(
    remote: Remote,
    *,
    as_json: bool,
    outstation: Outstation,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1, max=2000)] = 50,
) -> None:
    """Show the newest commands of all masters with their status.

    Example: gridiface dnp3 commands gateway
    """
    path = f"/dnp3/outstations/{segment(outstation)}/commands"
    found = remote.get(path, limit=limit)
    if as_json:
        show_json(found)
        return
    columns = ("at", "master", "how", "object", "point", "value", "status")
    show_table("", columns, [_command(row) for row in found["commands"]])


@live.command("frames")
@asking
def frames(
    remote: Remote,
    *,
    as_json: bool,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1, max=10_000)] = 200,
) -> None:
    """Show the newest link frames, decoded; the same log as a capture is GET /api/v1/dnp3/frames.pcap.

    Example: gridiface dnp3 frames --limit 20
    """
    found = remote.get("/dnp3/frames", limit=limit)
    if as_json:
        show_json(found)
        return
    for line in found["frames"]:
        typer.echo(line)


@live.command("local")
@asking
def local(
    remote: Remote,
    *,
    as_json: bool,
    outstation: Outstation,
    reason: Why = "",
) -> None:
    """Put an outstation into local mode: every command is answered LOCAL, also after a restart.

    Example: gridiface dnp3 local gateway --reason "work on the feeder"
    """
    _do(remote, outstation, "local", {"local": True, "reason": reason}, as_json)


@live.command("remote")
@asking
def remote_mode(
    remote: Remote,
    *,
    as_json: bool,
    outstation: Outstation,
    reason: Why = "",
) -> None:
    """End local mode: masters may command again.

    Example: gridiface dnp3 remote gateway
    """
    _do(remote, outstation, "local", {"local": False, "reason": reason}, as_json)


@live.command("block")
@asking
def block(
    remote: Remote,
    *,
    as_json: bool,
    outstation: Outstation,
    point: Output = "",
    reason: Why = "",
) -> None:
    """Tag an output, or all of them: commands are answered BLOCKED, also after a restart.

    Example: gridiface dnp3 block gateway --point breaker --reason "tag 4711"
    """
    _do(remote, outstation, "block", {"point": point, "reason": reason}, as_json)


@live.command("unblock")
@asking
def unblock(
    remote: Remote,
    *,
    as_json: bool,
    outstation: Outstation,
    point: Output = "",
    reason: Why = "",
) -> None:
    """Take a tag away.

    Example: gridiface dnp3 unblock gateway --point breaker
    """
    _do(remote, outstation, "unblock", {"point": point, "reason": reason}, as_json)


@live.command("disconnect")
@asking
def disconnect(
    remote: Remote,
    *,
    as_json: bool,
    outstation: Outstation,
    master: Annotated[str, typer.Argument(help="The master's name.")],
    reason: Why = "",
) -> None:
    """Close a master's connection; it may come again.

    Example: gridiface dnp3 disconnect gateway control-room
    """
    path = f"/dnp3/outstations/{segment(outstation)}/masters/{segment(master)}/disconnect"
    found = remote.post(path, {"reason": reason})
    if as_json:
        show_json(found)
        return
    typer.echo(f"{master} has no connection to {outstation} now")


@live.command("capture")
@asking
def capture(
    remote: Remote,
    *,
    as_json: bool,
    out: Annotated[Path, typer.Option(help="Write to this file; it must not exist.")],
) -> None:
    """Write the frame log of a running server as a capture file for Wireshark.

    Example: gridiface dnp3 capture --out dnp3.pcap
    """
    data = remote.raw("/dnp3/frames.pcap")
    try:
        with out.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise ConfigError(f"{out} exists; take another name or remove it") from None
    except OSError as problem:
        raise ConfigError(f"{out}: cannot be written: {problem}") from problem
    if as_json:
        show_json({"file": str(out), "octets": len(data)})
    else:
        typer.echo(f"{many(len(data), 'octet')} written to {out}")


def _do(remote: Remote, outstation: str, what: str, body: dict[str, Any], as_json: bool) -> None:
    found = remote.post(f"/dnp3/outstations/{segment(outstation)}/{what}", body)
    if as_json:
        show_json(found)
        return
    blocked = ", ".join(_tag(name, why) for name, why in found["blocked"].items()) or "nothing"
    typer.echo(f"{outstation}: {'local' if found['local'] else 'remote'} mode; blocked: {blocked}")


def _tag(name: str, why: str) -> str:
    return f"{name or 'all outputs'}{f' ({why})' if why else ''}"


def _station(row: dict[str, Any]) -> tuple[object, ...]:
    blocked = ", ".join(_tag(name, why) for name, why in row["blocked"].items())
    mode = "local" if row["local"] else "remote"
    return (row["name"], row["address"], row["target"], row["points"], row["masters"], row["connected"], mode, blocked)


def _point(row: dict[str, Any]) -> tuple[object, ...]:
    value = "not a number" if row["value"] is None else f"{row['value']:g}"
    flags = " ".join(row["flags"])
    at, meaning = _time(row["at"]), row["meaning"]
    return (row["type"], row["index"], row["name"], value, row["unit"], flags, at, meaning, row["blocked"] or "")


def _master(row: dict[str, Any]) -> tuple[object, ...]:
    waiting = "/".join(str(one["waiting"] + one["unconfirmed"]) for one in row["buffers"])
    told = ", ".join(str(number) for number in row["enabled"]) or "nothing"
    may = "yes" if row["may_control"] else "no"
    heard = _time(row["heard"])
    return (
        row["name"],
        row["address"],
        f"{row['authority']:g}",
        may,
        row["peer"],
        heard,
        told,
        waiting,
        row["dropped"],
    )


def _command(row: dict[str, Any]) -> tuple[object, ...]:
    value = row["value"] if row["code"] is None else f"code 0x{row['code']:02x}"
    return (
        _time(row["at"]),
        row["master"],
        row["how"],
        f"g{row['group']} {row['index']}",
        row["point"],
        value,
        row["status"],
    )


def _time(at: float | None) -> str:
    return "-" if not at else utc(at)
