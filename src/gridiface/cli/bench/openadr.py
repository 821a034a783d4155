"""Benchmarks of the OpenADR VTN: empty polls, unsigned and signed, and one event to many polling VENs.

The VTN runs in a process of its own on one core with its store on disk, the VENs in this process on another. Where
openleadr is installed it does the same work in turn with ours, in the same run, and `times_openleadr` compares the two.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import importlib.util
import io
import logging
import os
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gridiface.app.config.openadr import OpenAdr
from gridiface.app.fronts.openadr_settings import openadr_vtn
from gridiface.app.process.clock import SystemClock
from gridiface.app.process.collector import Collector
from gridiface.cli.bench.beside import SERVER_CORE, Beside, keep_on
from gridiface.errors import GridifaceError
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.identity import openadr_fingerprint
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads.envelope import encode_payload
from gridiface.protocols.openadr.payloads.event import OadrPoll
from gridiface.protocols.openadr.signature import Signer
from gridiface.protocols.openadr.vtn import Ven
from gridiface.simulation.load.figures import report, spread
from gridiface.simulation.load.openadr import Requests, Vens, exchange_all
from gridiface.store.repository import Store

_READY_S, _ANSWER_S = 60.0, 120.0
_PROGRAM = "http://bench.invalid/program"


async def poll(runs: int, seconds: float, connections: int, *, signed: bool) -> dict[str, Any]:
    """See `gridiface bench openadr-poll`."""
    with tempfile.TemporaryDirectory(prefix="gridiface-") as name:
        folder = Path(name)
        pki = _Pki(folder) if signed else None
        ours: list[tuple[float, float]] = []
        other: list[tuple[float, float]] = []
        makers: list[tuple[str, list[tuple[float, float]]]] = [("ours", ours)]
        if importlib.util.find_spec("openleadr"):
            makers.append(("openleadr", other))
        for run in range(runs + 1):
            for kind, found in makers:
                # Each in turn, so that what else the machine does falls on both.
                told = await _polls(kind, folder / f"{kind}{run}", pki, seconds, connections)
                if run:
                    found.append(told)
    figures: dict[str, Any] = {"polls_per_second": spread([rate for rate, _ in ours])}
    figures["vtn_cpu_us_per_poll"] = spread([cpu for _, cpu in ours])
    if other:
        figures["openleadr_polls_per_second"] = spread([rate for rate, _ in other])
        figures["openleadr_cpu_us_per_poll"] = spread([cpu for _, cpu in other])
        figures["times_openleadr"] = (
            figures["polls_per_second"]["median"] / figures["openleadr_polls_per_second"]["median"]
        )
        # On a machine that does something else, the load is slower than our VTN and not than the other: what the work
        # itself takes is told by the processor's time.
        figures["times_openleadr_by_cpu"] = figures["openleadr_cpu_us_per_poll"]["median"] / max(
            figures["vtn_cpu_us_per_poll"]["median"], 1e-9
        )
    work = {"connections": connections, "seconds": seconds, "runs": runs, "signed": "RSA-2048, TLS" if signed else "no"}
    return report("openadr-poll", work, figures)


async def event(runs: int, vens: int, connections: int) -> dict[str, Any]:
    """See `gridiface bench openadr-event`."""
    ours: list[tuple[float, float]] = []
    other: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="gridiface-") as name:
        for run in range(runs + 1):
            for kind, found in (("ours", ours), ("openleadr", other)):
                if kind == "openleadr" and not importlib.util.find_spec("openleadr"):
                    continue
                took = await _event(kind, Path(name) / f"{kind}{run}", vens, connections)
                if run:
                    found.append(took)
    figures: dict[str, Any] = {"seconds_to_last_acknowledgement": spread([took for took, _ in ours])}
    figures["vtn_cpu_seconds"] = spread([cpu for _, cpu in ours])
    if other:
        figures["openleadr_seconds"] = spread([took for took, _ in other])
        figures["openleadr_cpu_seconds"] = spread([cpu for _, cpu in other])
        own = figures["seconds_to_last_acknowledgement"]["median"]
        figures["times_openleadr"] = figures["openleadr_seconds"]["median"] / own
    return report("openadr-event", {"vens": vens, "connections": connections, "runs": runs}, figures)


async def _polls(kind: str, folder: Path, pki: _Pki | None, seconds: float, connections: int) -> tuple[float, float]:
    """Empty polls a second, of one VEN per connection, and the VTN's processor time for each, us."""
    with _server(kind, folder, pki, connections) as server:
        body = [encode_payload(OadrPoll(venID=f"VEN{n}")) for n in range(connections)]
        requests: list[Iterator[bytes]] = []
        for number in range(connections):
            if pki is None:
                requests.append(Requests.same(server.port, "OadrPoll", body[number]))
            else:
                signer = pki.signer("ven")
                # Openleadr binds one certificate to one VEN: all connections are the same VEN then.
                made = _signed(signer, server.port, "VEN0", count=0)
                requests.append(made)
        context = pki.context() if pki is not None else None
        before = server.cpu_s
        answers = await exchange_all(server.port, requests, seconds=seconds, context=context)
        spent = server.cpu_s - before
    answers.check(b"oadrResponse")
    return answers.count / answers.seconds, 1e6 * spent / answers.count


