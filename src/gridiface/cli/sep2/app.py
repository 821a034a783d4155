"""`gridiface sep2`: everything an operator makes the IEEE 2030.5 server of a running gridiface do."""

from __future__ import annotations

import typer

from gridiface.cli.sep2.clients import app as clients
from gridiface.cli.sep2.flow import app as flow
from gridiface.cli.sep2.programs import app as programs
from gridiface.cli.sep2.resources import app as resources
from gridiface.cli.sep2.upstream import app as upstream

app = typer.Typer(
    no_args_is_help=True,
    help="IEEE 2030.5 server: clients, rates, programs, controls, messages, prices, events and files.",
)
for part in (clients, programs, resources, flow):
    app.registered_commands += part.registered_commands
app.add_typer(upstream, name="upstream")
