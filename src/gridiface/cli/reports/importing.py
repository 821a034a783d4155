"""`gridiface import`: foreign site files as configuration, meter data into series and store. Owns words, not forms."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from gridiface.aggregation.settlement.calendar import zone
from gridiface.app.desks.exports import utc
from gridiface.app.desks.meter_desk import summary
from gridiface.app.importers import (
    CsvForm,
    Imported,
    MeterImport,
    Severity,
    import_battery_model,
    import_vpp_grid,
    parse_green_button,
    parse_meter_csv,
    read_meter_file,
)
from gridiface.app.importers.findings import read_text
from gridiface.app.importers.meter_csv import rows_of
from gridiface.app.importers.meter_data import is_xml, readings_of
from gridiface.cli.terminal.progress import Work, working
from gridiface.cli.terminal.quiet import note as tell
from gridiface.cli.terminal.showing import Json, many
from gridiface.domain.changes import AppendReadings
from gridiface.errors import ConfigError
from gridiface.store.repository import Store

app = typer.Typer(no_args_is_help=True, help="Take over site descriptions of other systems, and meter data.")

_T = TypeVar("_T")


class Positive(StrEnum):
    """What a meter file counts positive."""

    CONSUMPTION = "consumption"
    DELIVERY = "delivery"


class Stamp(StrEnum):
    """Which end of its interval a time names."""

    START = "start"
    END = "end"


Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write here; none: to standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit code 1 when there is any warning.")]
Zone = Annotated[
    str | None, typer.Option("--zone", help="Time zone of times without offset, for example America/Los_Angeles.")
]
PositiveOption = Annotated[Positive, typer.Option("--positive", help="What the file counts positive.")]
StampOption = Annotated[Stamp, typer.Option("--stamp", help="Whether a time is its interval's start or end.")]
IntervalOption = Annotated[
    float | None, typer.Option("--interval", help="Interval in seconds; none: as found in the file.", min=1, max=86_400)
]
MeterOption = Annotated[str | None, typer.Option("--meter", help="The meter of a file that does not name it.")]


@app.command("vpp-grid")
def vpp_grid(
    file: Annotated[Path, typer.Argument(help="The vpp_grid file (YAML).")],
    output: Output = None,
    force: Force = False,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Turn a vpp_grid site description into a configuration, and name its mistakes.

    Notes and warnings go to standard error. Exit code 2: an error, nothing was written.

    Example: gridiface import vpp-grid site.yaml --output gridiface.yaml
    """
    _site(lambda: import_vpp_grid(read_text(file), file), output, force=force, strict=strict, as_json=as_json)


