"""`gridiface openadr vtn`: reports of VENs. Owns words and tables only."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from gridiface.cli.openadr.words import VenArgument, moment, named, show_requests, when
from gridiface.cli.places.remote import ReasonOption, Remote, asking
from gridiface.cli.terminal.showing import show_json, show_table
from gridiface.errors import ConfigError
from gridiface.segments import segment
from gridiface.tablecells import inert

app = typer.Typer()


@app.command("reports")
@asking
def list_requests(
    remote: Remote,
    *,
    as_json: bool,
    ven: VenArgument,
) -> None:
    """List the report requests of a VEN.

    Example: gridiface openadr vtn reports VEN-A
    """
    _shown(remote.get(_path(ven)), as_json)


@app.command("request")
@asking
def request(
    remote: Remote,
    *,
    as_json: bool,
    ven: VenArgument,
    specifier: Annotated[str, typer.Argument(help="reportSpecifierID, as `gridiface openadr vtn ven` shows it.")],
    rids: Annotated[list[str] | None, typer.Option("--rid", help="Only this rID; repeat it; without it: all.")] = None,
    granularity: Annotated[int, typer.Option("--every", help="s between values; 0: each change.", min=0)] = 0,
    back: Annotated[int, typer.Option("--back", help="s between reports; 0: one report.", min=0)] = 0,
    start: Annotated[
        str,
        typer.Option("--start", help="+SECONDS from now, or ISO 8601 with zone: first report, or start of history."),
    ] = "",
    duration: Annotated[int, typer.Option("--duration", help="s; 0: until cancelled.", min=0)] = 0,
) -> None:
    """Request a report: once, periodic (--back), or history (--start in the past).

    Example: gridiface openadr vtn request VEN-A telemetry-usage --every 10 --back 60
    """
    body = {"specifier": specifier, "granularity_s": granularity, "back_s": back, "duration_s": duration}
    body |= named(rids=rids, start=moment(start) if start else "")
    row = remote.post(_path(ven), body)
    if as_json:
        show_json(row)
    else:
        show_requests([row])


@app.command("metadata")
@asking
def metadata(
    remote: Remote,
    *,
    as_json: bool,
    ven: VenArgument,
    reason: ReasonOption = "",
) -> None:
    """Ask a VEN what it offers to report.

    Example: gridiface openadr vtn metadata VEN-A
    """
    _shown(remote.post(f"{_path(ven)}/metadata", {"reason": reason}), as_json)


@app.command("stop")
@asking
def stop(
    remote: Remote,
    *,
    as_json: bool,
    ven: VenArgument,
    ids: Annotated[list[str], typer.Argument(help="reportRequestIDs.")],
    follow: Annotated[bool, typer.Option("--follow", help="One last report is wanted.")] = False,
    piggyback: Annotated[bool, typer.Option("--piggyback", help="Say it with the answer to the next report.")] = False,
    reason: ReasonOption = "",
) -> None:
    """Cancel report requests.

    Example: gridiface openadr vtn stop VEN-A 77ab --follow
    """
    body = {"ids": ids, "follow": follow, "piggyback": piggyback, "reason": reason}
    _shown(remote.post(f"{_path(ven)}/cancel", body), as_json)


@app.command("data")
@asking
def data(
    remote: Remote,
    *,
    as_json: bool,
    ven: VenArgument,
    request_id: Annotated[str, typer.Option("--request", help="Only of this reportRequestID.")] = "",
    report: Annotated[str, typer.Option("--report", help="Only of reports of this name.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="The newest so many values.", min=1, max=100_000)] = 10_000,
    out: Annotated[Path | None, typer.Option("--csv", help="Write CSV to this file; - is standard output.")] = None,
) -> None:
    """Show or export what a VEN reported; powers and energies are consumption, as on the wire.

    Example: gridiface openadr vtn data VEN-A --csv usage.csv
    """
    path = f"{_path(ven)}/data"
    found = remote.get(path, request=request_id, report=report, limit=limit)
    if as_json:
        show_json(found)
    elif out is not None:
        _write(out, found["rows"])
    else:
        columns = ("report", "rID", "at", "for, s", "value", "quality")
        rows = (
            (r["name"], r["rid"], when(r["start"]), r["duration_s"], _value(r), r["quality"]) for r in found["rows"]
        )
        show_table("", columns, rows)


def _value(row: dict[str, Any]) -> object:
    if "green_button" in row:
        return "Green Button"
    if "online" in row:
        return f"{'online' if row['online'] else 'offline'}{', override' if row['override'] else ''}"
    return row["value"]


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    if str(path) == "-":
        _write_rows(sys.stdout, rows)
        return
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            _write_rows(file, rows)
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be written: {problem}") from problem
    typer.echo(f"{len(rows)} values written to {path}")


def _write_rows(file: TextIO, rows: list[dict[str, Any]]) -> None:
    names = ("name", "specifier", "request", "created", "rid", "start", "duration_s", "value", "quality")
    more = ("confidence", "accuracy", "online", "override", "load_control", "green_button")
    writer = csv.DictWriter(file, (*names, *more), restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({key: inert(value) for key, value in row.items()} for row in rows)


def _path(ven: str) -> str:
    return f"/openadr/vtn/vens/{segment(ven)}/reports"


def _shown(found: Any, as_json: bool) -> None:
    if as_json:
        show_json(found)
    else:
        show_requests(found["requests"])
