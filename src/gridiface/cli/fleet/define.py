"""The verbs that add, change, move and remove devices, and create, change and remove groups. Owns words only.

`gridiface device` and `gridiface group` mount them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from gridiface.cli.places.fleet_place import FleetPlace, place_of
from gridiface.cli.places.place import Plain, at
from gridiface.cli.places.remote import ReasonOption
from gridiface.cli.terminal.showing import show_json
from gridiface.errors import ConfigError
from gridiface.plainyaml import read_yaml

DeviceArgument = Annotated[str, typer.Argument(help="The device's id, as `gridiface device list` shows it.")]
GroupArgument = Annotated[str, typer.Argument(help="The group's id, as `gridiface group list` shows it.")]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", help="YAML with the whole definition, as an entry of the configuration; options win."),
]
NameOption = Annotated[str | None, typer.Option("--name", help="For people.")]
DriverOption = Annotated[
    str | None, typer.Option("--driver", help="An installed driver (`gridiface doctor` lists them), or sep2.")
]
ConnectionOption = Annotated[
    list[str] | None,
    typer.Option("--connection", "-c", metavar="KEY=VALUE", help="One key of the driver's settings; repeatable."),
]
RatingOption = Annotated[
    list[str] | None,
    typer.Option("--rating", metavar="KEY=VALUE", help="One rating, such as max_w=5000; repeatable."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other key of the definition, such as tier=2; repeatable."),
]
MembersOption = Annotated[
    list[str] | None, typer.Option("--member", "-m", help="A device or group in it; repeatable; replaces all others.")
]


@at(place_of)
def add_device(
    place: FleetPlace,
    *,
    as_json: bool,
    device: Annotated[str, typer.Argument(help="Its id, unique among devices and groups.")],
    driver: DriverOption = None,
    connection: ConnectionOption = None,
    rating: RatingOption = None,
    name: NameOption = None,
    group: Annotated[str | None, typer.Option("--group", help="The group it joins.")] = None,
    more: SetOption = None,
    file: FileOption = None,
    reason: ReasonOption = "",
) -> None:
    """Add a device, while the server runs or stands still; it is opened at once and is there after a restart.

    Example: gridiface device add battery7 --driver sunspec -c host=10.0.0.17 -c unit_id=1 --group north
    """
    body = _device_body(_from_file(file), device, driver, connection, rating, name, more)
    if "driver" not in body:
        raise ConfigError("say which driver leads to it: --driver; `gridiface doctor` lists them")
    _told(place.add("devices", {**body, "group": group, "reason": reason}), "added", as_json=as_json)


@at(place_of)
def change_device(
    place: FleetPlace,
    *,
    as_json: bool,
    device: DeviceArgument,
    driver: DriverOption = None,
    connection: ConnectionOption = None,
    rating: RatingOption = None,
    name: NameOption = None,
    more: SetOption = None,
    file: FileOption = None,
) -> None:
    """Change how a device is defined; keys that are not named stay. An empty value (KEY=) takes a key away.

    Example: gridiface device change battery7 -c host=10.0.0.18 --set tier=2
    """
    known, etag = place.definition("devices", device)
    base = {**_defined(known), **_from_file(file)}
    body = _device_body(base, device, driver, connection, rating, name, more)
    _told(place.change("devices", device, body, etag), "changed", as_json=as_json)


@at(place_of)
def device_definition(
    place: FleetPlace,
    *,
    as_json: bool,
    device: DeviceArgument,
) -> None:
    """Print how a device is defined, as an entry of the configuration.

    Example: gridiface device definition battery7 > battery7.yaml
    """
    _printed(place.definition("devices", device)[0], as_json=as_json)


@at(place_of)
def move_device(
    place: FleetPlace,
    *,
    as_json: bool,
    device: DeviceArgument,
    group: Annotated[str | None, typer.Argument(help="Its group from now on; left out: none.")] = None,
    reason: ReasonOption = "",
) -> None:
    """Put a device into another group, or into none.

    Example: gridiface device move battery7 feeder-2 --reason "the cable was laid anew"
    """
    found = place.move(device, group, reason)
    _told(found, f"in {group}" if group else "in no group", as_json=as_json)


@at(place_of)
def remove_device(
    place: FleetPlace,
    *,
    as_json: bool,
    device: DeviceArgument,
    reason: ReasonOption = "",
) -> None:
    """Let go of a device and take it out of the fleet; what it did is kept.

    Example: gridiface device remove battery7 --reason "taken down"
    """
    _told(place.remove("devices", device, reason), "removed", as_json=as_json)


@at(place_of)
def create_group(
    place: FleetPlace,
    *,
    as_json: bool,
    group: Annotated[str, typer.Argument(help="Its id, unique among devices and groups.")],
    members: MembersOption = None,
    name: NameOption = None,
    more: SetOption = None,
    file: FileOption = None,
    reason: ReasonOption = "",
) -> None:
    """Make a group of devices or groups; protocols that offer groups offer it at once.

    Example: gridiface group create feeder-2 -m battery7 -m battery8 --set max_export_w=50000
    """
    body = _group_body({"members": [], **_from_file(file)}, group, members, name, more)
    _told(place.add("groups", {**body, "reason": reason}), "made", as_json=as_json)


@at(place_of)
def change_group(
    place: FleetPlace,
    *,
    as_json: bool,
    group: GroupArgument,
    members: MembersOption = None,
    name: NameOption = None,
    more: SetOption = None,
    file: FileOption = None,
) -> None:
    """Change a group's members, caps, meter, strategy or name; what is not named stays.

    Example: gridiface group change feeder-2 --set max_export_w=40000 --set strategy=merit-order
    """
    known, etag = place.definition("groups", group)
    body = _group_body({**_defined(known), **_from_file(file)}, group, members, name, more)
    _told(place.change("groups", group, body, etag), "changed", as_json=as_json)


@at(place_of)
def group_definition(
    place: FleetPlace,
    *,
    as_json: bool,
    group: GroupArgument,
) -> None:
    """Print how a group is defined, as an entry of the configuration.

    Example: gridiface group definition feeder-2
    """
    _printed(place.definition("groups", group)[0], as_json=as_json)


@at(place_of)
def remove_group(
    place: FleetPlace,
    *,
    as_json: bool,
    group: GroupArgument,
    reason: ReasonOption = "",
) -> None:
    """Take a group away; its members stay in the fleet.

    Example: gridiface group remove feeder-2
    """
    _told(place.remove("groups", group, reason), "removed", as_json=as_json)


# --- bodies ---------------------------------------------------------------------------------------------------------


def _device_body(
    base: Plain,
    device: str,
    driver: str | None,
    connection: list[str] | None,
    rating: list[str] | None,
    name: str | None,
    more: list[str] | None,
) -> Plain:
    body = {**base, "id": device}
    if driver is not None:
        if body.get("driver") not in (None, driver):
            body["connection"] = {}
        body["driver"] = driver
    if name is not None:
        body["name"] = name
    for key, given in (("connection", connection), ("rating", rating)):
        if given:
            body[key] = laid(body.get(key) or {}, given)
    return laid(body, more or [])


def _group_body(base: Plain, group: str, members: list[str] | None, name: str | None, more: list[str] | None) -> Plain:
    body = {**base, "id": group}
    if members:
        body["members"] = members
    if name is not None:
        body["name"] = name
    return laid(body, more or [])


def laid(known: Plain, given: list[str]) -> Plain:
    """KEY=VALUE texts over what is known; values are read as YAML; an empty one takes the key away."""
    found = dict(known)
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise ConfigError(f"{text!r} is no KEY=VALUE; write for example host=10.0.0.17")
        if value:
            found[key] = _yaml(value, text)
        else:
            found.pop(key, None)
    return found


def _defined(known: Plain) -> Plain:
    """A definition without what is only told with it."""
    return {key: value for key, value in known.items() if key not in {"group", "origin"}}


def _from_file(file: Path | None) -> Plain:
    if file is None:
        return {}
    try:
        found = _yaml(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{file}: cannot be read: {problem}; give a YAML file") from problem
    if not isinstance(found, dict):
        raise ConfigError(f"{file}: holds no keys and values; `gridiface device definition` prints an example")
    return _defined(found)


def _yaml(text: str, place: str) -> Any:
    try:
        return read_yaml(text)
    except yaml.YAMLError as problem:
        raise ConfigError(f"{place}: not valid YAML; put texts with special signs into quotes") from problem


def _told(found: Plain, what: str, *, as_json: bool) -> None:
    if as_json:
        show_json(found)
    else:
        typer.echo(f"{found['id']} is {what}")


def _printed(found: Plain, *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    told = {key: _set(value) for key, value in _defined(found).items() if value not in (None, {}, [], "")}
    typer.echo(yaml.safe_dump(told, sort_keys=False, allow_unicode=True).rstrip())


def _set(value: Any) -> Any:
    """What somebody gave of a block: a rating has a dozen keys, most of them unknown."""
    return {key: each for key, each in value.items() if each is not None} if isinstance(value, dict) else value
