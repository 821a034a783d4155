"""`gridiface report`: baselines, settlements and exports, of meter files or the store. Owns words, not figures."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gridiface.aggregation.settlement import (
    Calendar,
    MeterSeries,
    SettlementEvent,
    SettlementRow,
    event_times,
    regulation_score,
    settle,
    settlement_of,
)
from gridiface.aggregation.settlement import event_days as event_days_of
from gridiface.aggregation.settlement.calendar import nerc_holidays, zone
from gridiface.aggregation.settlement.regulation_score import SAMPLE_S
from gridiface.aggregation.settlement.rows import ALL_METHODS
from gridiface.app.desks import exports
from gridiface.app.desks.device_series import AFTER_S, BEFORE_S, device_series
from gridiface.app.desks.exports import Format
from gridiface.app.dispatching import device_lines
from gridiface.app.importers import CsvForm
from gridiface.app.importers.lists import read_commitments
from gridiface.cli.reports.importing import (
    IntervalOption,
    Positive,
    PositiveOption,
    Stamp,
    StampOption,
    form_of,
    load_meter,
)
from gridiface.cli.reports.performance import performance
from gridiface.cli.reports.settled import Beside, OptOuts, counted, opt_outs_in, settlements_in, show
from gridiface.cli.terminal.days import EventDays, Holidays, Nerc, days_in, instant
from gridiface.cli.terminal.progress import working
from gridiface.cli.terminal.showing import Json, many
from gridiface.domain.performance import PerformanceInterval
from gridiface.errors import ConfigError
from gridiface.store.repository import Store

app = typer.Typer(no_args_is_help=True, help="Baselines, settlements, exports and performance over time.")

_STORE_INTERVAL_S = 900.0

Files = Annotated[
    list[Path] | None, typer.Argument(help="Meter data, CSV or Green Button; values of later files replace earlier.")
]
Start = Annotated[
    str, typer.Option("--start", help="Start of the event, ISO 8601; local time of --zone or with offset.")
]
End = Annotated[str, typer.Option("--end", help="End of the event.")]
MethodOption = Annotated[str, typer.Option("--method", help=f"One of {', '.join(ALL_METHODS)}.")]
ZoneOption = Annotated[
    str, typer.Option("--zone", help="Time zone of the place: of its days and of times without offset.")
]
Database = Annotated[
    str | None,
    typer.Option("--database", help="Take readings of --meter from this store: sqlite:///FILE, postgresql://"),
]
Meters = Annotated[list[str] | None, typer.Option("--meter", help="With --database: devices; repeatable.")]


@app.command("baseline")
def baseline(
    *,
    start: Start,
    end: End,
    files: Files = None,
    method: MethodOption = "10-of-10",
    zone_name: ZoneOption = "UTC",
    holidays: Holidays = None,
    nerc: Nerc = False,
    event_days: EventDays = None,
    positive: PositiveOption = Positive.CONSUMPTION,
    stamp: StampOption = Stamp.START,
    interval: IntervalOption = None,
    database: Database = None,
    meters: Meters = None,
    as_json: Json = False,
) -> None:
    r"""What each meter would have shown during an event without it. Power in W, + delivered to the grid.

    Example: gridiface report baseline july.csv --zone America/Los_Angeles \
        --start 2026-07-22T16:00 --end 2026-07-22T18:00
    """
    calendar = _calendar(zone_name, holidays, start, nerc=nerc)
    event = SettlementEvent(
        id="baseline",
        start=instant(start, calendar.tz),
        end=instant(end, calendar.tz),
        method=method,
        interval_s=interval,
    )
    with working("reading meter data", quiet=as_json) as work:
        series = _series(files, database, meters, event, calendar, _form(zone_name, positive, stamp, interval))
        work.say("working out baselines")
        rows = settle(event, series, calendar=calendar, event_days=days_in(event_days))
    if as_json:
        shown = [
            {"meter": row.resource_id, "start": exports.utc(row.start), "baseline_w": row.baseline_w}
            | {"metered_w": row.metered_w, "quality": row.quality.value}
            for row in rows
        ]
        typer.echo(json.dumps({"method": method, "rows": shown}))
        return
    for row in rows:
        values = "  ".join(f"{_kw(value):>12}" for value in (row.baseline_w, row.metered_w))
        typer.echo(f"{row.resource_id:24} {exports.utc(row.start)} {values} kW  {row.quality.value}")


@app.command("settle")
def settle_event(
    *,
    event_id: Annotated[str, typer.Option("--event", help="The event's id.")],
    start: Start,
    end: End,
    files: Files = None,
    method: MethodOption = "10-of-10",
    storage: Annotated[
        list[str] | None, typer.Option("--storage", help="Meters to settle by meter-before-after; repeatable.")
    ] = None,
    committed: Annotated[
        Path | None, typer.Option("--committed", help="CSV: resource, committed_kw (+ more delivered or less taken).")
    ] = None,
    committed_kw: Annotated[
        float | None, typer.Option("--committed-kw", help="The same commitment for each meter, kW.")
    ] = None,
    zone_name: ZoneOption = "UTC",
    holidays: Holidays = None,
    nerc: Nerc = False,
    event_days: EventDays = None,
    positive: PositiveOption = Positive.CONSUMPTION,
    stamp: StampOption = Stamp.START,
    interval: IntervalOption = None,
    database: Database = None,
    meters: Meters = None,
    previous: Annotated[
        Path | None, typer.Option("--previous", help="The last settlement: settle anew and say what changed.")
    ] = None,
    reopen: Annotated[bool, typer.Option("--reopen", help="Change a settlement that is final, too.")] = False,
    opted_out: OptOuts = None,
    beside: Beside = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the settlement here (JSON).")] = None,
    as_json: Json = False,
) -> None:
    r"""Settle an event: baseline, metered, delivered and committed power of each resource and interval.

    Late data: settle again with --previous; there is a new revision where a figure changed. 72 h after the event it
    is final. Exit code 1: a final settlement would change.

    Example: gridiface report settle july.csv late.csv --event ev-7 --zone America/Los_Angeles \
        --start 2026-07-22T16:00 --end 2026-07-22T18:00 --committed-kw 2 --previous ev-7.json --output ev-7.json
    """
    calendar = _calendar(zone_name, holidays, start, nerc=nerc)
    begin, finish = instant(start, calendar.tz), instant(end, calendar.tz)
    times = SettlementEvent(id=event_id, start=begin, end=finish, interval_s=interval)
    with working("reading meter data", quiet=as_json):
        series = _series(files, database, meters, times, calendar, _form(zone_name, positive, stamp, interval))
    event = SettlementEvent(
        id=event_id,
        start=begin,
        end=finish,
        committed_w=_commitments(committed, committed_kw, series),
        method=method,
        methods=dict.fromkeys(storage or (), "meter-before-after"),
        interval_s=interval,
    )
    with working("settling", quiet=as_json):
        others, names = settlements_in(beside), {one.meter_id for one in series}
        rows = settle(
            event,
            series,
            calendar=calendar,
            event_days=days_in(event_days),
            own_event_days=event_days_of(others, names, begin - BEFORE_S, calendar),
            own_events=event_times(others, names, begin),
        )
        rows = counted(event_id, rows, opt_outs_in(opted_out, calendar.tz, finish, names), others)
    earlier = None if previous is None else exports.read_settlement(previous)[0]
    if earlier is not None and earlier.event_id != event_id:
        raise ConfigError(f"{previous}: is a settlement of {earlier.event_id}, not of {event_id}; give the right file")
    found = settlement_of(event_id, event.end, rows, time.time(), previous=earlier, reopen=reopen)
    if output is not None:
        _write(output, exports.settlement_json(found.settlement, event.end))
    show(found, as_json=as_json)
    if found.note and found.changes:
        raise typer.Exit(1)


@app.command("regulation")
def regulation(
    *,
    signal: Annotated[Path, typer.Argument(help="What was asked, a value every 10 s: CSV of one series.")],
    response: Annotated[Path, typer.Argument(help="What was delivered, at the same times.")],
    start: Annotated[str | None, typer.Option("--start", help="Score from here on; none: where both begin.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Up to here; none: where one ends.")] = None,
    zone_name: ZoneOption = "UTC",
    positive: PositiveOption = Positive.DELIVERY,
    stamp: StampOption = Stamp.START,
    as_json: Json = False,
) -> None:
    """How well a regulation signal was followed, usually for an hour: correlation, delay, precision and their mean.

    Example: gridiface report regulation signal.csv delivered.csv --start 2026-07-22T16:00 --end 2026-07-22T17:00
    """
    asked, given = (_samples(file, zone_name, positive, stamp) for file in (signal, response))
    calendar = Calendar(tz=zone(zone_name))
    begin = max(asked.start, given.start) if start is None else instant(start, calendar.tz)
    until = min(asked.end, given.end) if end is None else instant(end, calendar.tz)
    count = max(0, min(round((until - begin) / SAMPLE_S), asked.w.size + given.w.size))
    try:
        score = regulation_score(asked.window(begin, count)[0], given.window(begin, count)[0])
    except ValueError as problem:
        raise ConfigError(f"{signal} and {response} from {exports.utc(begin)} on: {problem}") from problem
    parts = {"score": score.total, "correlation": score.correlation, "delay": score.delay, "precision": score.precision}
    if as_json:
        counts = {"windows": score.windows, "samples": score.samples, "missing": score.missing}
        typer.echo(json.dumps({"start": exports.utc(begin), **parts, **counts}))
        return
    for name, value in parts.items():
        typer.echo(f"{name:12} {value:.3f}")
    typer.echo(f"{score.samples} samples, {score.missing} missing, {score.windows} windows")


@app.command("export")
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    settlement: Annotated[Path | None, typer.Argument(help="A settlement that `settle` wrote.")] = None,
    control: Annotated[
        str | None, typer.Option("--control", help="With --database: the performance of this control.")
    ] = None,
    database: Annotated[str | None, typer.Option("--database", help="sqlite:///FILE or postgresql://...")] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Parquet needs the optional pyarrow. Without it: by the end of the file's name."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a settlement, or the performance intervals of a control in the store, as CSV or Parquet.

    Example: gridiface report export ev-7.json --format csv --output ev-7.csv
    """
    rows: Sequence[SettlementRow | PerformanceInterval]
    if settlement is not None and control is None:
        rows = exports.read_settlement(settlement)[0].rows
    elif settlement is None and control is not None and database is not None:
        with working("reading the store", quiet=as_json):
            rows = asyncio.run(_performance(database, control))
        if not rows:
            raise ConfigError(f"the store has no performance of control {control}; look at its id")
    else:
        raise ConfigError("say what to export: a settlement's file, or --control together with --database")
    with working(f"writing {output.name}", quiet=as_json):
        if form is Format.PARQUET or (form is None and output.suffix == ".parquet"):
            exports.write_parquet(rows, output)
        else:
            _write(output, exports.csv_text(rows))
    if as_json:
        typer.echo(json.dumps({"ok": True, "output": str(output), "rows": len(rows)}))
    else:
        typer.echo(f"{output}: {many(len(rows), 'row')}")


