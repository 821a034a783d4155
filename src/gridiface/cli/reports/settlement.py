"""`gridiface settlement`: settlements that a running server made from its readings. Owns words and tables only.

`gridiface report` does the same with files of meter data, without a server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.aggregation.settlement.calendar import zone as zone_of
from gridiface.app.desks.exports import Format, utc
from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.reports.importing import (
    IntervalOption,
    MeterOption,
    Positive,
    PositiveOption,
    Stamp,
    StampOption,
    text_of,
)
from gridiface.cli.terminal.days import EventDays, Holidays, Nerc, days_in, instant
from gridiface.cli.terminal.progress import working
from gridiface.cli.terminal.showing import many, show_json, show_table
from gridiface.errors import ConfigError
from gridiface.operator.areas.meters import MOST_DATA
from gridiface.segments import segment

app = typer.Typer(
    no_args_is_help=True, help="Settlements by a running server: made, anew by late data, listed, exported."
)

RevisionOption = Annotated[
    int | None, typer.Option("--revision", help="As it was then; none: the newest.", min=1, max=1_000_000)
]
EventArgument = Annotated[str, typer.Argument(help="The settlement's name.")]


@app.command("make")
@asking
def make(
    remote: Remote,
    *,
    as_json: bool,
    event: EventArgument,
    control: Annotated[str | None, typer.Option("--control", help="The control that is settled.")] = None,
    group: Annotated[str | None, typer.Option("--group", help="Settle the devices of this group.")] = None,
    device: Annotated[list[str] | None, typer.Option("--device", help="Or these; repeatable.")] = None,
    start: Annotated[float | None, typer.Option("--start", help="s since 1970; none: the control's.")] = None,
    end: Annotated[float | None, typer.Option("--end", help="s since 1970; none: the control's.")] = None,
    method: Annotated[str, typer.Option("--method", help="Of the baseline.")] = "10-of-10",
    storage: Annotated[
        list[str] | None, typer.Option("--storage", help="Devices to settle by meter-before-after; repeatable.")
    ] = None,
    committed: Annotated[
        list[str] | None, typer.Option("--committed", metavar="DEVICE=WATTS", help="Promised power; repeatable.")
    ] = None,
    interval: Annotated[float, typer.Option("--interval", help="Length of a row, s.")] = 900.0,
    zone: Annotated[str, typer.Option("--zone", help="Time zone of the place.")] = "UTC",
    holidays: Holidays = None,
    nerc: Nerc = False,
    event_days: EventDays = None,
    opted_out: Annotated[
        list[str] | None,
        typer.Option(
            "--opt-out",
            metavar="DEVICE=FROM[/TO]",
            help="A device took no part then, ISO 8601; in the place of what is on record. Repeatable.",
        ),
    ] = None,
    authority: Annotated[
        float | None,
        typer.Option("--authority", help="Of events at the same time the larger counts; none: the control's."),
    ] = None,
    reopen: Annotated[bool, typer.Option("--reopen", help="Change a settlement that is final, too.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the audit log.")] = "",
) -> None:
    """Settle an event from the readings in the store; again: a new revision where late data changed a figure.

    Example: gridiface settlement make july-22 --control 2f81... --method 5-of-10 --zone America/Los_Angeles
    """
    body: dict[str, Any] = {
        "event": event,
        "control": control,
        "group": group,
        "devices": device or [],
        "start": start,
        "end": end,
        "method": method,
        "storage": storage or [],
        "committed_w": dict(map(_pair, committed or [])),
        "interval_s": interval,
        "zone": zone,
        "holidays": sorted(map(str, days_in(holidays))),
        "nerc_holidays": nerc,
        "event_days": sorted(map(str, days_in(event_days))),
        "opt_outs": None if opted_out is None else [_opted_out(text, zone) for text in opted_out],
        "authority": authority,
        "reopen": reopen,
        "reason": reason,
    }
    with working("settling", quiet=as_json):
        found = remote.post("/settlements", body, long=True)
    if as_json:
        show_json(found)
        return
    _show(found)
    typer.echo(f"{found['changed']} rows changed{'; ' if found['note'] else ''}{found['note']}")
    if found["revised"]:
        typer.echo(f"of the same time, and revised by it: {', '.join(found['revised'])}")


@app.command("list")
@asking
def list_settlements(
    remote: Remote,
    *,
    as_json: bool,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
) -> None:
    """List settlements.

    Example: gridiface settlement list
    """
    rows = remote.pages("/settlements", "settlements", limit)
    if as_json:
        show_json({"settlements": rows})
        return
    columns = ("event", "revision", "state", "rows")
    show_table("", columns, [(r["event"], r["revision"], _state(r), r["rows"]) for r in rows])


@app.command("show")
@asking
def show(remote: Remote, *, as_json: bool, event: EventArgument) -> None:
    """Show the sums of a settlement.

    Example: gridiface settlement show july-22
    """
    found = remote.get(f"/settlements/{segment(event)}")
    show_json(found) if as_json else _show(found)


@app.command("import")
@asking
def import_late(
    remote: Remote,
    *,
    as_json: bool,
    file: Annotated[Path, typer.Argument(help="Meter data: CSV or Green Button.")],
    zone: Annotated[
        str | None, typer.Option("--zone", help="Time zone of times without offset, for example America/Los_Angeles.")
    ] = None,
    positive: PositiveOption = Positive.CONSUMPTION,
    stamp: StampOption = Stamp.START,
    interval: IntervalOption = None,
    meter: MeterOption = None,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the audit log.")] = "",
) -> None:
    """Give the server meter data that came late; settlements that they concern are made anew, as they were asked.

    Example: gridiface settlement import late.csv --zone America/Los_Angeles
    """
    text = text_of(file)
    if len(text) > MOST_DATA:
        raise ConfigError(f"{file}: {len(text)} characters, and the server takes {MOST_DATA} at once; split it")
    body = {
        "data": text,
        "name": file.name,
        "meter": meter,
        "zone": zone,
        "positive": positive.value,
        "stamp": stamp.value,
        "interval_s": interval,
        "reason": reason,
    }
    with working(f"handing in {file.name}", quiet=as_json):
        found = remote.post("/meter-data", body, long=True)
    if as_json:
        show_json(found)
        return
    columns = ("meter", "start", "end", "interval_s", "intervals")
    show_table("", columns, [[one[name] for name in columns] for one in found["meters"]])
    typer.echo(f"{found['values']} values, {found['conflicts']} in conflict, {found['missing']} missing")
    for note in found["notes"]:
        typer.echo(f"note: {note}")
    if found["unknown"]:
        typer.echo(f"no device is called {', '.join(found['unknown'][:5])}: their values are kept under these names")
    for one in found["settlements"]:
        told = one["note"] or f"{many(one['changed'], 'row')} changed"
        typer.echo(f"{one['event']}: revision {one['revision']}, {_state(one)}: {told}")


@app.command("revisions")
@asking
def revisions(remote: Remote, *, as_json: bool, event: EventArgument) -> None:
    """List the revisions of a settlement: what late data changed, and when.

    Example: gridiface settlement revisions july-22
    """
    found = remote.get(f"/settlements/{segment(event)}/revisions")
    if as_json:
        show_json(found)
        return
    sums = ("delivered_wh", "credited_wh", "performance", "quality")
    rows = [
        [one["revision"], utc(one["computed"]), _state(one), one["rows"], one["changed"], *_summed(one["total"], sums)]
        for one in found["revisions"]
    ]
    show_table("", ("revision", "computed", "state", "rows", "changed", *sums), rows)


@app.command("rows")
@asking
def rows(
    remote: Remote,
    *,
    as_json: bool,
    event: EventArgument,
    revision: RevisionOption = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
) -> None:
    """List the rows of a settlement: per resource and interval.

    Example: gridiface settlement rows july-22 --json
    """
    with working("fetching the rows", quiet=as_json):
        found = remote.pages(f"/settlements/{segment(event)}/rows", "rows", limit, revision=revision)
    if as_json:
        show_json({"rows": found})
        return
    powers = ("baseline", "metered", "delivered", "credited")
    columns = ("resource", "start", *(f"{name}, W" for name in powers), "performance", "quality", "revision", "reason")
    keys = ("resource_id", "start", *(f"{name}_w" for name in powers), "performance", "quality", "revision", "reason")
    show_table("", columns, [[_short(row[key]) for key in keys] for row in found])


@app.command("export")
@asking
def export(
    remote: Remote,
    *,
    as_json: bool,
    event: EventArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    revision: RevisionOption = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format", help="Parquet needs pyarrow on the server. Without it: by the end of the file's name."
        ),
    ] = None,
) -> None:
    """Write the rows of a settlement as CSV or Parquet.

    Example: gridiface settlement export july-22 --output july-22.csv
    """
    kind = form or (Format.PARQUET if output.suffix == ".parquet" else Format.CSV)
    with working("fetching the rows", quiet=as_json):
        data = remote.raw(f"/settlements/{segment(event)}/export.{kind.value}", revision=revision)
    try:
        output.write_bytes(data)
    except OSError as problem:
        raise ConfigError(f"{output}: cannot be written: {problem.strerror}; give another file") from problem
    show_json({"ok": True, "output": str(output)}) if as_json else typer.echo(f"{output}: {len(data)} bytes")


@app.command("remove")
@asking
def remove(remote: Remote, *, as_json: bool, event: EventArgument) -> None:
    """Take a settlement away.

    Example: gridiface settlement remove july-22
    """
    gone = remote.delete(f"/settlements/{segment(event)}")
    show_json(gone) if as_json else typer.echo(f"{gone['event']} is removed")


def _show(found: dict[str, Any]) -> None:
    typer.echo(f"{found['event']}: revision {found['revision']}, {_state(found)}, {many(found['rows'], 'row')}")
    totals = [*found["resources"], *found["total"]]
    show_table("", tuple(totals[0]) if totals else (), [list(map(_short, total.values())) for total in totals])


def _summed(total: list[dict[str, Any]], names: tuple[str, ...]) -> list[Any]:
    return [_short(total[0][name]) if total else None for name in names]


def _short(value: Any) -> Any:
    """A figure for people: to a thousandth."""
    return round(value, 3) if isinstance(value, float) else value


def _state(row: dict[str, Any]) -> str:
    return "final" if row["final"] else "awaiting late data"


def _opted_out(text: str, zone_name: str) -> dict[str, Any]:
    name, _, span = text.rpartition("=")
    since, _, until = span.partition("/")
    if not name:
        raise ConfigError(f"{text!r} is no DEVICE=FROM[/TO]; write for example battery1=2026-07-22T16:40")
    place = zone_of(zone_name)
    return {"device": name, "start": instant(since, place), "end": instant(until, place) if until else None}


def _pair(text: str) -> tuple[str, float]:
    name, _, watts = text.partition("=")
    try:
        return name, float(watts)
    except ValueError as problem:
        raise ConfigError(f"{text!r} is no DEVICE=WATTS; write for example battery1=2000") from problem
