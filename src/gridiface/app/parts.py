"""How each part of a running server is doing, and what its peers are called: for the operator's pages. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from gridiface.app.dnp3_desk import Dnp3Desk
from gridiface.app.members import SEP2
from gridiface.app.northbound import lfdi_of
from gridiface.domain.telemetry import Quality
from gridiface.domain.traffic import Tap
from gridiface.operator.certificates import CertificateDesk
from gridiface.operator.parts import PartHealth

if TYPE_CHECKING:
    from gridiface.app.wiring import GridServer

_TRUSTED = frozenset({Quality.GOOD, Quality.ESTIMATED})


def parts_of(server: GridServer) -> list[PartHealth]:
    """The parts that run here, the protocols first; one that is not configured is not told of."""
    return [*_sep2(server), *_openadr(server), *_dnp3(server), *_drivers(server), *_store(server)]


def peers_of(server: GridServer) -> dict[str, str]:
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


def certificates_of(server: GridServer) -> CertificateDesk:
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


def listen_in(server: GridServer, tap: Tap) -> None:
    """Tell `tap` of every message of every protocol that runs here."""
    if server.sep2 is not None:
        server.sep2.front.tap = tap
    if server.dnp3 is not None:
        server.dnp3.journal.tap = tap
    if server.vtn is not None:
        server.vtn.listen_in(tap)
    for ven in server.vens:
        ven.listen_in(tap)


def _sep2(server: GridServer) -> Iterator[PartHealth]:
    if server.sep2 is None:
        return
    counts, known = server.sep2.counts, len(server.sep2.core.state.end_devices)
    text = f"port {server.sep2.port}, {known} end devices, {counts.requests} requests, {counts.refused} refused"
    state = "ok" if not counts.failed else "degraded"
    if counts.failed:
        text += f", {counts.failed} failed: see the log"
    yield PartHealth(name="sep2", title="IEEE 2030.5 server", state=state, text=text, path="/sep2")


def _openadr(server: GridServer) -> Iterator[PartHealth]:
    if server.vtn is not None:
        vens = server.vtn.core.vens.values()
        registered = sum(ven.registered for ven in vens)
        text = f"port {server.vtn.port}, {registered} of {len(vens)} VENs registered"
        yield PartHealth(
            name="vtn",
            title="OpenADR VTN",
            state="ok" if registered == len(vens) else "degraded",
            text=text,
            path="/openadr",
        )
    for ven in server.vens:
        text = "the VTN answers" if ven.up else "the VTN does not answer; events go on as they are known"
        yield PartHealth(
            name=f"ven {ven.settings.name}",
            title=f"OpenADR VEN {ven.settings.name}",
            state="ok" if ven.up else "down",
            text=text,
            path=f"/openadr/own/{quote(ven.settings.name, safe='')}",
        )


def _dnp3(server: GridServer) -> Iterator[PartHealth]:
    if server.dnp3 is None:
        return
    stations = Dnp3Desk(server.dnp3).outstations()
    known, online = sum(one["masters"] for one in stations), sum(one["connected"] for one in stations)
    state = "degraded" if any(one["trouble"] for one in stations) else "ok" if online else "waiting"
    text = f"port {server.dnp3.port}, {len(stations)} outstations, {online} of {known} masters connected"
    yield PartHealth(name="dnp3", title="DNP3 outstation", state=state, text=text, path="/dnp3")


def _drivers(server: GridServer) -> Iterator[PartHealth]:
    qualities = server.engine.qualities()
    total: Counter[str] = Counter()
    heard: Counter[str] = Counter()
    for device in server.engine.devices():
        if device.driver != SEP2:
            total[device.driver] += 1
            heard[device.driver] += qualities.get(device.id) in _TRUSTED
    for name, count in sorted(total.items()):
        state = "ok" if heard[name] == count else "degraded" if heard[name] else "down"
        yield PartHealth(
            name=f"driver {name}",
            title=f"{name} driver",
            state=state,
            text=f"{heard[name]} of {count} devices answer",
            path=f"/devices?driver={name}",
        )


def _store(server: GridServer) -> Iterator[PartHealth]:
    if server.store is None:
        return
    trouble = server.store.trouble
    yield PartHealth(
        name="store",
        title="Database",
        state="down" if trouble else "ok",
        text=trouble or "everything that was acknowledged is durable",
    )
