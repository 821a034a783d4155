"""`gridiface group`: groups of a running server; those that define them are define.py's. Owns words and tables only."""

from __future__ import annotations

from typing import Annotated

import typer

from gridiface.cli.fleet import define, envelope
from gridiface.cli.fleet.define import GroupArgument
from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.terminal.showing import asks, kw, percent, show_json, show_table
from gridiface.segments import segment

app = typer.Typer(no_args_is_help=True, help="Groups: list, create, change, remove, choose how a total is split.")
app.command("create")(define.create_group)
app.command("definition")(define.group_definition)
app.command("change")(define.change_group)
app.command("remove")(define.remove_group)
app.command("envelope")(envelope.group_envelope)


@app.command("list")
@asking
def list_groups(
    remote: Remote,
    *,
    as_json: bool,
) -> None:
    """List groups: what is asked of each, what its members were told, what it delivers.

    Example: gridiface group list
    """
    found = remote.get("/groups")
    if as_json:
        show_json(found)
        return
    columns = ("group", "name", "inside", "devices", "requested, kW", "allocated, kW", "delivered, kW", "charge, %")
    show_table(
        "",
        columns,
        [
            (
                g["id"],
                g["name"],
                g["parent"],
                g["devices"],
                kw(g["requested_W"]),
                kw(g["allocated_W"]),
                kw(g["delivered_W"]),
                percent(g["soc"]),
            )
            for g in found["groups"]
        ],
    )


@app.command("show")
@asking
def show(
    remote: Remote,
    *,
    as_json: bool,
    group: GroupArgument,
) -> None:
    """Show one group: limits, members and the controls that name it.

    Example: gridiface group show fleet
    """
    found = remote.get(f"/groups/{segment(group)}")
    if as_json:
        show_json(found)
        return
    facts = [
        ("group", found["id"]),
        ("name", found["name"]),
        ("inside", found["parent"]),
        ("members", ", ".join(found["members"])),
        ("devices", found["devices"]),
        ("measured by", found["meter"] or "sum of its members"),
        ("cap out, in, kW", f"{kw(found['max_export_w'])}, {kw(found['max_import_w'])}"),
        ("split by", found["strategy"]),
        ("requested, kW", kw(found["requested_W"])),
        ("allocated, kW", kw(found["allocated_W"])),
        ("delivered, kW", kw(found["delivered_W"])),
        ("charge, %", percent(found["soc"])),
    ]
    show_table("", ("", ""), facts)
    rows = [(c["id"], c["description"], c["source"], asks(c["values"]), c["state"]) for c in found["controls"]]
    show_table("Controls", ("control", "what for", "from", "asks for", "state"), rows)


@app.command("strategy")
@asking
def strategy(
    remote: Remote,
    *,
    as_json: bool,
    group: Annotated[str, typer.Argument(help="The group's id; without a name its strategy is shown.")],
    name: Annotated[str | None, typer.Argument(help="The strategy from now on; `configured`: as in the file.")] = None,
    reason: Annotated[str, typer.Option(help="Why; for the audit log.")] = "",
) -> None:
    """Show or change how a group's total is split, while the server runs.

    Example: gridiface group strategy feeder-2 merit-order
    """
    if name is None:
        found = remote.get("/engine/strategies")
    else:
        body = {"strategy": None if name == "configured" else name, "reason": reason}
        found = remote.put(f"/groups/{segment(group)}/strategy", body)
    if as_json:
        show_json(found)
        return
    rows = [row for row in found["groups"] if row["group"] == group]
    shown = [(row["group"], row["strategy"], "chosen while running" if row["chosen"] else "") for row in rows]
    show_table("", ("group", "strategy", ""), shown)
    typer.echo(f"there are: {', '.join(found['known'])}")
