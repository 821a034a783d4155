"""`gridiface trace`: the messages that a running server exchanged with its peers. Owns words and tables only."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.terminal.showing import show_json, show_table, utc
from gridiface.segments import segment

app = typer.Typer(no_args_is_help=True, help="Messages of all protocols: listed, searched, decoded.")


class ProtocolChoice(StrEnum):
    """The protocols that are traced."""

    SEP2 = "sep2"
    OPENADR = "openadr"
    DNP3 = "dnp3"


@app.command("list")
@asking
def list_messages(
    remote: Remote,
    *,
    as_json: bool,
    protocol: Annotated[ProtocolChoice | None, typer.Option("--protocol", help="Only of this protocol.")] = None,
    peer: Annotated[str, typer.Option("--peer", help="Only of this identity (LFDI, venID, master) or device.")] = "",
    text: Annotated[str, typer.Option("--text", help="Only with these words anywhere in the message.")] = "",
    whole: Annotated[bool, typer.Option("--whole", help="With --json: with the decoded messages.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="At most so many, the newest.", min=1, max=5_000)] = 50,
) -> None:
    """List the newest messages that passed.

    Example: gridiface trace list --protocol sep2 --text DERControl
    """
    wanted = None if protocol is None else protocol.value
    found = remote.get("/trace", protocol=wanted, peer=peer, text=text, whole=whole and "true", limit=limit)
    if as_json:
        show_json(found)
        return
    rows = [
        (
            m["number"],
            utc(m["at"]),
            m["protocol"],
            "in" if m["received"] else "out",
            m["device"] or m["peer"],
            m["what"],
        )
        for m in found["messages"]
    ]
    show_table("", ("number", "time, UTC", "protocol", "", "peer", "message"), rows)


@app.command("show")
@asking
def show(
    remote: Remote,
    *,
    as_json: bool,
    number: Annotated[int, typer.Argument(help="The message's number, as `gridiface trace list` shows it.")],
) -> None:
    """Print one message, decoded.

    Example: gridiface trace show 1042
    """
    found = remote.get(f"/trace/{segment(str(number))}")
    if as_json:
        show_json(found)
        return
    typer.echo(f"{utc(found['at'])} {found['protocol']} {found['device'] or found['peer']} {found['what']}")
    typer.echo(found["text"] or "")
