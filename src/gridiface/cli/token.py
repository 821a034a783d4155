"""`gridiface token`: make, list, show and revoke API tokens, on a running server or on the store of a stopped one.

With --config and no token in hand the verbs work on the store itself; that is how the first token is made. A token's
text is printed once and kept nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.cli.places.place import at, checked
from gridiface.cli.places.token_place import TokenPlace, tokens_at
from gridiface.cli.terminal.showing import show_json, show_table, utc
from gridiface.errors import ConfigError, GridifaceError
from gridiface.operator.areas.tokens import NewToken

app = typer.Typer(no_args_is_help=True, help="Make, list, show and revoke API tokens.")


class ScopeChoice(StrEnum):
    """What a token may do; see operator.tokens.IMPLIED."""

    STREAM = "stream"
    READ = "read"
    CONTROL = "control"
    CONFIGURE = "configure"
    AUDIT = "audit"
    ADMIN = "admin"


@app.command("create")
@at(tokens_at)
def create(
    place: TokenPlace,
    *,
    as_json: bool,
    name: Annotated[str, typer.Argument(help="Who or what will use it; shown in the audit log.")],
    scope: Annotated[
        list[ScopeChoice] | None, typer.Option("--scope", help="What it may do; repeatable; read without any.")
    ] = None,
    days: Annotated[float, typer.Option("--days", help="Valid for so many days.", min=0.001, max=3650)] = 90.0,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", help="Group that may be seen and controlled with it; repeatable; none: the whole fleet."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the token into this new file, for its owner only.")
    ] = None,
) -> None:
    """Make a token; its text is shown this once.

    Example: gridiface token create ops --scope admin --config gridiface.yaml --out ops.token
    """
    wanted = {"name": name, "scopes": [s.value for s in scope or [ScopeChoice.READ]], "days": days}
    asked = checked(NewToken, {**wanted, "groups": group or None})
    opened = None if out is None else _new_file(out)
    try:
        made = place.create(asked)
    except GridifaceError:
        if opened is not None and out is not None:
            os.close(opened)
            out.unlink(missing_ok=True)
        raise
    if opened is not None:
        with os.fdopen(opened, "w", encoding="utf-8") as file:
            file.write(made["token"] + "\n")
    _show_made(made, out, as_json=as_json)


@app.command("list")
@at(tokens_at)
def list_tokens(
    place: TokenPlace,
    *,
    as_json: bool,
) -> None:
    """List tokens, without their secrets.

    Example: gridiface token list --config gridiface.yaml
    """
    found = place.rows()
    if as_json:
        show_json({"tokens": found})
        return
    _show_tokens(found)


@app.command("show")
@at(tokens_at)
def show(
    place: TokenPlace,
    *,
    as_json: bool,
    name: Annotated[str, typer.Argument(help="Its name or id.")],
) -> None:
    """Show one token, without its secret.

    Example: gridiface token show ops --config gridiface.yaml
    """
    found = place.one(name)
    if as_json:
        show_json(found)
        return
    _show_tokens([found])


def _show_tokens(found: Sequence[Mapping[str, Any]]) -> None:
    show_table(
        "",
        ("token", "name", "scopes", "groups", "made, UTC", "by", "expires, UTC", ""),
        [
            (
                t["id"],
                t["name"],
                ", ".join(t["scopes"]),
                "the whole fleet" if t["groups"] is None else ", ".join(t["groups"]),
                utc(t["created"]),
                t["by"],
                utc(t["expires"]),
                "expired" if t["expired"] else "",
            )
            for t in found
        ],
    )


@app.command("revoke")
@at(tokens_at)
def revoke(
    place: TokenPlace,
    *,
    as_json: bool,
    token: Annotated[str, typer.Argument(help="The token's id or name, as `gridiface token list` shows it.")],
) -> None:
    """Revoke a token; it stops working at once.

    Example: gridiface token revoke ops --config gridiface.yaml
    """
    gone = place.revoke(token)
    if as_json:
        show_json(gone)
    else:
        typer.echo(f"token {gone['id']} ({gone['name']}) is revoked")


def _new_file(path: Path) -> int:
    """A new file for its owner only, open for writing."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be made: {problem.strerror}; name a new file") from problem


def _show_made(made: dict[str, Any], out: Path | None, *, as_json: bool) -> None:
    if out is not None:
        made = {k: v for k, v in made.items() if k not in {"token", "client_secret"}} | {"file": str(out)}
    if as_json:
        show_json(made)
        return
    typer.echo(
        f"token {made['id']} ({made['name']}, {', '.join(made['scopes'])}), until {utc(made['expires'])} UTC", err=True
    )
    if out is None:
        typer.echo("it is shown this once:", err=True)
        typer.echo(made["token"])