app.command("performance")(performance)


def _kw(watts: float | None) -> str:
    return "-" if watts is None else f"{watts / 1000:.3f}"


def _form(zone_name: str, positive: Positive, stamp: Stamp, interval: float | None) -> CsvForm:
    # The interval on the command line is the settlement's; the files' own is found, and may be finer.
    del interval
    return form_of(zone_name, positive, stamp, None, None)


def _samples(file: Path, zone_name: str, positive: Positive, stamp: Stamp) -> MeterSeries:
    """The one series of a file, every 10 s.

    Raises:
        ConfigError: it holds another number of them, or another interval.
    """
    found = load_meter(file, form_of(zone_name, positive, stamp, None, file.stem)).series
    if len(found) != 1 or found[0].interval_s != SAMPLE_S:
        held = ", ".join(f"{one.meter_id} every {one.interval_s:g} s" for one in found[:3]) or "nothing"
        raise ConfigError(f"{file} holds {held}; wanted is one series with a value every {SAMPLE_S:g} s")
    return found[0]


def _calendar(zone_name: str, holidays: str | None, start: str, *, nerc: bool) -> Calendar:
    days = days_in(holidays)
    if nerc:
        year = int(start[:4]) if start[:4].isdigit() else 2000
        days |= nerc_holidays((year - 1, year) if year > 1 else (year,))
    return Calendar(tz=zone(zone_name), holidays=days)


