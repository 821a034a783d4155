"""`gridiface openadr`: the verbs of our VTN under `vtn`, those of our VENs under `ven`."""

from __future__ import annotations

import typer

from gridiface.cli.openadr.events import app as events
from gridiface.cli.openadr.own import app as own
from gridiface.cli.openadr.reports import app as reports
from gridiface.cli.openadr.vens import app as vens

app = typer.Typer(
    no_args_is_help=True, help="OpenADR: VENs, events and reports of our VTN; our VENs at utilities' VTNs."
)
vtn = typer.Typer(no_args_is_help=True, help="Our VTN: its VENs, events and reports.")
vtn.add_typer(vens)
vtn.add_typer(events)
vtn.add_typer(reports)
app.add_typer(vtn, name="vtn")
app.add_typer(own, name="ven")
