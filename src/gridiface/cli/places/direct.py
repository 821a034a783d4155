"""Verbs that work on the store of a stopped server: users, tokens, audit. Owns the way there, not what is done."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from gridiface.app.config import load_config
from gridiface.cli.places.remote import read_token
from gridiface.errors import StoreUnavailable
from gridiface.operator.auth.approvals import COMMAND_LINE
from gridiface.store.engine import StoreInUse
from gridiface.store.repository import Store

DirectOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="The configuration. Without a token the verb works on its database, while the server is stopped.",
    ),
]

#: Where a token comes from while a server runs.
_FIRST = "the page API tokens makes one"

_Found = TypeVar("_Found")


def is_direct(config: Path | None, token_file: Path | None) -> bool:
    """Whether to work on the store: a configuration is named and there is no token to ask a server with."""
    return config is not None and read_token(token_file) is None


def on_store(config: Path | None, work: Callable[[Store, float], Awaitable[_Found]]) -> _Found:
    """What `work` makes of the store and the time.

    Raises:
        StoreUnavailable: the database cannot be opened, or a server has it open.
    """
    assert config is not None
    database = load_config(config).database

    async def run() -> _Found:
        async with await Store.open(database) as store:
            return await work(store, time.time())

    try:
        return asyncio.run(run())
    except StoreInUse as problem:
        busy = str(problem).partition("; ")[0]  # what the store advises is for a second server
        text = f"{busy}; stop the server, or give an admin's token with --token-file or GRIDIFACE_TOKEN: {_FIRST}"
        raise StoreUnavailable(text) from problem


def me() -> str:
    """Who works on the store, for the audit log."""
    return f"{COMMAND_LINE}, uid {os.getuid()}"
