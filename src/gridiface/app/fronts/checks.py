"""What only shows when the parts of a configuration are made of it: files, point maps, clients that are one.

`gridiface check` asks; a server that starts finds the same by itself. Nothing is listened on or written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gridiface.app.config.load import paths_of
from gridiface.app.config.mistakes import Place
from gridiface.app.config.model import Config
from gridiface.app.fleet.identities import lfdi_of
from gridiface.app.fronts.dnp3_settings import station_settings
from gridiface.app.fronts.sep2_settings import tls_keeper
from gridiface.app.fronts.upstream_settings import upstream_settings
from gridiface.errors import ConfigError, GridifaceError

Mistake = tuple[Place, str]

#: Files and folders that need not be there: the revocation list begins with the first revocation, the folders are
#: looked into when somebody asks for what is in them.
_MAY_COME_LATER = frozenset({"revoked", "device_files", "pki"})


def front_checks(config: Config) -> Iterator[Mistake]:
    """Every such mistake, as (place, what is wrong; the fix). What is not there is told once, not by each user."""
    missing = list(_files(config))
    yield from missing
    yield from _database(config)
    hidden = [place for place, path in _needed(config).items() if not os.access(path, os.R_OK)]
    for rule in (_clients, _sep2, _outstations, _upstreams):
        for place, text in rule(config):
            # What cannot be read is told above, or is nothing that can be said by who asks.
            if not any(at[: len(place)] == place for at in hidden):
                yield place, text


def _needed(config: Config) -> dict[Place, Path]:
    return {place: path for place, path in paths_of(config).items() if _MAY_COME_LATER.isdisjoint(map(str, place))}


def _files(config: Config) -> Iterator[Mistake]:
    for place, path in _needed(config).items():
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            yield place, f"{path} is not there; make it, or correct the path, which is relative to this file"
        except OSError:
            continue  # who asks may not look; `gridiface doctor` tells it


def _database(config: Config) -> Iterator[Mistake]:
    name = config.database.removeprefix("sqlite:///")
    if name not in {config.database, ":memory:"} and not Path(name).parent.is_dir():
        yield ("database",), f"the folder {Path(name).parent} is not there; make it, or name another"


def _clients(config: Config) -> Iterator[Mistake]:
    """Clients whose certificate cannot be read, or who have the LFDI of another."""
    seen: dict[str, str] = {}
    for index, client in enumerate(() if config.sep2 is None else config.sep2.clients):
        place = ("sep2", "clients", index)
        try:
            lfdi = lfdi_of(client)
        except ConfigError as problem:
            yield (*place, "certificate"), f"{problem}; name a PEM file that begins with the client's certificate"
            continue
        if lfdi in seen:
            key = "lfdi" if client.certificate is None else "certificate"
            text = f"the LFDI {lfdi} is that of {seen[lfdi]} already; each client has a certificate of its own"
            yield (*place, key), text
        seen.setdefault(lfdi, f"sep2.clients[{index}]")


def _sep2(config: Config) -> Iterator[Mistake]:
    sep2 = config.sep2
    if sep2 is not None:
        yield from _made(("sep2", "tls"), partial(tls_keeper, sep2))


def _outstations(config: Config) -> Iterator[Mistake]:
    for index, outstation in enumerate(() if config.dnp3 is None else config.dnp3.outstations):
        yield from _made(("dnp3", "outstations", index), partial(station_settings, outstation, config.site))


def _upstreams(config: Config) -> Iterator[Mistake]:
    for index, upstream in enumerate(config.upstreams):
        yield from _made(("upstreams", index), partial(upstream_settings, upstream, config))


def _made(place: Place, make: Callable[[], object]) -> Iterator[Mistake]:
    try:
        make()
    except (GridifaceError, OSError) as problem:
        yield place, str(problem)
