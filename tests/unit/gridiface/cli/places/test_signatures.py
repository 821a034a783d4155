"""A verb's stand-in has its name, its help and the parameters that it is given."""

from __future__ import annotations

from inspect import Parameter
from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from gridiface.cli.places.signatures import shown_as


def greet(text: str, *, loud: bool) -> None:
    """Say hello.

    Example: greet you
    """
    typer.echo(text.upper() if loud else text)


def test_the_command_line_takes_the_parameters_and_the_verb_what_is_made_of_them() -> None:
    def run(**given: Any) -> None:
        greet(f"{given.pop('first')} {given.pop('last')}", **given)

    name = Annotated[str, typer.Argument(help="A part of the name.")]
    switch = Annotated[bool, typer.Option("--loud", help="In capitals.")]
    shown_as(
        greet,
        run,
        [
            Parameter("first", Parameter.KEYWORD_ONLY, annotation=name),
            Parameter("last", Parameter.KEYWORD_ONLY, annotation=name),
            Parameter("loud", Parameter.KEYWORD_ONLY, default=False, annotation=switch),
        ],
    )
    app = typer.Typer()
    app.command()(run)
    assert CliRunner().invoke(app, ["ada", "byron", "--loud"]).stdout == "ADA BYRON\n"
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert "Say hello." in shown
    assert "A part of the name." in shown
    assert (run.__name__, run.__module__) == ("greet", __name__)
