"""`gridiface alarm`: list, show and acknowledge alarms of a running server; test who is told of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gridiface.cli.control import utc
from gridiface.cli.remote import (
    ConfigOption,
    JsonOption,
    Remote,
    TokenFileOption,
    UrlOption,
    printable,
    segment,
    show_json,
    show_table,
)

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
def list_alarms(
    *,
    state: Annotated[StateChoice, typer.Option("--state", help="Only alarms in this state.")] = StateChoice.STANDING,
    kind: Annotated[str, typer.Option("--kind", help="Only this kind, see `gridiface alarm kinds`.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 100,
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List alarms, those that stand first. Exit code 1: with --state raised or standing, and there is a critical one.

    Example: gridiface alarm list --kind device_lost
    """
    remote = Remote.of(url, config, token_file)
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
def show(
    *,
    alarm: AlarmArgument,
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one alarm and what to do.

    Example: gridiface alarm show 0123456789abcdef
    """
    found = Remote.of(url, config, token_file).get(f"/alarms/{segment(alarm)}")
    if as_json:
        show_json(found)
        return
    facts = [(name, found[name]) for name in ("kind", "severity", "subject", "text", "state", "count", "fix")]
    facts += [("raised", utc(found["raised"]))]
    facts += [(name, utc(found[name])) for name in ("acknowledged", "cleared") if found[name] is not None]
    facts += [("by", f"{found['by']}: {found['note']}")] if found["by"] else []
    show_table("", ("", ""), facts)


@app.command("ack")
def acknowledge(
    *,
    alarm: AlarmArgument,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the alarm and in the audit log.")] = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Note that you have seen an alarm; a latched one is cleared by it.

    Example: gridiface alarm ack 0123456789abcdef --reason "technician is on the way"
    """
    found = Remote.of(url, config, token_file).post(f"/alarms/{segment(alarm)}/acknowledge", {"reason": reason})
    if as_json:
        show_json(found)
    else:
        typer.echo(printable(f"{found['kind']} {found['subject']} is {found['state']}"))


@app.command("kinds")
def kinds(
    *,
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the kinds of alarms, what they mean and what to do.

    Example: gridiface alarm kinds
    """
    found = Remote.of(url, config, token_file).get("/alarms/kinds")
    if as_json:
        show_json(found)
    else:
        rows = [(k["kind"], k["severity"], k["meaning"], k["fix"]) for k in found["kinds"]]
        show_table("", ("kind", "severity", "means", "what to do"), rows)


@app.command("test")
def send_test(
    *,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the audit log.")] = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a test notice to every webhook and mail list; shows what went wrong before.

    Example: gridiface alarm test
    """
    found = Remote.of(url, config, token_file).post("/alarms/test", {"reason": reason})
    if as_json:
        show_json(found)
        return
    typer.echo(f"{found['targets']} are told, {found['waiting']} notices wait")
    for name, why in found["failing"].items():
        typer.echo(printable(f"{name}: {why}"), err=True)