@app.command("battery-model")
def battery_model(
    file: Annotated[Path, typer.Argument(help="The battery_model file (JSON).")],
    device: Annotated[str | None, typer.Option("--device", help="Id of the device; none: the file's name.")] = None,
    output: Output = None,
    force: Force = False,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Turn a battery_model description into a configuration with one device, and name its mistakes.

    Example: gridiface import battery-model bess-1.json --output gridiface.yaml
    """
    _site(
        lambda: import_battery_model(read_text(file), file, device), output, force=force, strict=strict, as_json=as_json
    )


@app.command("meter")
def meter(
    file: Annotated[Path, typer.Argument(help="Meter data: CSV or Green Button XML.")],
    zone_name: Zone = None,
    positive: PositiveOption = Positive.CONSUMPTION,
    stamp: StampOption = Stamp.START,
    interval: IntervalOption = None,
    meter_id: MeterOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the data as our CSV, W, UTC.")] = None,
    force: Force = False,
    database: Annotated[
        str | None, typer.Option("--database", help="Append the values as readings: sqlite:///FILE or postgresql://...")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read meter data, say what is in it and what is missing, and keep it.

    A file that is read into the same database again is kept beside the earlier values; the later received counts.

    Example: gridiface import meter july.csv --zone America/Los_Angeles --database sqlite:///gridiface.sqlite
    """

    def read() -> MeterImport:
        return load_meter(file, form_of(zone_name, positive, stamp, interval, meter_id))

    with working(f"reading {file.name}", quiet=as_json):
        found = _or_mistakes(read, as_json=as_json)
        if output is not None:
            _write(output, _csv(rows_of(found)), force=force)
    if database is not None:
        with working("keeping the readings", quiet=as_json) as work:
            asyncio.run(_keep(database, found, work))
    if as_json:
        typer.echo(json.dumps({"ok": True, **summary(found)}))
        return
    for one in found.series:
        typer.echo(
            f"{one.meter_id}: {utc(one.start)} to {utc(one.end)}, {one.w.size} intervals of {one.interval_s:g} s"
        )
    typer.echo(f"{found.rows} values, {found.duplicates} twice, {found.conflicts} in conflict, {found.missing} missing")
    for gap in found.gaps:
        typer.echo(f"gap: {gap.meter_id} {utc(gap.start)} to {utc(gap.end)} ({gap.intervals} intervals)")
    for note in found.notes:
        tell(f"note: {note}")


def form_of(
    zone_name: str | None, positive: Positive, stamp: Stamp, interval: float | None, meter_id: str | None
) -> CsvForm:
    """The options as the reader wants them.

    Raises:
        ConfigError: no such zone.
    """
    return CsvForm(
        tz=None if zone_name is None else zone(zone_name),
        positive="consumption" if positive is Positive.CONSUMPTION else "delivery",
        stamp="start" if stamp is Stamp.START else "end",
        interval_s=interval,
        meter_id=meter_id or "",
    )


def load_meter(file: Path, form: CsvForm) -> MeterImport:
    """Read a meter file, CSV or Green Button.

    Raises:
        ConfigError: as the readers.
    """
    data = read_meter_file(file)
    if is_xml(data):
        return parse_green_button(data, file, form.meter_id or None)
    return parse_meter_csv(data, file, form)


def text_of(file: Path) -> str:
    """A meter file as text.

    Raises:
        ConfigError: it cannot be read, or is no UTF-8 (UTF-16 with its byte order mark is).
    """
    try:
        return read_meter_file(file).decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{file}: is not UTF-8; save it as UTF-8 text") from problem


def _site(work: Callable[[], Imported], output: Path | None, *, force: bool, strict: bool, as_json: bool) -> None:
    with working("reading the site", quiet=as_json):
        made = _or_mistakes(work, as_json=as_json)
    if output is not None:
        _write(output, made.text, force=force)
    counts = {severity.value: sum(f.severity is severity for f in made.findings) for severity in Severity}
    if as_json:
        findings = [
            {"severity": f.severity.value, "line": f.line, "place": f.place, "text": f.text, "fix": f.fix}
            for f in made.findings
        ]
        summary = {"ok": True, "devices": len(made.config.devices), "findings": findings}
        typer.echo(json.dumps(summary | ({"configuration": made.text} if output is None else {"output": str(output)})))
    else:
        for finding in made.findings:
            typer.echo(f"{finding.severity.value}: {finding}", err=True)
        typer.echo(
            made.text if output is None else f"{output}: {many(len(made.config.devices), 'device')}",
            nl=output is not None,
        )
    if strict and counts[Severity.WARNING]:
        raise typer.Exit(1)


def _or_mistakes(work: Callable[[], _T], *, as_json: bool) -> _T:
    try:
        return work()
    except ConfigError as problem:
        if not as_json:
            raise
        typer.echo(json.dumps({"ok": False, "mistakes": str(problem).splitlines()}))
        raise typer.Exit(2) from problem


def _write(path: Path, text: str, *, force: bool) -> None:
    if path.exists() and not force:
        raise ConfigError(f"{path}: is there already; --force replaces it")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be written: {problem.strerror}") from problem


def _csv(rows: Iterable[tuple[str, ...]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


async def _keep(database: str, found: MeterImport, work: Work) -> None:
    kept = 0
    async with await Store.open(database) as store:
        for portion in readings_of(found, time.time()):
            await store.commit([AppendReadings(portion)])
            kept += len(portion)
            work.say(f"{kept} of {found.rows}")