def _signed(signer: Signer, port: int, ven: str, *, count: int) -> Iterator[bytes]:
    while True:
        count += 1
        document = signer.sign(OadrPoll(venID=ven), time.time(), os.urandom(16).hex())
        yield Requests.whole(port, "OadrPoll", document)


async def _event(kind: str, folder: Path, vens: int, connections: int) -> tuple[float, float]:
    """Seconds from the event's making to the last VEN's acknowledgement, and the VTN's processor time meanwhile."""
    with _server(kind, folder, None, vens) as server:
        fleet = Vens(server.port, [f"VEN{n}" for n in range(vens)], connections)
        async with fleet:
            await fleet.poll_once()
            begin = time.perf_counter()
            server.ask({"event": "E"})
            await fleet.until_acknowledged(_ANSWER_S)
            took = time.perf_counter() - begin
        server.answer(_READY_S)
        server.ask({"acknowledged": True})
        said = server.answer(_READY_S)
        if int(said["acknowledged"]) < vens:
            raise GridifaceError(f"only {said['acknowledged']} of {vens} answers were counted")
    return took, float(said["cpu"])


# --- the VTNs' processes ---


def _server(kind: str, folder: Path, pki: _Pki | None, vens: int) -> Beside:
    """A VTN, ours or openleadr's."""
    files = None if pki is None else pki.files()
    serve = _serve_ours if kind == "ours" else _serve_openleadr
    return Beside(serve, str(folder), files, vens, ready_s=_READY_S)


