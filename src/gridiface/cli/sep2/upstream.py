"""`gridiface sep2 upstream`: our sessions with utilities' IEEE 2030.5 servers, tried out and looked at."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.cli.places.remote import JsonOption, Remote, asking
from gridiface.cli.terminal.showing import show_json, show_table, utc
from gridiface.errors import ConfigError, GridifaceError
from gridiface.segments import segment

app = typer.Typer(no_args_is_help=True, help="Our sessions with utilities' servers: try out, list, show, read anew.")

FileArgument = Annotated[Path, typer.Argument(help="The configuration file.")]
NameArgument = Annotated[str, typer.Argument(help="Name of the upstream, as `gridiface sep2 upstream list` shows it.")]
OneOption = Annotated[str | None, typer.Option("--name", help="Only this upstream; without it all of the file.")]
SecondsOption = Annotated[float, typer.Option("--seconds", help="How long to read at most.")]
MostOption = Annotated[int, typer.Option("--limit", help="Most rows.")]
ROOT = "/sep2/upstreams"


@app.command("check")
def check(
    *,
    file: FileArgument,
    name: OneOption = None,
    walk: Annotated[bool, typer.Option("--resources", help="List every resource that was read.")] = False,
    seconds: SecondsOption = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Connect to a utility's server with our certificate, read what a session reads, and say what is missing.

    Nothing is written there. Exit code 1 where a session would not work.

    Example: gridiface sep2 upstream check gridiface.yaml --name utility --resources
    """
    found = _probed(file, name, seconds)
    if as_json:
        show_json({"upstreams": found})
    else:
        for one in found:
            _show_probe(one, resources=walk)
    if not all(one["well"] for one in found):
        raise GridifaceError("not every session would work")


@app.command("find")
def find(
    *,
    transport: Annotated[str, typer.Option("--transport", help="xmdns (2018) or mdns (2023).")] = "xmdns",
    interface: Annotated[
        list[str] | None, typer.Option("--interface", help="Network interface; repeatable; without: all but loopback.")
    ] = None,
    subtype: Annotated[str, typer.Option("--subtype", help="Only servers that offer this, such as derp.")] = "",
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, max=60, help="How long to wait for answers.")] = 3.0,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="UDP port of the group.")] = 5353,
    as_json: JsonOption = False,
) -> None:
    """Look for IEEE 2030.5 servers on the local network by DNS-SD; connects to none.

    Example: gridiface sep2 upstream find --transport mdns
    """
    from gridiface.northbound.multicast import GROUPS  # noqa: PLC0415 - loads when the verb is called
    from gridiface.northbound.sep2.upstream.finding import find_servers  # noqa: PLC0415

    if transport not in GROUPS:
        raise ConfigError(f"--transport is one of {', '.join(sorted(GROUPS))}, not {transport!r}")
    found = asyncio.run(find_servers(transport, interface or (), subtype, wait_s=seconds, port=port))
    rows = [
        {"instance": one.instance, "url": f"https://{one.authority}{one.dcap}", "path": one.path, "level": one.level}
        for one in found
    ]
    if as_json:
        show_json({"servers": rows})
    elif rows:
        show_table("", ("instance", "url", "path", "level"), [tuple(_text(row[k]) for k in row) for row in rows])
    else:
        typer.echo("nobody answered")


def _probed(file: Path, name: str | None, seconds: float) -> list[dict[str, Any]]:
    from gridiface.app.config import load_config  # noqa: PLC0415 - the server's modules load when the verb is called
    from gridiface.app.fronts.upstream_settings import upstream_settings  # noqa: PLC0415
    from gridiface.northbound.sep2.upstream.probe import probe  # noqa: PLC0415

    config = load_config(file)
    chosen = [one for one in config.upstreams if name in {None, one.name}]
    if not chosen:
        known = ", ".join(one.name for one in config.upstreams) or "none"
        raise ConfigError(f"{file}: no upstream {name or ''!r}; there are: {known}")
    rows = []
    for one in chosen:
        found = asyncio.run(probe(upstream_settings(one, config), longest_s=seconds))
        rows.append(
            {
                "name": one.name,
                "well": found.well,
                "server_lfdi": found.server,
                "steps": [{"step": step, "well": well, "found": told} for step, well, told in found.steps],
                "troubles": found.troubles,
                "resources": [
                    {"href": href, "resource": kind, "members": members} for href, kind, members in found.resources
                ],
            }
        )
    return rows


