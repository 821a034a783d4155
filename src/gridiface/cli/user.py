"""`gridiface user`: make, list, change, invite, sign out and remove users, on a server or on a stopped one's store.

A user's password is never typed here: a ticket, good once and for a day, lets the user choose it at /setup.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from gridiface.cli.places.place import at
from gridiface.cli.places.remote import ReasonOption
from gridiface.cli.places.user_place import Change, UserPlace, users_at
from gridiface.cli.terminal.showing import show_json, show_table, utc

app = typer.Typer(no_args_is_help=True, help="Make, list, change and remove the people who may sign in.")

NameArgument = Annotated[str, typer.Argument(help="The user's name or id, as `gridiface user list` shows it.")]
GroupOption = Annotated[
    list[str] | None,
    typer.Option("--group", help="Group that the user may see and control; repeatable; without any: the whole fleet."),
]


class RoleChoice(StrEnum):
    """What a user may do; see operator.scopes.ROLES."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    AUDITOR = "auditor"
    ADMIN = "admin"


@app.command("create")
@at(users_at)
def create(
    place: UserPlace,
    *,
    as_json: bool,
    name: Annotated[str, typer.Argument(help="Name to sign in with; letters, digits and ._@-.")],
    role: Annotated[RoleChoice, typer.Option("--role", help="What the user may do.")] = RoleChoice.VIEWER,
    group: GroupOption = None,
) -> None:
    """Make a user; prints the link, good once and for a day, at which the user chooses a password.

    Roles: viewer sees everything; operator also sends and cancels controls, blocks devices, acknowledges alarms;
    engineer also sets up devices and groups; auditor reads the audit log; admin may do everything.

    Example: gridiface user create ann --role operator --group feeder --config gridiface.yaml
    """
    _show_invited(place.create(name, role.value, group or None), place.address, as_json=as_json)


@app.command("list")
@at(users_at)
def list_users(
    place: UserPlace,
    *,
    as_json: bool,
) -> None:
    """List users with their roles.

    Example: gridiface user list --json
    """
    found = place.rows()
    if as_json:
        show_json({"users": found})
        return
    cells = [(u["name"], u["role"], _groups(u), u["state"], utc(u["created"]), u["by"], u["id"]) for u in found]
    show_table("", ("user", "role", "groups", "state", "made, UTC", "by", "id"), cells)


@app.command("change")
@at(users_at)
def change(
    place: UserPlace,
    *,
    as_json: bool,
    name: NameArgument,
    role: Annotated[RoleChoice | None, typer.Option("--role", help="The new role.")] = None,
    group: GroupOption = None,
    whole_fleet: Annotated[bool, typer.Option("--whole-fleet", help="Confined to no groups any more.")] = False,
    disable: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Whether the user is kept from signing in.")
    ] = None,
    reason: ReasonOption = "",
) -> None:
    """Change a user's role, groups or state; takes effect at once, also for sessions that are open.

    Example: gridiface user change ann --role engineer --whole-fleet --reason "new duties"
    """
    wanted = Change(role=role and role.value, groups=group or None, whole_fleet=whole_fleet, disabled=disable)
    row = place.change(name, wanted, reason)
    if as_json:
        show_json(row)
    else:
        typer.echo(f"user {row['name']} is {row['role']}, {row['state']}, sees {_groups(row)}")


@app.command("invite")
@at(users_at)
def invite(
    place: UserPlace,
    *,
    as_json: bool,
    name: NameArgument,
    reason: ReasonOption = "",
) -> None:
    """Print a new link at which a user chooses a password; for who has forgotten it. Earlier links are void.

    Example: gridiface user invite ann --config gridiface.yaml
    """
    _show_invited(place.invite(name, reason), place.address, as_json=as_json)


@app.command("sign-out")
@at(users_at)
def sign_out(
    place: UserPlace,
    *,
    as_json: bool,
    name: NameArgument,
    reason: ReasonOption = "",
) -> None:
    """End all sessions of a user.

    Example: gridiface user sign-out ann --reason "lost laptop"
    """
    row = place.sign_out(name, reason)
    if as_json:
        show_json(row)
    else:
        typer.echo(f"user {row['name']} is signed out everywhere")


@app.command("remove")
@at(users_at)
def remove(
    place: UserPlace,
    *,
    as_json: bool,
    name: NameArgument,
) -> None:
    """Remove a user; sessions are over at once, the audit log stays.

    Example: gridiface user remove ann
    """
    row = place.remove(name)
    if as_json:
        show_json(row)
    else:
        typer.echo(f"user {row['name']} is removed")


def _show_invited(made: Mapping[str, Any], address: str, *, as_json: bool) -> None:
    if as_json:
        show_json(made)
        return
    user = made["user"]
    typer.echo(
        f"user {user['name']} ({user['role']}, sees {_groups(user)}) chooses a password, once and until", err=True
    )
    typer.echo(f"{utc(made['expires'])} UTC, at:", err=True)
    typer.echo(f"{address or 'http://HOST:PORT'}/setup#{made['ticket']}")


def _groups(user: Mapping[str, Any]) -> str:
    return "the whole fleet" if user["groups"] is None else ", ".join(user["groups"])
