"""`gridiface openadr ven`: our VENs at utilities' VTNs. Owns words and tables only."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from gridiface.cli.openadr.words import named, show_schedules, signals_text, span_of, when
from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.terminal.showing import show_json, show_table
from gridiface.segments import segment

app = typer.Typer(no_args_is_help=True, help="Our VENs at utilities' VTNs: link, events, opts, reports.")

NameArgument = Annotated[str, typer.Argument(help="Name of our VEN, as `gridiface openadr ven list` shows it.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Told to the VTN where it fits; kept in the audit log.")]


class Word(StrEnum):
    """Whether we take part."""

    IN = "in"
    OUT = "out"


class Standing(StrEnum):
    """What every event is answered."""

    ENGINE = "engine"
    IN = "in"
    OUT = "out"


_SAID = {Standing.ENGINE: "engine", Standing.IN: "optIn", Standing.OUT: "optOut"}


@app.command("list")
@asking
def list_own(
    remote: Remote,
    *,
    as_json: bool,
) -> None:
    """List our VENs and their links.

    Example: gridiface openadr ven list
    """
    found = remote.get("/openadr/vens")
    if as_json:
        show_json(found)
    else:
        _show(found["vens"])


@app.command("events")
@asking
def list_events(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
) -> None:
    """List the events of a VTN, our word on each, and the controls they have become.

    Example: gridiface openadr ven events utility
    """
    found = remote.get(f"{_path(ven)}/events")
    if as_json:
        show_json(found)
    else:
        _show_events(found["events"])


@app.command("opt")
@asking
def opt(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
    event: Annotated[str, typer.Argument(help="eventID, as `gridiface openadr ven events` shows it.")],
    word: Annotated[Word, typer.Argument(help="in or out; the controls follow it.")],
    resources: Annotated[list[str] | None, typer.Option("--resource", help="Only for this resourceID.")] = None,
    reason: ReasonOption = "",
) -> None:
    """Opt in or out of an event.

    Example: gridiface openadr ven opt utility 9f1c out --reason "production runs"
    """
    body = {"opt": _opt(word), "reason": reason, "resources": list(resources or ())}
    row = remote.post(f"{_path(ven)}/events/{segment(event)}/opt", body)
    if as_json:
        show_json(row)
    else:
        _show_events([row])


@app.command("schedules")
@asking
def list_schedules(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
) -> None:
    """List our opt schedules.

    Example: gridiface openadr ven schedules utility
    """
    _show_schedules(remote.get(f"{_path(ven)}/schedules"), as_json)


@app.command("schedule")
@asking
def schedule(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
    spans: Annotated[list[str], typer.Argument(help="START/SECONDS, as in 2026-07-01T10:00:00Z/3600; several may be.")],
    word: Annotated[Word, typer.Option("--word", help="Whether we take part then.")] = Word.OUT,
    resources: Annotated[list[str] | None, typer.Option("--resource", help="Only for this resourceID.")] = None,
    market_context: Annotated[str, typer.Option("--market-context", help="Only in this program.")] = "",
    why: Annotated[str, typer.Option("--opt-reason", help="optReason, such as x-schedule or economic.")] = "x-schedule",
) -> None:
    """Tell a VTN when we do not (or do) take part; it replaces the schedule of that kind before.

    Example: gridiface openadr ven schedule utility 2026-07-01T10:00:00Z/3600
    """
    body = {"opt": _opt(word), "spans": [span_of(text) for text in spans], "reason": why}
    body |= named(resources=resources, market_context=market_context)
    _show_schedules(remote.post(f"{_path(ven)}/schedules", body), as_json)


@app.command("unschedule")
@asking
def unschedule(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
    opt_id: Annotated[str, typer.Argument(help="optID, as `gridiface openadr ven schedules` shows it.")],
) -> None:
    """Take an opt schedule back.

    Example: gridiface openadr ven unschedule utility 31d0
    """
    _show_schedules(remote.delete(f"{_path(ven)}/schedules/{segment(opt_id)}"), as_json)


@app.command("reports")
@asking
def list_reports(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
) -> None:
    """Show what we offer to report to a VTN, and what it requested.

    Example: gridiface openadr ven reports utility
    """
    found = remote.get(f"{_path(ven)}/reports")
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
@asking
def register(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
    reason: ReasonOption = "",
) -> None:
    """Register (again) at the VTN.

    Example: gridiface openadr ven register utility
    """
    _tell(remote, ven, "register", reason, as_json)


@app.command("deregister")
@asking
def deregister(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
    reason: ReasonOption = "",
) -> None:
    """Cancel the registration at the VTN.

    Example: gridiface openadr ven deregister utility --reason "contract ended"
    """
    _tell(remote, ven, "deregister", reason, as_json)


@app.command("refresh")
@asking
def refresh(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
    reason: ReasonOption = "",
) -> None:
    """Ask the VTN for all events now.

    Example: gridiface openadr ven refresh utility
    """
    _tell(remote, ven, "refresh", reason, as_json)


@app.command("query")
@asking
def query(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
    reason: ReasonOption = "",
) -> None:
    """Ask the VTN what it offers and whether we are registered; its answer is in `gridiface trace list`.

    Example: gridiface openadr ven query utility
    """
    _tell(remote, ven, "query", reason, as_json)


@app.command("offer")
@asking
def offer(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
    reason: ReasonOption = "",
) -> None:
    """Tell the VTN anew what we offer to report; the requests that run end with it.

    Example: gridiface openadr ven offer utility
    """
    _tell(remote, ven, "offer", reason, as_json)


@app.command("metadata")
@asking
def metadata(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
    reason: ReasonOption = "",
) -> None:
    """Ask the VTN what it offers to report; its answer is in `gridiface trace list`.

    Example: gridiface openadr ven metadata utility
    """
    _tell(remote, ven, "metadata", reason, as_json)


@app.command("answers")
@asking
def answers(
    remote: Remote,
    *,
    as_json: bool,
    ven: NameArgument,
    word: Annotated[Standing, typer.Argument(help="in or out: to every event; engine: it decides on each.")],
    reason: ReasonOption = "",
) -> None:
    """Answer every event that comes or changes from now on with the same word, or let the engine decide again.

    Example: gridiface openadr ven answers utility out --reason "maintenance"
    """
    row = remote.put(f"{_path(ven)}/answers", {"answers": _SAID[word], "reason": reason})
    if as_json:
        show_json(row)
    else:
        _show([row])


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
    columns = ("VEN", "VTN", "link", "venID", "vtnID", "mode", "events", "waiting", "requests", "schedules", "answers")
    keys = ("ven_id", "vtn_id", "mode", "events", "waiting", "requests", "schedules", "answers")
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
