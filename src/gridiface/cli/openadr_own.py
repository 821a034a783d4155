"""`gridiface openadr ven`: our VENs at utilities' VTNs. Owns words and tables only."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from gridiface.cli.openadr_words import named, show_schedules, signals_text, span_of, when
from gridiface.cli.remote import (
    ConfigOption,
    JsonOption,
    Remote,
    TokenFileOption,
    UrlOption,
    segment,
    show_json,
    show_table,
)

app = typer.Typer(no_args_is_help=True, help="Our VENs at utilities' VTNs: link, events, opts, reports.")

NameArgument = Annotated[str, typer.Argument(help="Name of our VEN, as `gridiface openadr ven list` shows it.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Told to the VTN where it fits; kept in the audit log.")]


class Word(StrEnum):
    """Whether we take part."""

    IN = "in"
    OUT = "out"


@app.command("list")
def list_own(
    *,
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List our VENs and their links.

    Example: gridiface openadr ven list
    """
    found = Remote.of(url, config, token_file).get("/openadr/vens")
    if as_json:
        show_json(found)
    else:
        _show(found["vens"])


@app.command("events")
def list_events(
    *,
    ven: NameArgument,
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the events of a VTN, our word on each, and the controls they have become.

    Example: gridiface openadr ven events utility
    """
    found = Remote.of(url, config, token_file).get(f"{_path(ven)}/events")
    if as_json:
        show_json(found)
    else:
        _show_events(found["events"])


@app.command("opt")
def opt(
    *,
    ven: NameArgument,
    event: Annotated[str, typer.Argument(help="eventID, as `gridiface openadr ven events` shows it.")],
    word: Annotated[Word, typer.Argument(help="in or out; the controls follow it.")],
    resources: Annotated[list[str] | None, typer.Option("--resource", help="Only for this resourceID.")] = None,
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Opt in or out of an event.

    Example: gridiface openadr ven opt utility 9f1c out --reason "production runs"
    """
    body = {"opt": _opt(word), "reason": reason, "resources": list(resources or ())}
    row = Remote.of(url, config, token_file).post(f"{_path(ven)}/events/{segment(event)}/opt", body)
    if as_json:
        show_json(row)
    else:
        _show_events([row])


@app.command("schedules")
def list_schedules(
    *,
    ven: NameArgument,
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List our opt schedules.

    Example: gridiface openadr ven schedules utility
    """
    _show_schedules(Remote.of(url, config, token_file).get(f"{_path(ven)}/schedules"), as_json)


@app.command("schedule")
def schedule(
    *,
    ven: NameArgument,
    spans: Annotated[list[str], typer.Argument(help="START/SECONDS, as in 2026-07-01T10:00:00Z/3600; several may be.")],
    word: Annotated[Word, typer.Option("--word", help="Whether we take part then.")] = Word.OUT,
    resources: Annotated[list[str] | None, typer.Option("--resource", help="Only for this resourceID.")] = None,
    market_context: Annotated[str, typer.Option("--market-context", help="Only in this program.")] = "",
    why: Annotated[str, typer.Option("--opt-reason", help="optReason, such as x-schedule or economic.")] = "x-schedule",
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell a VTN when we do not (or do) take part; it replaces the schedule of that kind before.

    Example: gridiface openadr ven schedule utility 2026-07-01T10:00:00Z/3600
    """
    body = {"opt": _opt(word), "spans": [span_of(text) for text in spans], "reason": why}
    body |= named(resources=resources, market_context=market_context)
    _show_schedules(Remote.of(url, config, token_file).post(f"{_path(ven)}/schedules", body), as_json)


@app.command("unschedule")
def unschedule(
    *,
    ven: NameArgument,
    opt_id: Annotated[str, typer.Argument(help="optID, as `gridiface openadr ven schedules` shows it.")],
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an opt schedule back.

    Example: gridiface openadr ven unschedule utility 31d0
    """
    remote = Remote.of(url, config, token_file)
    _show_schedules(remote.delete(f"{_path(ven)}/schedules/{segment(opt_id)}"), as_json)


@app.command("reports")
def list_reports(
    *,
    ven: NameArgument,
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what we offer to report to a VTN, and what it requested.

    Example: gridiface openadr ven reports utility
    """
    found = Remote.of(url, config, token_file).get(f"{_path(ven)}/reports")
    if as_json:
        show_json(found)
        return
    offers = (
        (offer["name"], offer["specifier"], point["rid"], point["unit"], ", ".join(point["resources"]))
        for offer in found["offers"]
        for point in offer["points"]
    )
    show_table("offers", ("report", "specifier", "rID", "unit", "resources"), offers)
    keys = ("id", "specifier", "granularity_s", "back_s")
    requests = ((*(row[key] for key in keys), ", ".join(row["rids"]), when(row["due"])) for row in found["requests"])
    show_table("requests", ("request", "specifier", "every, s", "sent every, s", "rIDs", "due"), requests)


@app.command("register")
def register(
    *,
    ven: NameArgument,
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register (again) at the VTN.

    Example: gridiface openadr ven register utility
    """
    _tell(Remote.of(url, config, token_file), ven, "register", reason, as_json)


@app.command("deregister")
def deregister(
    *,
    ven: NameArgument,
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel the registration at the VTN.

    Example: gridiface openadr ven deregister utility --reason "contract ended"
    """
    _tell(Remote.of(url, config, token_file), ven, "deregister", reason, as_json)


@app.command("refresh")
def refresh(
    *,
    ven: NameArgument,
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the VTN for all events now.

    Example: gridiface openadr ven refresh utility
    """
    _tell(Remote.of(url, config, token_file), ven, "refresh", reason, as_json)


def _tell(remote: Remote, ven: str, verb: str, reason: str, as_json: bool) -> None:
    row = remote.post(f"{_path(ven)}/{verb}", {"reason": reason})
    if as_json:
        show_json(row)
    else:
        _show([row])


def _path(ven: str) -> str:
    return f"/openadr/vens/{segment(ven)}"


def _opt(word: Word) -> str:
    return "optIn" if word is Word.IN else "optOut"


def _show(rows: list[dict[str, Any]]) -> None:
    columns = ("VEN", "VTN", "link", "venID", "vtnID", "mode", "events", "waiting", "requests", "schedules")
    keys = ("ven_id", "vtn_id", "mode", "events", "waiting", "requests", "schedules")
    show_table("", columns, ((r["name"], r["url"], _link(r), *(r[key] for key in keys)) for r in rows))


def _link(row: dict[str, Any]) -> str:
    if not row["up"]:
        return "no answer"
    return "registered" if row["registered"] else "not registered"


def _show_events(rows: list[dict[str, Any]]) -> None:
    columns = ("event", "status", "version", "runs from", "until", "signals", "test", "our word", "code", "controls")
    show_table(
        "",
        columns,
        (
            (
                *(r["id"], r["status"], r["modification"], when(r["runs_from"]), when(r["runs_until"])),
                *(signals_text(r["signals"]), "test" if r["test"] else "", r["opt"], r["code"], len(r["controls"])),
            )
            for r in rows
        ),
    )


def _show_schedules(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
    else:
        show_schedules(found["schedules"])
