"""`gridiface sep2`: any resource of the IEEE 2030.5 server; messages, prices, demand response events, files."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.sep2.words import (
    DeviceOption,
    DurationOption,
    GroupOption,
    RandomDurationOption,
    RandomStartOption,
    ReasonOption,
    SetOption,
    StartOption,
    elements_of,
    resource_of,
    show_resource,
    start_of,
)
from gridiface.errors import ConfigError

app = typer.Typer()

PathArgument = Annotated[str, typer.Argument(help="href on the server, such as /msg/1/txt.")]
InsteadOption = Annotated[
    str | None,
    typer.Option(
        "--instead", help="href of the live event whose place it takes, for the same devices; that is cancelled."
    ),
]
FileOption = Annotated[Path | None, typer.Option("--file", help="JSON file of element names and values.")]


@app.command("show")
@asking
def show(
    remote: Remote,
    *,
    as_json: bool,
    path: PathArgument,
    start: Annotated[int, typer.Option("--from", help="Of a list: ordinal of the first.", min=0)] = 0,
    limit: Annotated[int, typer.Option("--limit", help="Of a list: at most so many.", min=0, max=1000)] = 100,
) -> None:
    """Show any resource as the utility sees it.

    Example: gridiface sep2 show /derp/1/derc
    """
    answer = remote.get("/sep2/resource", href=path, start=start, limit=limit)
    show_resource(answer, as_json)


@app.command("create")
@asking
def create(
    remote: Remote,
    *,
    as_json: bool,
    path: PathArgument,
    file: FileOption = None,
    elements: SetOption = None,
    device: DeviceOption = None,
    group: GroupOption = None,
) -> None:
    """Add to a list what a utility posts there.

    Example: gridiface sep2 create /msg --set mRID=0A --set locale=en --set primacy=0
    """
    body = {"path": path, "resource": resource_of(file, elements), "device": device, "group": group}
    show_resource(remote.post("/sep2/resource", body), as_json)


@app.command("replace")
@asking
def replace(
    remote: Remote,
    *,
    as_json: bool,
    path: PathArgument,
    file: FileOption = None,
    elements: SetOption = None,
) -> None:
    """Replace a resource, as a utility PUTs it.

    Example: gridiface sep2 replace /ppy/1/os --set serviceStatus=1
    """
    body = {"path": path, "resource": resource_of(file, elements)}
    show_resource(remote.post("/sep2/resource/replace", body), as_json)


@app.command("cancel")
@asking
def cancel(
    remote: Remote,
    *,
    as_json: bool,
    path: PathArgument,
    randomised: Annotated[bool, typer.Option("--randomised", help="Devices end it after their random delay.")] = False,
    reason: ReasonOption = "",
) -> None:
    """Cancel an event of any function set.

    Example: gridiface sep2 cancel /derp/1/derc/3
    """
    body = {"path": path, "randomised": randomised, "reason": reason}
    show_resource(remote.post("/sep2/resource/cancel", body), as_json)


@app.command("remove")
@asking
def remove(
    remote: Remote,
    *,
    as_json: bool,
    path: PathArgument,
    reason: ReasonOption = "",
) -> None:
    """Remove a resource with what is below it.

    Example: gridiface sep2 remove /msg/1
    """
    body = {"path": path, "reason": reason}
    show_resource(remote.post("/sep2/resource/remove", body), as_json)


@app.command("message")
@asking
def message(
    remote: Remote,
    *,
    as_json: bool,
    text: Annotated[str, typer.Argument(help="What people read.")],
    device: DeviceOption = None,
    group: GroupOption = None,
    start: StartOption = "",
    duration: DurationOption = 3600,
    priority: Annotated[int, typer.Option("--priority", help="0 low, 1 normal, 2 high, 3 critical.", min=0, max=3)] = 1,
    language: Annotated[str, typer.Option("--language", help="Locale of the text.")] = "en",
    originator: Annotated[str | None, typer.Option("--originator", help="Who says so.")] = None,
    instead: InsteadOption = None,
) -> None:
    """Send a text to people at devices; without --device and --group to all.

    Example: gridiface sep2 message 'Storm ahead' --group feeder-7 --priority 2
    """
    body: dict[str, Any] = {
        "text": text,
        "device": device,
        "group": group,
        "start": start_of(start),
        "duration": duration,
        "priority": priority,
        "language": language,
        "originator": originator,
        "instead": instead,
    }
    show_resource(remote.post("/sep2/messages", body), as_json)


@app.command("price")
@asking
def price(
    remote: Remote,
    *,
    as_json: bool,
    price_per_kwh: Annotated[float, typer.Argument(help="In the currency.")],
    device: DeviceOption = None,
    group: GroupOption = None,
    start: StartOption = "",
    duration: DurationOption = 3600,
    currency: Annotated[int, typer.Option("--currency", help="Number of ISO 4217: 840 USD, 978 EUR.")] = 840,
    tier: Annotated[int, typer.Option("--tier", help="touTier.", min=0, max=15)] = 0,
    instead: InsteadOption = None,
) -> None:
    """Publish a price per kWh for an interval.

    Example: gridiface sep2 price 0.31 --currency 978 --start +3600 --duration 7200
    """
    body: dict[str, Any] = {
        "price": price_per_kwh,
        "device": device,
        "group": group,
        "start": start_of(start),
        "duration": duration,
        "currency": currency,
        "tier": tier,
        "instead": instead,
    }
    show_resource(remote.post("/sep2/prices", body), as_json)


@app.command("dr")
@asking
def demand_response(
    remote: Remote,
    *,
    as_json: bool,
    asked: SetOption = None,
    device: DeviceOption = None,
    group: GroupOption = None,
    start: StartOption = "",
    duration: DurationOption = 3600,
    randomize_start: RandomStartOption = 0,
    randomize_duration: RandomDurationOption = 0,
    category: Annotated[str, typer.Option("--category", help="deviceCategory in hex; 00000000: all.")] = "00000000",
    mandatory: Annotated[bool, typer.Option("--mandatory", help="Devices must take part.")] = False,
    primacy: Annotated[int, typer.Option("--primacy", help="Of its program.", min=0, max=255)] = 0,
    instead: InsteadOption = None,
) -> None:
    """Send a demand response event (EndDeviceControl).

    Example: gridiface sep2 dr --set DutyCycle.normalValue=40 --group feeder-7 --duration 1800
    """
    body: dict[str, Any] = {
        "asked": elements_of(asked),
        "device": device,
        "group": group,
        "start": start_of(start),
        "duration": duration,
        "randomize_start": randomize_start,
        "randomize_duration": randomize_duration,
        "category": category,
        "mandatory": mandatory,
        "primacy": primacy,
        "instead": instead,
    }
    show_resource(remote.post("/sep2/dr-events", body), as_json)


@app.command("file")
@asking
def add_file(
    remote: Remote,
    *,
    as_json: bool,
    content: Annotated[Path, typer.Argument(help="The file that devices download.")],
    model: Annotated[str, typer.Option("--model", help="mfModel that it is for.")],
    version: Annotated[str, typer.Option("--file-version", help="mfVer.")],
    maker: Annotated[int, typer.Option("--maker", help="mfID, an IANA enterprise number.")] = 0,
    kind: Annotated[str, typer.Option("--type", help="00 software, 01 credential, 02 configuration.")] = "00",
    device: DeviceOption = None,
    group: GroupOption = None,
) -> None:
    """Offer a file for download, kept on the server.

    Example: gridiface sep2 file firmware.bin --model M1 --file-version 2.0 --maker 40732
    """
    try:
        octets = content.read_bytes()
    except OSError as problem:
        raise ConfigError(f"{content}: cannot be read: {problem}") from problem
    body: dict[str, Any] = {
        "model": model,
        "version": version,
        "maker": maker,
        "type": kind,
        "device": device,
        "group": group,
        "content": base64.b64encode(octets).decode(),
    }
    show_resource(remote.post("/sep2/files", body), as_json)
