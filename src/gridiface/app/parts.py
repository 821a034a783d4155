"""How each part of a running server is doing, and what its peers are called: for the operator's pages. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from gridiface.app.fleet.identities import lfdi_of
from gridiface.app.fleet.members import SEP2
from gridiface.app.fronts.front import Front
from gridiface.app.running import Running
from gridiface.operator.certificates import CertificateDesk
from gridiface.operator.parts import PartHealth


def parts_of(server: Running, fronts: Iterable[Front]) -> list[PartHealth]:
    """The parts that run here, the protocols first; one that is not configured is not told of."""
    northbound = (part for front in fronts for part in front.health())
    return [*northbound, *_drivers(server), *_store(server)]


def peers_of(server: Running) -> dict[str, str]:
    """What people call the peers of the configuration, by LFDI, venID or name.

    Raises:
        ConfigError: a client's certificate cannot be read.
    """
    named: dict[str, str] = {}
    if server.config.sep2 is not None:
        for client in server.config.sep2.clients:
            name = client.name or client.device
            if name:
                named[lfdi_of(client)] = name
    return named


def certificate_desk_of(server: Running) -> CertificateDesk:
    """What certificates are judged by, signed with and revoked in on the page, and what peers came with."""
    config = server.config

    def peer(lfdi: str) -> tuple[bytes, float, str] | None:
        found = None if server.sep2 is None else server.sep2.seen(lfdi)
        return None if found is None else (found.certificate, found.at, found.address)

    tls = None if config.sep2 is None else config.sep2.tls
    authority = None if config.operator is None else config.operator.pki
    return CertificateDesk(
        roots=() if tls is None else tuple(tls.roots),
        revoked=None if tls is None else tls.revoked,
        authority=authority,
        peer=peer,
    )


def _drivers(server: Running) -> Iterator[PartHealth]:
    silent = Counter(device.driver for name in server.engine.silent() if (device := server.engine.device(name)))
    total = Counter(device.driver for device in server.engine.devices())
    del total[SEP2]
    heard = total - silent
    for name, count in sorted(total.items()):
        state = "ok" if heard[name] == count else "degraded" if heard[name] else "down"
        yield PartHealth(
            name=f"driver {name}",
            title=f"{name} driver",
            state=state,
            text=f"{heard[name]} of {count} devices answer",
            path=f"/devices?driver={name}",
        )


def _store(server: Running) -> Iterator[PartHealth]:
    if server.store is None:
        return
    trouble = server.store.trouble
    yield PartHealth(
        name="store",
        title="Database",
        state="down" if trouble else "ok",
        text=trouble or "everything that was acknowledged is durable",
    )
