"""`gridiface user`: make, list, change, invite, sign out and remove users, on a server or on a stopped one's store.

A user's password is never typed here: a ticket, good once and for a day, lets the user choose it at /setup.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gridiface.cli.direct import DirectOption, is_direct, me, on_store
from gridiface.cli.remote import JsonOption, ReasonOption, Remote, TokenFileOption, UrlOption
from gridiface.cli.showing import show_json, show_table, utc
from gridiface.errors import GridifaceError
from gridiface.operator.users import TICKET_S, User, UserBook
from gridiface.segments import segment

app = typer.Typer(no_args_is_help=True, help="Make, list, change and remove the people who may sign in.")

_Found = TypeVar("_Found")

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
def create(
    *,
    name: Annotated[str, typer.Argument(help="Name to sign in with; letters, digits and ._@-.")],
    role: Annotated[RoleChoice, typer.Option("--role", help="What the user may do.")] = RoleChoice.VIEWER,
    group: GroupOption = None,
    url: UrlOption = None,
    config: DirectOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a user; prints the link, good once and for a day, at which the user chooses a password.

    Roles: viewer sees everything; operator also sends and cancels controls, blocks devices, acknowledges alarms;
    engineer also sets up devices and groups; auditor reads the audit log; admin may do everything.

    Example: gridiface user create ann --role operator --group feeder --config gridiface.yaml
    """
    if is_direct(config, token_file):

        async def make(book: UserBook, now: float) -> dict[str, Any]:
            user, ticket = await book.create(name, role.value, now, by=me(), groups=group or None)
            return {"user": user.row(), "ticket": ticket, "expires": now + TICKET_S}

        made = _on_store(config, make)
    else:
        body = {"name": name, "role": role.value, "groups": group or None}
        made = Remote.of(url, config, token_file).post("/users", body)
    _show_invited(made, _address(url, config), as_json=as_json)


@app.command("list")
def list_users(
    *,
    url: UrlOption = None,
    config: DirectOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List users with their roles.

    Example: gridiface user list --json
    """
    if is_direct(config, token_file):

        async def rows(book: UserBook, _: float) -> list[Any]:
            return list(book.rows())

        found = _on_store(config, rows)
    else:
        found = Remote.of(url, config, token_file).get("/users")["users"]
    if as_json:
        show_json({"users": found})
        return
    cells = [(u["name"], u["role"], _groups(u), u["state"], utc(u["created"]), u["by"], u["id"]) for u in found]
    show_table("", ("user", "role", "groups", "state", "made, UTC", "by", "id"), cells)


@app.command("change")
def change(
    *,
    name: NameArgument,
    role: Annotated[RoleChoice | None, typer.Option("--role", help="The new role.")] = None,
    group: GroupOption = None,
    whole_fleet: Annotated[bool, typer.Option("--whole-fleet", help="Confined to no groups any more.")] = False,
    disable: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Whether the user is kept from signing in.")
    ] = None,
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: DirectOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a user's role, groups or state; takes effect at once, also for sessions that are open.

    Example: gridiface user change ann --role engineer --whole-fleet --reason "new duties"
    """
    fields: dict[str, Any] = {}
    fields |= {} if role is None else {"role": role.value}
    fields |= {"groups": tuple(sorted(group))} if group else {"groups": None} if whole_fleet else {}
    fields |= {} if disable is None else {"disabled": disable}
    if is_direct(config, token_file):
        row = _on_store(
            config,
            lambda book, now: _changed(book, name, lambda u: book.change(u, now, by=me(), reason=reason, **fields)),
        )
    else:
        remote = Remote.of(url, config, token_file)
        body = {**fields, "reason": reason} | ({"whole_fleet": True} if whole_fleet and not group else {})
        row = remote.patch(f"/users/{segment(name)}", {k: v for k, v in body.items() if v is not None})
    if as_json:
        show_json(row)
    else:
        typer.echo(f"user {row['name']} is {row['role']}, {row['state']}, sees {_groups(row)}")


@app.command("invite")
def invite(
    *,
    name: NameArgument,
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: DirectOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a new link at which a user chooses a password; for who has forgotten it. Earlier links are void.

    Example: gridiface user invite ann --config gridiface.yaml
    """
    if is_direct(config, token_file):

        async def make(book: UserBook, now: float) -> dict[str, Any]:
            user = _find(book, name)
            ticket = await book.invite(user, now, by=me(), reason=reason)
            return {"user": user.row(), "ticket": ticket, "expires": now + TICKET_S}

        made = _on_store(config, make)
    else:
        made = Remote.of(url, config, token_file).post(f"/users/{segment(name)}/invite", {"reason": reason})
    _show_invited(made, _address(url, config), as_json=as_json)


@app.command("sign-out")
def sign_out(
    *,
    name: NameArgument,
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: DirectOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """End all sessions of a user.

    Example: gridiface user sign-out ann --reason "lost laptop"
    """
    if is_direct(config, token_file):
        row = _on_store(
            config,
            lambda book, now: _changed(
                book, name, lambda u: book.change(u, now, by=me(), reason=reason or "signed out", since=now)
            ),
        )
    else:
        row = Remote.of(url, config, token_file).post(f"/users/{segment(name)}/sign-out", {"reason": reason})
    if as_json:
        show_json(row)
    else:
        typer.echo(f"user {row['name']} is signed out everywhere")


@app.command("remove")
def remove(
    *,
    name: NameArgument,
    url: UrlOption = None,
    config: DirectOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a user; sessions are over at once, the audit log stays.

    Example: gridiface user remove ann
    """
    if is_direct(config, token_file):

        async def gone(book: UserBook, now: float) -> dict[str, Any]:
            user = _find(book, name)
            await book.remove(user, now, by=me())
            return dict(user.row())

        row = _on_store(config, gone)
    else:
        row = Remote.of(url, config, token_file).delete(f"/users/{segment(name)}")
    if as_json:
        show_json(row)
    else:
        typer.echo(f"user {row['name']} is removed")


def _on_store(config: Path | None, work: Callable[[UserBook, float], Awaitable[_Found]]) -> _Found:
    async def run(store: Any, now: float) -> _Found:
        book = UserBook(store)
        await book.load(now)
        return await work(book, now)

    return on_store(config, run)


async def _changed(book: UserBook, name: str, work: Callable[[User], Awaitable[User]]) -> dict[str, Any]:
    return dict((await work(_find(book, name))).row())


def _find(book: UserBook, name: str) -> User:
    user = book.find(name)
    if user is None:
        raise GridifaceError(f"there is no user {name!r}; `gridiface user list` shows them")
    return user


def _address(url: str | None, config: Path | None) -> str:
    """Where a browser finds the server; empty where it is not known yet."""
    try:
        return Remote.of(url, config, None).url
    except GridifaceError:
        return ""


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