async def _commands(pipe: Connection, do: Callable[[dict[str, Any]], Any], said: Callable[[], int]) -> None:
    """What the other process asks: to make an event, and how many VENs have acknowledged it."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    loop.add_reader(pipe.fileno(), lambda: asked.put_nowait(pipe.recv()))
    before = time.process_time()
    while "stop" not in (request := await asked.get()):
        if "event" in request:
            before = time.process_time()
            pipe.send(await do(request))
        else:
            pipe.send({"acknowledged": said(), "cpu": time.process_time() - before})
    loop.remove_reader(pipe.fileno())


def _serve_ours(pipe: Connection, folder: str, files: dict[str, str] | None, vens: int) -> None:
    keep_on(SERVER_CORE)
    Path(folder).mkdir(parents=True)
    asyncio.run(_run_ours(pipe, Path(folder), files, vens))


async def _run_ours(pipe: Connection, folder: Path, files: dict[str, str] | None, vens: int) -> None:
    store = await Store.open(f"sqlite:///{folder / 'bench.sqlite'}")
    block: dict[str, Any] = {"vtn_id": "VTN", "listen": "127.0.0.1:0", "wishes": [], "requests_at_once": 100_000}
    if files is not None:
        block["tls"] = {"certificate": files["vtn"], "key": files["vtn_key"], "roots": [files["root"]]}
    vtn = openadr_vtn(OpenAdr.model_validate({"vtn": block}), clock=SystemClock(), ledger=store, registry=_Nobody())
    assert vtn is not None
    await vtn.start()
    names = [f"VEN{number}" for number in range(1 if files is not None else vens)]
    made = [Ven(venID=name, registrationID=f"R-{name}") for name in names]
    if files is not None:
        made[0].fingerprint, made[0].must_sign = files["fingerprint"], True
    await vtn.do(lambda core, _: core.put_vens(made))
    collector = Collector()
    collector.start()  # As `gridiface serve` does.
    pipe.send({"port": vtn.port})

    async def do(request: dict[str, Any]) -> dict[str, Any]:
        start = float(int(time.time()) + 60)
        signal = Signal(name="SIMPLE", type="level", id="0", durations=(3600,), values=(1.0,))
        new = Event(id=request["event"], market_context=_PROGRAM, dtstart=start, duration=3600, signals=(signal,))
        await vtn.do(lambda core, now: core.create_event(new, names, now))

        return {}

    def said() -> int:
        found = (vtn.core.delivery(name, "E") for name in names)
        return sum(1 for delivery in found if delivery is not None and delivery.opt == "optIn")

    await _commands(pipe, do, said)
    await collector.stop()
    await vtn.stop()
    await store.close()


class _Nobody:
    """A registry without devices: no VEN here is a member."""

    def __getattr__(self, name: str) -> Any:
        raise GridifaceError(f"nothing here has devices, and yet {name} was called")


def _serve_openleadr(pipe: Connection, folder: str, files: dict[str, str] | None, vens: int) -> None:
    keep_on(SERVER_CORE)
    # It says on standard output that it listens.
    with redirect_stdout(io.StringIO()):
        asyncio.run(_run_openleadr(pipe, files, vens))


async def _run_openleadr(pipe: Connection, files: dict[str, str] | None, vens: int) -> None:
    openleadr: Any = importlib.import_module("openleadr")
    logging.getLogger("openleadr").setLevel(logging.ERROR)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    more: dict[str, Any] = {}
    if files is not None:
        more = {
            "cert": files["vtn"],
            "key": files["vtn_key"],
            "http_cert": files["vtn"],
            "http_key": files["vtn_key"],
            "http_ca_file": files["root"],
            "ven_lookup": lambda ven_id: {
                "ven_id": ven_id,
                "fingerprint": files["fingerprint"],
                "registration_id": "R",
            },
        }
    server = openleadr.OpenADRServer(vtn_id="VTN", http_port=port, http_host="127.0.0.1", **more)
    await server.run_async()
    pipe.send({"port": port})

    said: set[str] = set()

    async def answered(ven_id: str, event_id: str, opt_type: str) -> None:
        said.add(ven_id)

    async def do(request: dict[str, Any]) -> dict[str, Any]:
        start = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60)
        interval = {"dtstart": start, "duration": dt.timedelta(hours=1), "signal_payload": 1}
        for number in range(vens):
            server.add_event(
                ven_id=f"VEN{number}",
                event_id=f"{request['event']}{number}",
                signal_name="simple",
                signal_type="level",
                intervals=[interval],
                callback=answered,
            )
        return {}

    await _commands(pipe, do, lambda: len(said))
    await server.stop()


# --- certificates ---


class _Pki:
    """A root with RSA-2048 certificates of a VTN and a VEN."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = rsa.generate_private_key(65537, 2048)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
        root = self._sign("root", self._key, ca=True)
        (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
        self._fingerprint = ""
        for name in ("vtn", "ven"):
            key = rsa.generate_private_key(65537, 2048)
            made = self._sign(name, key, ca=False)
            (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
            path = folder / f"{name}.key"
            path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            path.chmod(0o600)
            self._fingerprint = openadr_fingerprint(made.public_bytes(Encoding.DER))

    def files(self) -> dict[str, str]:
        """Paths for a VTN, and the fingerprint of the VEN."""
        paths = {"root": "root.pem", "vtn": "vtn.pem", "vtn_key": "vtn.key"}
        return {name: str(self.folder / path) for name, path in paths.items()} | {"fingerprint": self._fingerprint}

    def signer(self, name: str) -> Signer:
        """Signs as the VEN."""
        key, certificate = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        return Signer.from_pem(key.read_bytes(), certificate.read_bytes())

    def context(self) -> ssl.SSLContext:
        """The VEN's TLS; openleadr's VTN has other suites than the profile's, so both are offered."""
        pair = KeyPair(self.folder / "ven.pem", self.folder / "ven.key")
        context = client_context("openadr", key_pairs=[pair], roots=[self.folder / "root.pem"])
        context.set_ciphers("AES128-SHA256:ECDHE-RSA-AES128-GCM-SHA256")
        context.check_hostname = False
        return context

    def _sign(self, name: str, key: rsa.RSAPrivateKey, *, ca: bool) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        usage = x509.KeyUsage(
            digital_signature=not ca,
            content_commitment=False,
            key_encipherment=not ca,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=ca,
            crl_sign=ca,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=2))
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if ca:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        else:
            both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
        return builder.sign(self._key, hashes.SHA256())