def _show_probe(found: dict[str, Any], *, resources: bool) -> None:
    typer.echo(f"{found['name']}: {'well' if found['well'] else 'would not work'}")
    show_table(
        "",
        ("step", "", "found"),
        [(one["step"], "ok" if one["well"] else "NOT", one["found"]) for one in found["steps"]],
    )
    for trouble in dict.fromkeys(found["troubles"]):
        typer.echo(f"  {trouble}")
    if resources:
        show_table(
            "",
            ("href", "resource", "members"),
            [(one["href"], one["resource"], _text(one["members"])) for one in found["resources"]],
        )


@app.command("list")
@asking
def list_upstreams(
    remote: Remote,
    *,
    as_json: bool,
) -> None:
    """List the sessions of a running server.

    Example: gridiface sep2 upstream list
    """
    found = remote.get(ROOT)
    if as_json:
        show_json(found)
        return
    show_table(
        "",
        ("name", "server", "state", "last answer", "offset s", "devices", "events", "waiting", "trouble"),
        [
            (
                row["name"],
                row["server"],
                row["state"],
                _when(row["last_answer"]),
                _text(row["clock_offset_s"]),
                f"{sum(one['listed'] for one in row['devices'])} of {len(row['devices'])}",
                str(row["events_live"]),
                str(row["waiting"]),
                row["trouble"],
            )
            for row in found["upstreams"]
        ],
    )


@app.command("show")
@asking
def show(
    remote: Remote,
    *,
    as_json: bool,
    name: NameArgument,
) -> None:
    """Show one session with its devices and their programs.

    Example: gridiface sep2 upstream show utility
    """
    row = remote.get(f"{ROOT}/{segment(name)}")
    if as_json:
        show_json(row)
        return
    plain = {key: value for key, value in row.items() if key not in {"devices", "unknown_devices"}}
    facts = [(key, _when(value) if key in {"since", "last_answer"} else _text(value)) for key, value in plain.items()]
    show_table("", ("", ""), facts)
    show_table(
        "",
        ("device", "lfdi", "end device", "programs by primacy"),
        [
            (
                one["id"],
                one["lfdi"],
                one["href"] or "not listed",
                ", ".join(f"{p['primacy']} {p['description'] or p['mRID']}" for p in one["programs"]),
            )
            for one in row["devices"]
        ],
    )
    if row["unknown_devices"]:
        typer.echo(f"devices that only the utility knows: {', '.join(row['unknown_devices'])}")


@app.command("resources")
@asking
def resources(
    remote: Remote,
    *,
    as_json: bool,
    name: NameArgument,
    limit: MostOption = 1000,
) -> None:
    """List what a session has read of its server, and when each is due again.

    Example: gridiface sep2 upstream resources utility
    """
    rows = remote.pages(f"{ROOT}/{segment(name)}/resources", "resources", limit)
    if as_json:
        show_json({"resources": rows})
        return
    show_table(
        "",
        ("href", "resource", "members", "read", "next", "failures", "subscribed"),
        [
            (
                row["href"],
                row["resource"],
                _text(row["members"]),
                _when(row["fetched_at"]),
                _when(row["next_at"]),
                str(row["failures"]),
                "yes" if row["subscribed"] else "",
            )
            for row in rows
        ],
    )


@app.command("events")
@asking
def events(
    remote: Remote,
    *,
    as_json: bool,
    name: NameArgument,
    limit: MostOption = 1000,
) -> None:
    """List what the events of a server have become, device by device, and what was answered.

    Example: gridiface sep2 upstream events utility
    """
    rows = remote.pages(f"{ROOT}/{segment(name)}/events", "events", limit)
    if as_json:
        show_json({"events": rows})
        return
    show_table(
        "",
        ("event", "device", "modes", "primacy", "phase", "begins", "ends", "answered"),
        [
            (
                row["description"] or row["mRID"],
                row["target"],
                ", ".join(row["modes"]),
                str(row["primacy"]),
                "over" if row["over"] else row["phase"],
                _when(row["begins"]),
                _when(row["ends"]),
                " ".join(map(str, row["answered"])),
            )
            for row in rows
        ],
    )


@app.command("poll")
@asking
def poll(
    remote: Remote,
    *,
    as_json: bool,
    name: NameArgument,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the audit log.")] = "",
) -> None:
    """Let a session read everything anew now, and try again what was refused.

    Example: gridiface sep2 upstream poll utility --reason "the utility has corrected our registration"
    """
    row = remote.post(f"{ROOT}/{segment(name)}/poll", {"reason": reason})
    if as_json:
        show_json(row)
    else:
        typer.echo(f"{row['name']}: {row['state']}, everything is read anew")


def _when(instant: float | None) -> str:
    return "" if instant is None else utc(instant)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
