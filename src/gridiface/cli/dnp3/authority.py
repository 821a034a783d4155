"""`gridiface dnp3`, the authority of secure authentication: users added, changed and removed, update keys changed.

The authority's key must be at hand here: this is the tool of whoever certifies users (IEEE 1815-2012 clause 7.5.4,
symmetric methods), not of a master. What it certifies goes to the outstation over a connection of its own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gridiface.app.fronts.dnp3_settings import ROLE_NUMBERS, read_update_key
from gridiface.cli.dnp3.peer import with_master
from gridiface.cli.terminal.showing import Json
from gridiface.errors import ConfigError
from gridiface.pki.keyfiles import write_file
from gridiface.protocols.dnp3.authentication.algorithms import (
    DEFAULT_USER,
    AuthenticationSettings,
    KeyChangeMethod,
    User,
    UserOperation,
)
from gridiface.protocols.dnp3.authentication.users import NEVER_DAYS, Authority
from gridiface.protocols.dnp3.master.authentication import MasterAuthentication
from gridiface.protocols.dnp3.master.settings import TaskDone
from gridiface.protocols.dnp3.master.tasks import Task
from gridiface.simulation.dnp3.client import MasterClient, MasterFailed

authority = typer.Typer()


class Method(StrEnum):
    """Symmetric methods of key change, as people write them."""

    AES_256_SHA_256 = "aes256-sha256"
    AES_256_GMAC = "aes256-gmac"
    AES_128_SHA_1 = "aes128-sha1"

    @property
    def wire(self) -> KeyChangeMethod:
        """The method's number."""
        return KeyChangeMethod[self.name]


class Change(StrEnum):
    """What happens to a user."""

    ADD = "add"
    CHANGE = "change"
    DELETE = "delete"

    @property
    def wire(self) -> UserOperation:
        """The operation's number."""
        return UserOperation[self.name]


AuthorityKey = Annotated[Path, typer.Option("--authority", help="File with the authority's key, 32 or 64 hex digits.")]
MethodOption = Annotated[Method, typer.Option("--method", help="How keys and certifications are made.")]


@authority.command("user")
@with_master
def user(
    client: MasterClient,
    *,
    change: Annotated[Change, typer.Argument(help="What happens to the user.")],
    name: Annotated[str, typer.Argument(help="The user's name.")],
    authority_key: AuthorityKey,
    role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLE_NUMBERS)}.")] = "operator",
    days: Annotated[int, typer.Option(help="The role ends after so many days; 65535: never.", min=0, max=65_535)] = (
        NEVER_DAYS
    ),
    sequence: Annotated[
        int | None,
        typer.Option(help="Must grow with each change; without: the seconds since 1970.", min=1, max=2**32 - 1),
    ] = None,
    method: MethodOption = Method.AES_256_SHA_256,
    as_json: Json = False,
) -> None:
    """Add, change or delete a user of an outstation's secure authentication, certified by its authority.

    A user that was added has no update key yet: give it one with `gridiface dnp3 update-key`.

    Example: gridiface dnp3 user 127.0.0.1:20000 add bo --role operator --authority pki/authority.key
    """
    if role not in ROLE_NUMBERS:
        raise ConfigError(f"role {role!r}: one of {', '.join(ROLE_NUMBERS)}")
    number = int(time.time()) if sequence is None else sequence
    own = Authority(read_update_key(authority_key, "an authority"), method.wire)
    certified = own.certify(change.wire, name, number, ROLE_NUMBERS[role], days)
    passing = _passing_on(method)
    try:
        asyncio.run(_run(client, f"{change} {name}", passing.change_user(certified)))
    except MasterFailed as problem:
        raise MasterFailed(
            f"{problem}; the outstation did not take it: has it an `authority_key`, is this one its own, the sequence "
            f"({number}) larger than the last, and is the user there (or not yet)?"
        ) from problem
    if as_json:
        typer.echo(json.dumps({"user": name, "change": change.value, "sequence": number}))
    else:
        typer.echo(f"{name}: {change.value}, taken (sequence {number})")


@authority.command("update-key")
@with_master
def update_key(
    client: MasterClient,
    *,
    name: Annotated[str, typer.Argument(help="The user's name.")],
    authority_key: AuthorityKey,
    station: Annotated[
        str,
        typer.Option(help="The outstation's own name, as its configuration has it: the proof is for it alone."),
    ],
    out: Annotated[Path, typer.Option(help="Write the new key to this file; it must not exist.")],
    method: MethodOption = Method.AES_256_SHA_256,
    as_json: Json = False,
) -> None:
    """Give a user of an outstation's secure authentication a new update key, made here at random.

    The key is in the file before the outstation is asked, readable by its owner only. When no proof comes back that
    the outstation has it, keep the old key as well: the answer may have been lost on its way.

    Example: gridiface dnp3 update-key HOST:20000 bo --station gateway --authority pki/authority.key --out pki/bo.key
    """
    own = Authority(read_update_key(authority_key, "an authority"), method.wire)
    passing = _passing_on(method, station)
    fresh = secrets.token_bytes(method.wire.key_octets)
    if out.exists():
        raise ConfigError(f"{out} exists; take another name or remove it")
    write_file(out, fresh.hex().encode() + b"\n", secret=True)
    try:
        done = asyncio.run(_run(client, f"update key of {name}", passing.change_update_key(own, name, fresh)))
    except MasterFailed as problem:
        raise MasterFailed(
            f"{problem}; no proof that the outstation has the key in {out}: keep the old one too"
        ) from problem
    taken = done.value
    number = taken.number if isinstance(taken, User) else 0
    if as_json:
        typer.echo(json.dumps({"user": name, "number": number, "key": str(out)}))
    else:
        typer.echo(f"{name} (user {number}) has a new update key, in {out}")


def _passing_on(method: Method, station: str = "") -> MasterAuthentication:
    """A master's end that passes on what the authority made; it needs no key of its own for that."""
    settings = AuthenticationSettings(name=station, allow_sha_1=method is Method.AES_128_SHA_1)
    return MasterAuthentication(settings, User(DEFAULT_USER, "", b""))


async def _run(client: MasterClient, name: str, task: Task) -> TaskDone:
    async with client:
        return await client.run(name, task)
