"""The entry point `gridiface`: mounts one verb per file and turns expected errors into one line and an exit code.

Exit codes: 0 done; 1 the thing asked for failed or a check did not hold; 2 wrong usage or configuration; 3 the
server or the store cannot be reached.
"""

from __future__ import annotations

import os
import sys

import typer

from gridiface.app.config import load_config
from gridiface.cli import (
    check,
    control,
    db,
    demo,
    device,
    doctor,
    group,
    importing,
    init,
    pki,
    report,
    serve,
    token,
    version,
)
from gridiface.cli.bench.app import app as bench
from gridiface.cli.dnp3 import app as dnp3
from gridiface.errors import ConfigError, GridifaceError, StoreUnavailable

db.use_resolver(lambda path: load_config(path).database)

app = typer.Typer(
    name="gridiface",
    help="Grid-interface server: IEEE 2030.5, OpenADR 2.0b and DNP3 towards utilities, one fleet of devices behind.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("init")(init.init)
app.command("check")(check.check)
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
app.add_typer(control.app, name="control")
app.add_typer(device.app, name="device")
app.add_typer(group.app, name="group")
app.add_typer(token.app, name="token")
app.add_typer(pki.app, name="pki")
app.add_typer(db.app, name="db")
app.add_typer(dnp3, name="dnp3")
app.add_typer(importing.app, name="import")
app.add_typer(report.app, name="report")
app.add_typer(bench, name="bench")
app.command("version")(version.version)


def main() -> None:
    """Run the command line; expected errors end in one line on standard error, not in a traceback."""
    try:
        app()
    except ConfigError as problem:
        _fail(problem, 2)
    except StoreUnavailable as problem:
        _fail(problem, 3)
    except GridifaceError as problem:
        _fail(problem, 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def _fail(problem: Exception, code: int) -> None:
    typer.echo(f"gridiface: {problem}", err=True)
    raise SystemExit(code) from problem
