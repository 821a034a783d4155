"""`gridiface portfolio`: sets of assets as somebody enrols them, and what each can surely give. Owns words only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.terminal.showing import many, show_json, show_table
from gridiface.errors import ConfigError
from gridiface.segments import segment

app = typer.Typer(
    no_args_is_help=True,
    help="Portfolios: enrol, list, show, replace, remove, status, and which assets qualify.",
)

NameArgument = Annotated[str, typer.Argument(help="The portfolio's id, as `gridiface portfolio list` shows it.")]
FileArgument = Annotated[
    Path, typer.Argument(help="JSON: name, and assets with asset_type, zip, capacity_kwh, max_discharge_kw.")
]


@app.command("list")
@asking
def list_portfolios(
    remote: Remote,
    *,
    as_json: bool,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
) -> None:
    """List portfolios.

    Example: gridiface portfolio list
    """
    rows = remote.pages("/portfolios", "portfolios", limit)
    if as_json:
        show_json({"portfolios": rows})
        return
    show_table("", ("id", "name", "assets"), [(row["id"], row["name"], row["assets"]) for row in rows])


@app.command("create")
@asking
def create(remote: Remote, *, as_json: bool, file: FileArgument) -> None:
    """Enrol a portfolio.

    Example: gridiface portfolio create north.json
    """
    made = remote.post("/portfolios", _body(file))
    show_json(made) if as_json else typer.echo(f"{made['id']}: {made['name']}, {many(len(made['assets']), 'asset')}")


@app.command("show")
@asking
def show(remote: Remote, *, as_json: bool, portfolio: NameArgument) -> None:
    """Show a portfolio as it was enrolled.

    Example: gridiface portfolio show 6a1f...
    """
    found = remote.get(f"/portfolios/{segment(portfolio)}")
    if as_json:
        show_json(found)
        return
    columns = ("asset", "what", "zip", "kWh", "kW")
    rows = [(a["id"], a["asset_type"], a["zip"], a["capacity_kwh"], a["max_discharge_kw"]) for a in found["assets"]]
    show_table(found["name"], columns, rows)


@app.command("replace")
@asking
def replace(remote: Remote, *, as_json: bool, portfolio: NameArgument, file: FileArgument) -> None:
    """Replace a portfolio by what a file says.

    Example: gridiface portfolio replace 6a1f... north.json
    """
    path = f"/portfolios/{segment(portfolio)}"
    _, etag = remote.tagged(path)
    found = remote.put(path, _body(file), headers={"If-Match": etag})
    show_json(found) if as_json else typer.echo(f"{found['name']} has {many(len(found['assets']), 'asset')}")


@app.command("remove")
@asking
def remove(remote: Remote, *, as_json: bool, portfolio: NameArgument) -> None:
    """Take a portfolio away; its devices stay in the fleet.

    Example: gridiface portfolio remove 6a1f...
    """
    gone = remote.delete(f"/portfolios/{segment(portfolio)}")
    show_json(gone) if as_json else typer.echo(f"{gone['name']} is removed")


@app.command("status")
@asking
def status(remote: Remote, *, as_json: bool, portfolio: NameArgument) -> None:
    """Show what a portfolio can surely give now, in which programs it is, and for which markets it is large enough.

    Example: gridiface portfolio status 6a1f...
    """
    found = remote.get(f"/portfolios/{segment(portfolio)}/status")
    if as_json:
        show_json(found)
        return
    sure, rated = found["dispatchable_capacity_kw"], found["nameplate_capacity_kw"]
    typer.echo(f"{found['name']}: {sure:.1f} kW sure of {rated:.1f} kW rated,")
    typer.echo(f"{found['observed_assets']} of {many(found['assets'], 'asset')} heard of lately")
    left_out = [(one["cause"].replace("_", " "), f"{one['kw']:.1f}", one["assets"]) for one in found["withheld"]]
    show_table(f"Not to be counted on for {found['hold_h']:g} h", ("why", "kW", "assets"), left_out)
    twice = [(asset, ", ".join(others)) for asset, others in found["also_in"].items()]
    show_table("In other portfolios, too: no market counts them", ("asset", "portfolios"), twice)
    programs = [(p["program"], p["assets"], f"{p['dispatchable_kw']:.1f}", p["active"]) for p in found["dr_programs"]]
    show_table("Programs", ("program", "assets", "sure, kW", "runs"), programs)
    markets = found["wholesale_market_eligibility"].values()
    rows = [(m["name"], ("no", "yes")[m["eligible"]], f"{m['gap_kw']:.0f}", m["incremental_assets"]) for m in markets]
    show_table("Markets", ("market", "large enough", "lacking, kW", "more assets"), rows)


@app.command("qualification")
@asking
def qualification(remote: Remote, *, as_json: bool, portfolio: NameArgument) -> None:
    """Show which assets may be enrolled in the programs of the server's configuration, and what the others fail.

    Example: gridiface portfolio qualification 6a1f...
    """
    found = remote.get(f"/portfolios/{segment(portfolio)}/qualification")
    if as_json:
        show_json(found)
        return
    programs = [
        (p["program"], len(p["qualified"]), f"{p['qualified_kw']:.1f}", len(p["enrolled"]), len(p["refused"]))
        for p in found["programs"]
    ]
    show_table(found["name"], ("program", "qualified", "kW", "in it", "refused"), programs)
    refused = [(r["program"], r["asset_id"], "; ".join(r["failures"])) for p in found["programs"] for r in p["refused"]]
    show_table("Refused", ("program", "asset", "why"), refused)


def _body(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(f"{file}: cannot be read: {problem.strerror}; give a JSON file") from problem
    except ValueError as problem:
        raise ConfigError(f"{file}: no JSON: {problem}; write name and assets") from problem
