"""`gridiface check`: is the configuration right? Names file, line and the fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gridiface.app.config import load_config
from gridiface.app.fronts.checks import front_checks
from gridiface.cli.terminal.showing import many
from gridiface.errors import ConfigError


def check(
    config: Annotated[Path, typer.Argument(help="The configuration file (YAML).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a configuration file, and the files that it names, without starting anything.

    Exit code 0: right; 2: every mistake is printed as file:line: place: what is wrong; the fix.

    Example: gridiface check gridiface.yaml
    """
    try:
        loaded = load_config(config, drivers=True, also=front_checks)
    except ConfigError as problem:
        if not as_json:
            raise
        typer.echo(json.dumps({"ok": False, "mistakes": str(problem).splitlines(), **problem.details}))
        raise typer.Exit(2) from problem
    summary = {
        "ok": True,
        "site": loaded.site,
        "devices": len(loaded.devices),
        "groups": len(loaded.groups),
        "sep2": loaded.sep2 is not None,
    }
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        typer.echo(f"{config}: right. {many(len(loaded.devices), 'device')} in {many(len(loaded.groups), 'group')}.")
