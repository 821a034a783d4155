"""`gridiface status`: what the fleet of a running server is asked, told and doing. Owns words and tables only."""

from __future__ import annotations

import typer

from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.terminal.showing import kw, many, percent, show_json, show_table


@asking
def status(remote: Remote, *, as_json: bool) -> None:
    """Show what the fleet is asked, told and doing, and the newest steps of controls.

    Example: gridiface status
    """
    found = remote.get("/status")
    if as_json:
        show_json(found)
        return
    devices = found["devices"]
    typer.echo(f"{found['site']}: {devices['online']} of {many(devices['total'], 'device')} answer")
    columns = ("group", "devices", "requested, kW", "allocated, kW", "delivered, kW", "charge, %")
    groups = [
        (g["id"], g["devices"], kw(g["requested_W"]), kw(g["allocated_W"]), kw(g["delivered_W"]), percent(g["soc"]))
        for g in found["groups"]
    ]
    show_table("", columns, groups)
    controls = [(c["id"], c["target"], c["source"], c["state"], c["description"]) for c in found["controls"]]
    show_table("Controls", ("control", "target", "from", "state", "what for"), controls)
