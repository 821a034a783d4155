"""`gridiface alarm`: list, show and acknowledge alarms of a running server; test who is told of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.terminal.showing import printable, show_json, show_table, utc
from gridiface.segments import segment

app = typer.Typer(no_args_is_help=True, help="List and acknowledge alarms, and test who is told of them.")

AlarmArgument = Annotated[str, typer.Argument(help="The alarm's id, as `gridiface alarm list` shows it.")]


class StateChoice(StrEnum):
    """standing: raised or acknowledged; all: cleared ones, too."""

    STANDING = "standing"
    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"
    ALL = "all"


@app.command("list")
@asking
def list_alarms(
    remote: Remote,
    *,
    as_json: bool,
    state: Annotated[StateChoice, typer.Option("--state", help="Only alarms in this state.")] = StateChoice.STANDING,
    kind: Annotated[str, typer.Option("--kind", help="Only this kind, see `gridiface alarm kinds`.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 100,
) -> None:
    """List alarms, those that stand first. Exit code 1: with --state raised or standing, and there is a critical one.

    Example: gridiface alarm list --kind device_lost
    """
    rows = remote.pages("/alarms", "alarms", limit, state=state.value, kind=kind)
    if as_json:
        show_json({"alarms": rows})
    else:
        columns = ("alarm", "severity", "kind", "subject", "what", "state", "since, UTC", "times")
        cells = [
            (r["id"], r["severity"], r["kind"], r["subject"], r["text"], r["state"], utc(r["raised"]), r["count"])
            for r in rows
        ]
        show_table("", columns, cells)
    if state in {StateChoice.RAISED, StateChoice.STANDING} and any(r["severity"] == "critical" for r in rows):
        raise typer.Exit(1)


@app.command("show")
@asking
def show(
    remote: Remote,
    *,
    as_json: bool,
    alarm: AlarmArgument,
) -> None:
    """Show one alarm and what to do.

    Example: gridiface alarm show 0123456789abcdef
    """
    found = remote.get(f"/alarms/{segment(alarm)}")
    if as_json:
        show_json(found)
        return
    facts = [(name, found[name]) for name in ("kind", "severity", "subject", "text", "state", "count", "fix")]
    facts += [("raised", utc(found["raised"]))]
    facts += [(name, utc(found[name])) for name in ("acknowledged", "cleared") if found[name] is not None]
    facts += [("by", f"{found['by']}: {found['note']}")] if found["by"] else []
    show_table("", ("", ""), facts)


@app.command("ack")
@asking
def acknowledge(
    remote: Remote,
    *,
    as_json: bool,
    alarm: AlarmArgument,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the alarm and in the audit log.")] = "",
) -> None:
    """Note that you have seen an alarm; a latched one is cleared by it.

    Example: gridiface alarm ack 0123456789abcdef --reason "technician is on the way"
    """
    found = remote.post(f"/alarms/{segment(alarm)}/acknowledge", {"reason": reason})
    if as_json:
        show_json(found)
    else:
        typer.echo(printable(f"{found['kind']} {found['subject']} is {found['state']}"))


@app.command("kinds")
@asking
def kinds(
    remote: Remote,
    *,
    as_json: bool,
) -> None:
    """List the kinds of alarms, what they mean and what to do.

    Example: gridiface alarm kinds
    """
    found = remote.get("/alarms/kinds")
    if as_json:
        show_json(found)
    else:
        rows = [(k["kind"], k["severity"], k["meaning"], k["fix"]) for k in found["kinds"]]
        show_table("", ("kind", "severity", "means", "what to do"), rows)


@app.command("test")
@asking
def send_test(
    remote: Remote,
    *,
    as_json: bool,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the audit log.")] = "",
) -> None:
    """Send a test notice to every webhook and mail list; shows what went wrong before.

    Example: gridiface alarm test
    """
    found = remote.post("/alarms/test", {"reason": reason})
    if as_json:
        show_json(found)
        return
    typer.echo(f"{found['targets']} are told, {found['waiting']} notices wait")
    for name, why in found["failing"].items():
        typer.echo(printable(f"{name}: {why}"), err=True)
