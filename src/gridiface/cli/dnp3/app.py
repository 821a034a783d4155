"""`gridiface dnp3`: point maps, the device profile, and a master that polls an outstation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from gridiface.app.config.dnp3 import Dnp3Point
from gridiface.app.config.load import load_config
from gridiface.app.fronts.dnp3_settings import dnp3_settings, point_entry, read_points
from gridiface.cli.dnp3.authority import authority
from gridiface.cli.dnp3.files import files
from gridiface.cli.dnp3.live import live
from gridiface.cli.dnp3.peer import with_master
from gridiface.cli.terminal.showing import Json
from gridiface.domain.controls import Target, TargetKind
from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.pointmap.points import PointEntry, PointMap
from gridiface.northbound.dnp3.profiles import PROFILES, profile
from gridiface.northbound.dnp3.settings import EndpointSettings, MasterEntry, StationSettings
from gridiface.northbound.dnp3.shown.device_profile import points_table, profile_page, profile_xml
from gridiface.protocols.dnp3.application import IIN
from gridiface.protocols.dnp3.measurements import Measurement
from gridiface.protocols.dnp3.objects import Flags
from gridiface.simulation.dnp3.client import MasterClient

app = typer.Typer(
    no_args_is_help=True,
    help="DNP3: point maps, the device profile, a first poll, files of an outstation, an authority's changes of users "
    "and keys, and outstations of a running server.",
)

#: Written in C where PyYAML was built with it.
_SAFE = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LEFT_OUT = {"type", "target", "minimum", "maximum", "event_mode", "measure", "action"}
_FLAGS = ("ONLINE", "RESTART", "COMM_LOST", "REMOTE_FORCED", "LOCAL_FORCED")


# --- points -----------------------------------------------------------------------------------------------------------


@app.command("points")
def points(
    template: Annotated[str, typer.Option(help=f"One of {', '.join(PROFILES)}.")] = "iso-gateway",
    check: Annotated[Path | None, typer.Option(help="Check this point file instead of writing one.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file; it must not exist.")] = None,
    as_json: Json = False,
) -> None:
    """Write a point map as YAML, to be changed by hand and named in `point_file`; or check one.

    Example: gridiface dnp3 points --template iso-gateway --out points.yaml
    """
    if check is not None:
        entries = [point_entry(point) for point in read_points(check)]
        PointMap(entries).core()
        typer.echo(json.dumps({"points": len(entries)}) if as_json else f"{check}: {len(entries)} points, no mistake")
        return
    listed = [point_block(entry) for entry in profile(template)]
    if as_json:
        typer.echo(json.dumps({"template": template, "points": listed}))
        return
    text = f"# DNP3 point map, from the template {template}; see docs/operator/dnp3.md\n" + yaml.dump(
        listed, Dumper=_SAFE, sort_keys=False, allow_unicode=True, width=120
    )
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write_new(out, text)
        typer.echo(f"{len(listed)} points written to {out}")


def point_block(entry: PointEntry) -> dict[str, Any]:
    """A point as the configuration writes it; what is the default is left out."""
    found: dict[str, Any] = {"type": entry.type.value, "index": entry.index, "name": entry.name}
    if entry.is_output:
        found["action"] = entry.action.value
    else:
        found["measure"] = entry.measure.value
    for name, field in Dnp3Point.model_fields.items():
        if name in found or name in _LEFT_OUT or not hasattr(entry, name):
            continue
        value = getattr(entry, name)
        if value != field.default:
            found[name] = value.value if hasattr(value, "value") else list(value) if isinstance(value, tuple) else value
    for name in ("minimum", "maximum"):
        value = getattr(entry, name)
        if abs(value) != float("inf"):
            found[name] = value
    return found


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} exists; take another name or remove it") from None
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be written: {problem}") from problem


# --- profile ----------------------------------------------------------------------------------------------------------


@app.command("profile")
def device_profile(
    config: Annotated[Path | None, typer.Argument(help="Configuration file; without: a template's profile.")] = None,
    outstation: Annotated[str, typer.Option(help="Name of the outstation; without: the first.")] = "",
    template: Annotated[str, typer.Option(help=f"One of {', '.join(PROFILES)}.")] = "iso-gateway",
    xml: Annotated[bool, typer.Option("--xml", help="Print the XML document.")] = False,
    only_points: Annotated[bool, typer.Option("--points", help="Print the tables of points only.")] = False,
    as_json: Json = False,
) -> None:
    """Print the DNP3 device profile of what is configured, as a page or as XML.

    Example: gridiface dnp3 profile gridiface.yaml --xml
    """
    station, endpoints = _station(config, outstation, template)
    if as_json:
        document = profile_xml(station, endpoints).decode()
        typer.echo(json.dumps({"outstation": station.name, "points": len(station.points), "xml": document}))
    elif xml:
        typer.echo(profile_xml(station, endpoints).decode(), nl=False)
    elif only_points:
        typer.echo("\n".join(tables(station.points)))
    else:
        typer.echo(profile_page(station, endpoints))


def tables(points_: PointMap) -> list[str]:
    """All points as Markdown tables, one per type."""
    lines: list[str] = []
    for kind in dict.fromkeys(entry.type for entry in points_):
        lines += [f"### {kind.value}s", *points_table([entry for entry in points_ if entry.type is kind]), ""]
    return lines


def _station(config: Path | None, name: str, template: str) -> tuple[StationSettings, Sequence[EndpointSettings]]:
    if config is None:
        target = Target(TargetKind.GROUP, "fleet")
        masters = (MasterEntry(name="master", address=1),)
        points_ = PointMap(profile(template))
        return StationSettings(name=template, address=10, target=target, points=points_, masters=masters), ()
    loaded = load_config(config)
    block = loaded.dnp3
    if block is None:
        raise ConfigError(f"{config}: there is no `dnp3` block")
    settings = dnp3_settings(block, loaded.site)
    found = next((station for station in settings.stations if name in {"", station.name}), None)
    if found is None:
        known = ", ".join(station.name for station in settings.stations)
        raise ConfigError(f"{config}: no outstation is called {name!r}; there are {known}")
    return found, settings.endpoints


# --- poll -------------------------------------------------------------------------------------------------------------


@app.command("poll")
@with_master
def poll(
    client: MasterClient,
    classes: Annotated[str, typer.Option(help="Classes to read, such as 1,2,3,0.")] = "1,2,3,0",
    as_json: Json = False,
) -> None:
    """Read an outstation as its master and print what it has.

    The events that come are confirmed: they are gone from the outstation's buffer for this master's address.

    Example: gridiface dnp3 poll 127.0.0.1:20000 --address 1 --outstation 10
    """
    wanted = _classes(classes)
    iin = asyncio.run(_poll(client, wanted))
    shown = [client.points[name] for name in sorted(client.points, key=lambda name: (name[0].value, name[1]))]
    if as_json:
        typer.echo(json.dumps({"iin": _names(iin), "points": [_fields(item) for item in shown]}))
        return
    typer.echo(f"IIN: {', '.join(_names(iin)) or 'none'}")
    for item in shown:
        value = item.value.hex() if isinstance(item.value, bytes) else f"{item.value:g}"
        typer.echo(f"{item.type.value:16} {item.point:5}  {value:>14}  {' '.join(_flags(item.flags))}")


async def _poll(client: MasterClient, classes: Sequence[int]) -> int:
    async with client:
        return int((await client.poll(classes)).iin)


def _classes(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not set(found) <= {0, 1, 2, 3}:
        raise ConfigError(f"classes {text!r}: write numbers from 0 to 3, such as 1,2,3,0")
    return found


def _names(iin: int) -> list[str]:
    return [bit.name or "?" for bit in IIN if bit & iin]


def _flags(flags: int) -> list[str]:
    return [name for name in _FLAGS if flags & Flags[name]]


def _fields(item: Measurement) -> dict[str, Any]:
    value = item.value.hex() if isinstance(item.value, bytes) else item.value
    return {"type": item.type.value, "index": item.point, "value": value, "flags": _flags(item.flags)}


# The verbs for a running server come after those for files and for outstations elsewhere.
app.registered_commands += authority.registered_commands
app.add_typer(files, name="file")
app.registered_commands += live.registered_commands