def _commitments(path: Path | None, each_kw: float | None, series: Sequence[MeterSeries]) -> dict[str, float]:
    if path is not None and each_kw is not None:
        raise ConfigError("give --committed or --committed-kw, not both")
    if path is not None:
        return read_commitments(path)
    if each_kw is None:
        return {}
    if not math.isfinite(each_kw):
        raise ConfigError("--committed-kw must be a number of kW")
    return {one.meter_id: each_kw * 1000 for one in series}


def _series(
    files: list[Path] | None,
    database: str | None,
    meters: list[str] | None,
    event: SettlementEvent,
    calendar: Calendar,
    form: CsvForm,
) -> list[MeterSeries]:
    """All meters of the files, later files over earlier ones, or of the store."""
    if files and database is None:
        merged: dict[str, MeterSeries] = {}
        for file in files:
            known = {name: held.interval_s for name, held in merged.items()}
            for one in load_meter(file, replace(form, known=known)).series:
                held = merged.get(one.meter_id)
                try:
                    merged[one.meter_id] = one if held is None else held.merged(one)
                except ValueError as problem:
                    raise ConfigError(f"{file}: {problem}; give files of one interval") from problem
        return list(merged.values())
    if database is not None and meters and not files:
        interval_s = event.interval_s or _STORE_INTERVAL_S
        made = asyncio.run(_stored(database, meters, event, interval_s, calendar.phase(event.start, interval_s)))
        missing = [name for name, one in zip(meters, made, strict=True) if one is None]
        if missing:
            raise ConfigError(f"the store has no active power of {', '.join(missing[:5])} for that time")
        return [one for one in made if one is not None]
    raise ConfigError("say where the meter data are: files, or --database together with --meter")


async def _stored(
    database: str, meters: list[str], event: SettlementEvent, interval_s: float, phase_s: float
) -> list[MeterSeries | None]:
    start, end = event.start - BEFORE_S, event.end + AFTER_S
    async with await Store.open(database, create=False) as store:
        return [await device_series(store, name, start, end, interval_s, phase_s) for name in meters]


async def _performance(database: str, control_id: str) -> list[PerformanceInterval]:
    async with await Store.open(database, create=False) as store:
        # What a running control has of its devices, or a server that died left: not recorded as performance yet.
        kept = device_lines.intervals_of(await device_lines.kept(store), control_id)
        found = {(one.target_id, one.start): one for one in (*kept, *await store.performance(control_id))}
    return [found[key] for key in sorted(found)]


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be written: {problem.strerror}") from problem
