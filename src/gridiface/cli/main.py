"""The entry point `gridiface`: names one verb per file.

Exit codes: 0 done; 1 the thing asked for failed or a check did not hold; 2 wrong usage or configuration; 3 the
server or the store cannot be reached.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gridiface import __version__
from gridiface.cli.lazy import LazyGroup, Verb
from gridiface.cli.terminal.failing import run
from gridiface.cli.terminal.quiet import be_quiet


class Verbs(LazyGroup):
    """Every verb, in the order of the help; docs/developer/command-line.md says how one is added."""

    verbs = (
        Verb(
            "demo",
            "gridiface.cli.demo:demo",
            "Run a utility, a server, 20 SunSpec devices and three 2030.5 inverters, "
            "and let a control travel through them.",
        ),
        Verb(
            "init",
            "gridiface.cli.init:init",
            "Write a commented configuration and a test PKI, ready for `gridiface serve`.",
        ),
        Verb(
            "check",
            "gridiface.cli.looking.check:check",
            "Check a configuration file, and the files that it names, without starting anything.",
        ),
        Verb(
            "doctor",
            "gridiface.cli.looking.doctor:doctor",
            "Look at ports, clock, certificates, database, disk, drivers and limits.",
        ),
        Verb(
            "serve",
            "gridiface.cli.serving.serve:serve",
            "Run the server until SIGINT or SIGTERM; running work is finished, then everything is closed.",
        ),
        Verb(
            "grafana",
            "gridiface.cli.grafana:grafana",
            "Print the Grafana dashboard of this version, to be imported over a Prometheus data source.",
        ),
        Verb("version", "gridiface.cli.version:version", "Print the version of gridiface and of what it runs on."),
        Verb(
            "control", "gridiface.cli.control:app", "Send, list, show, cancel and watch controls of a running server."
        ),
        Verb(
            "device",
            "gridiface.cli.fleet.device:app",
            "Devices: list, add, change, move, remove, block, quarantine.",
        ),
        Verb(
            "group",
            "gridiface.cli.fleet.group:app",
            "Groups: list, create, change, remove, choose how a total is split.",
        ),
        Verb(
            "status",
            "gridiface.cli.status:status",
            "Show what the fleet is asked, told and doing, and the newest steps of controls.",
        ),
        Verb("trace", "gridiface.cli.trace:app", "Messages of all protocols: listed, searched, decoded."),
        Verb("user", "gridiface.cli.user:app", "Make, list, change and remove the people who may sign in."),
        Verb("alarm", "gridiface.cli.alarm:app", "List and acknowledge alarms, and test who is told of them."),
        Verb("audit", "gridiface.cli.audit:app", "Search, export and verify the log of who changed what."),
        Verb("token", "gridiface.cli.token:app", "Make, list, show and revoke API tokens."),
        Verb(
            "pki",
            "gridiface.cli.pki:app",
            "Make a test PKI, issue certificates, and see what a certificate is good for.",
        ),
        Verb("db", "gridiface.cli.db:app", "Upgrade, back up, restore and check the database."),
        Verb(
            "sep2",
            "gridiface.cli.sep2.app:app",
            "IEEE 2030.5 server: clients, rates, programs, controls, messages, prices, events and files.",
        ),
        Verb(
            "dnp3",
            "gridiface.cli.dnp3.app:app",
            "DNP3: point maps, the device profile, a first poll, files of an outstation, an authority's changes of "
            "users and keys, and outstations of a running server.",
        ),
        Verb(
            "openadr",
            "gridiface.cli.openadr.app:app",
            "OpenADR: VENs, events and reports of our VTN; our VENs at utilities' VTNs.",
        ),
        Verb(
            "import",
            "gridiface.cli.reports.importing:app",
            "Take over site descriptions of other systems, and meter data.",
        ),
        Verb(
            "report", "gridiface.cli.reports.report:app", "Baselines, settlements, exports and performance over time."
        ),
        Verb(
            "settlement",
            "gridiface.cli.reports.settlement:app",
            "Settlements by a running server: made, anew by late data, listed, exported.",
        ),
        Verb(
            "portfolio",
            "gridiface.cli.fleet.portfolio:app",
            "Portfolios: enrol, list, show, replace, remove, status, and which assets qualify.",
        ),
        Verb(
            "conform",
            "gridiface.cli.conform:app",
            "Run conformance procedures against a 2030.5 server, an OpenADR VTN or a DNP3 outstation.",
        ),
        Verb("bench", "gridiface.cli.bench.app:app", "Measure this machine: every figure comes with what was done."),
        Verb(
            "chaos",
            "gridiface.cli.chaos.app:chaos",
            "Provoke failures, set clocks, lose links, and check what must hold.",
        ),
    )


app = typer.Typer(
    name="gridiface",
    cls=Verbs,
    help="Grid-interface server: IEEE 2030.5, OpenADR 2.0b and DNP3 towards utilities, one fleet of devices behind.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gridiface {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no notes; before the verb. Errors are told.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_tell_version, help="The version in one line, and no more."),
    ] = False,
) -> None:
    be_quiet(quiet=quiet)


def main() -> None:
    """Run the command line; expected errors end in one line on standard error, or one JSON object, and a code."""
    run(app)
