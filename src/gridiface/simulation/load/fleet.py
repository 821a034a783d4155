"""Many clients with certificates of their own in one process: `python -m gridiface.simulation.load.fleet`.

Reads one JSON line per job on standard input and prints one JSON line per answer, as `load.client` does. Each client
keeps one connection; threads carry the exchanges, because a client must cost less than the server. Ends when standard
input closes.

Jobs: {"job": "register"}: connect, register in-band, make a mirror. {"job": "poll", "seconds": s, "period": p}: each
client every p seconds three GETs and a POST of readings, evenly spread. {"job": "burst", "writes": n, "controls":
{LFDI: [[replyTo, mRID], ...]}}: n POSTs as fast as they are taken, every fourth a response, each to be given once.
{"job": "return"}: drop every connection, then come back at once. {"job": "record", "newcomers": [first, count],
"first_mark": m}: post readings of which each has a value of its own, and register newcomers, until the server is gone;
tells which were acknowledged.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gridiface.errors import GridifaceError
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.identity import format_lfdi, lfdi_from_der, sfdi_from_lfdi
from gridiface.protocols.sep2.resources import DERControlResponse, EndDevice, MirrorMeterReading, Reading
from gridiface.protocols.xmlwire import encode
from gridiface.simulation.inverter import resources
from gridiface.simulation.lines import answer_jobs
from gridiface.simulation.load.client import Connection, LoadFailed, request
from gridiface.simulation.load.figures import percentile, pin
from gridiface.simulation.sunspec.physics import Measured

#: Every which write of a burst is a response.
RESPONSE_EVERY = 4
#: Exchanges in flight in one process.
_AT_ONCE = 16
#: How long a client that was refused tries again when everybody comes back at once, s, and its pause between tries.
_RETURN_S = 120.0
_PAUSE_S = 0.25


@dataclass(slots=True)
class Client:
    """One of them. `own`: path of its EndDevice; `mirror`: of its mirror."""

    name: str
    lfdi: str
    connect: Callable[[], Connection]
    own: str = ""
    mirror: str = ""
    connection: Connection | None = None

    def ask(self, host: str, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
        """One exchange over its connection, which is opened where there is none: status and Location.

        Raises:
            LoadFailed: the connection broke.
            OSError: so it did, or it cannot be opened.
        """
        if self.connection is None:
            self.connection = self.connect()
        try:
            self.connection.send(request(method, path, host, body))
            status, _ = self.connection.receive()
        except (OSError, LoadFailed):
            self.drop()
            raise
        return status, self.connection.location

    def drop(self) -> None:
        """Close its connection."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


@dataclass(slots=True)
class Tally:
    """What happened to a job's exchanges; threads add to it."""

    seconds: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def failed(self, reason: str) -> None:
        """One more that did not do as it should."""
        with self.lock:
            self.failures[reason] = self.failures.get(reason, 0) + 1

    def answer(self, **more: Any) -> dict[str, Any]:
        """The figures, for the JSON line."""
        found = {"exchanges": len(self.seconds), "failures": self.failures, **more}
        if self.seconds:
            found |= {f"p{p}_ms": 1000 * percentile(self.seconds, p / 100) for p in (50, 99)}
            found["max_ms"] = 1000 * max(self.seconds)
        return found


class Fleet:
    """The clients of one process and their jobs; `newcomers` makes clients `first`, ... , `first + count - 1`."""

    def __init__(
        self,
        host: str,
        port: int,
        clients: Sequence[Client],
        newcomers: Callable[[int, int], list[Client]] = lambda first, count: [],
    ) -> None:
        self._newcomers = newcomers
        self._marks = 0
        self._host = f"{host}:{port}"
        self._clients = clients
        self._threads = ThreadPoolExecutor(_AT_ONCE)
        measured = Measured(w=1234.0, var=5.0, va=1234.0, hz=50.0, volts=230.0, soc=0.5)
        self._readings = {client.name: encode(resources.readings(client.name, measured)) for client in clients}

    def register(self) -> dict[str, Any]:
        """Connect everybody, register it, and give it a mirror."""
        tally = Tally()

        def one(client: Client) -> None:
            self._enrol(client, tally)
            client.mirror = self._post(client, "/mup", encode(resources.mirror(client.name, client.lfdi)), tally)

        self._each(one, self._clients, tally)
        return tally.answer(lfdis=[client.lfdi for client in self._clients])

    def poll(self, seconds: float, period: float) -> dict[str, Any]:
        """Everybody does its rounds, every `period` seconds, spread evenly."""
        tally, began = Tally(), time.perf_counter()
        due: queue.SimpleQueue[Client | None] = queue.SimpleQueue()

        def work() -> None:
            while (client := due.get()) is not None:
                self._guarded(self._round, client, tally)

        workers = [threading.Thread(target=work) for _ in range(_AT_ONCE)]
        for worker in workers:
            worker.start()
        count, step = 0, period / len(self._clients)
        while count * step < seconds:
            wait = began + count * step - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            due.put(self._clients[count % len(self._clients)])
            count += 1
        for _ in workers:
            due.put(None)
        for worker in workers:
            worker.join()
        spent = time.perf_counter() - began
        return tally.answer(rounds=count, per_second=len(tally.seconds) / spent)

    def burst(self, writes: int, controls: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, Any]:
        """As many POSTs, one in flight for each client, as fast as they are taken."""
        tally = Tally()
        share = max(1, writes // len(self._clients))
        wires = {client.name: self._writes(client, share, controls[client.lfdi]) for client in self._clients}
        for client in self._clients:
            client.connection = client.connection or client.connect()
        began = time.perf_counter()
        waiting = [(client, client.connection) for client in self._clients if client.connection is not None]
        for client, connection in waiting:
            connection.send(wires[client.name].pop())
        while waiting:
            further = []
            for client, connection in waiting:
                status, _ = connection.receive()
                tally.seconds.append(connection.answered - connection.sent)
                if status not in {201, 204}:
                    tally.failed(f"status {status}")
                if wires[client.name]:
                    connection.send(wires[client.name].pop())
                    further.append((client, connection))
            waiting = further
        spent = time.perf_counter() - began
        return tally.answer(per_second=len(tally.seconds) / spent)

    def _writes(self, client: Client, count: int, controls: Sequence[tuple[str, str]]) -> list[bytes]:
        """Readings, and in every fourth place the next answer of the life of one of its controls; last one first.

        Raises:
            LoadFailed: there are not enough controls for so many.
        """
        reading = request("POST", client.mirror, self._host, self._readings[client.name])
        found = [reading] * count
        answers = [(*control, status) for control in controls for status in (1, 2, 3)]
        if len(answers) < count // RESPONSE_EVERY:
            raise LoadFailed(f"{len(controls)} controls are too few for {count} writes")
        places = range(RESPONSE_EVERY - 1, count, RESPONSE_EVERY)
        for place, (reply_to, subject, status) in zip(places, answers, strict=False):
            response = DERControlResponse(
                createdDateTime=int(time.time()), endDeviceLFDI=client.lfdi, status=status, subject=subject
            )
            found[place] = request("POST", reply_to, self._host, encode(response))
        return found[::-1]

    def come_back(self) -> dict[str, Any]:
        """Everybody loses its connection and wants a new one at once; until all have had an answer."""
        tally, began = Tally(), time.perf_counter()
        refused = 0
        for client in self._clients:
            client.drop()

        def one(client: Client) -> None:
            nonlocal refused
            while not self._is_back(client, tally):
                with tally.lock:
                    refused += 1
                if time.perf_counter() > began + _RETURN_S:
                    raise LoadFailed("did not come back in time")
                time.sleep(_PAUSE_S)

        self._each(one, self._clients, tally)
        return tally.answer(seconds=time.perf_counter() - began, tries_refused=refused)

    def record(self, newcomers: tuple[int, int], first_mark: int) -> dict[str, Any]:
        """Write without a pause until the server is gone; what was acknowledged."""
        marks: list[int] = []
        registered: list[str] = []
        tally = Tally()

        def write(client: Client) -> None:
            while True:
                with tally.lock:
                    mark = first_mark + self._marks
                    self._marks += 1
                body = MirrorMeterReading(mRID=resources.mrid(client.name, "W"), reading=Reading(value=mark))
                self._post(client, client.mirror, encode(body), tally)
                marks.append(mark)

        def arrive(client: Client) -> None:
            try:
                self._enrol(client, tally)
                registered.append(client.lfdi)
            finally:
                client.drop()

        arriving = self._newcomers(*newcomers)
        works = [(write, client) for client in self._clients] + [(arrive, client) for client in arriving]
        threads = [threading.Thread(target=self._until_gone, args=work) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"marks": marks, "registered": registered}

    @staticmethod
    def _until_gone(work: Callable[[Client], None], client: Client) -> None:
        with contextlib.suppress(OSError, LoadFailed):
            work(client)

    def _enrol(self, client: Client, tally: Tally) -> None:
        device = EndDevice(
            lFDI=client.lfdi, sFDI=sfdi_from_lfdi(bytes.fromhex(client.lfdi)), changedTime=int(time.time())
        )
        client.own = self._post(client, "/edev", encode(device), tally)

    def _is_back(self, client: Client, tally: Tally) -> bool:
        try:
            self._get(client, client.own, tally)
        except (OSError, LoadFailed):
            return False
        return True

    def _round(self, client: Client, tally: Tally) -> None:
        for path in ("/dcap", client.own, f"{client.own}/fsa"):
            self._get(client, path, tally)
        self._post(client, client.mirror, self._readings[client.name], tally)

    def _get(self, client: Client, path: str, tally: Tally) -> None:
        began = time.perf_counter()
        status, _ = client.ask(self._host, "GET", path)
        tally.seconds.append(time.perf_counter() - began)
        if status != 200:
            raise GridifaceError(f"GET answered {status}")

    def _post(self, client: Client, path: str, body: bytes, tally: Tally) -> str:
        began = time.perf_counter()
        status, location = client.ask(self._host, "POST", path, body)
        tally.seconds.append(time.perf_counter() - began)
        if status not in {201, 204}:
            raise GridifaceError(f"POST answered {status}")
        return location

    def _each(self, work: Callable[[Client], None], clients: Sequence[Client], tally: Tally) -> None:
        def guarded(client: Client) -> None:
            self._guarded(lambda each, _: work(each), client, tally)

        for _ in self._threads.map(guarded, clients):
            pass

    @staticmethod
    def _guarded(work: Callable[[Client, Tally], None], client: Client, tally: Tally) -> None:
        try:
            work(client, tally)
        except (OSError, GridifaceError) as problem:
            tally.failed(f"{type(problem).__name__}: {str(problem)[:80]}")


def make_clients(config: Mapping[str, Any]) -> list[Client]:
    """Issue a certificate to each client `first` .. `first + count - 1` and prepare its connections.

    Raises:
        ConfigError: there is no test PKI in the folder.
    """
    pki, scratch, now = Path(config["pki"]), Path(config["scratch"]), time.time()
    scratch.mkdir(parents=True, exist_ok=True)
    authority = TestPki.load(pki)
    address = (config["host"], config["port"])
    clients = []
    for number in range(config["first"], config["first"] + config["count"]):
        name = f"client{number}"
        credential = authority.issue("device", name, now=now)
        certificate, key = write_credential(scratch, name, credential)
        assert key is not None
        context = client_context("strict", key_pairs=[KeyPair(certificate, key)], roots=[pki / "serca.pem"])
        certificate.unlink()
        key.unlink()
        lfdi = format_lfdi(lfdi_from_der(credential.der))
        clients.append(Client(name, lfdi, lambda context=context: Connection(address, context)))  # type: ignore[misc]
    return clients


def _run(fleet: Fleet, job: Mapping[str, Any]) -> dict[str, Any]:
    match job["job"]:
        case "register":
            return fleet.register()
        case "poll":
            return fleet.poll(job["seconds"], job["period"])
        case "burst":
            return fleet.burst(job["writes"], job["controls"])
        case "record":
            return fleet.record(tuple(job["newcomers"]), job["first_mark"])
        case "return":
            return fleet.come_back()
        case other:
            raise LoadFailed(f"no job is called {other!r}")


def main() -> None:
    """Take the configuration, then jobs, until standard input closes."""
    config = json.loads(sys.stdin.readline())
    if config.get("core") is not None:
        pin(config["core"])
    socket.setdefaulttimeout(60.0)
    fleet = Fleet(
        config["host"],
        config["port"],
        make_clients(config),
        lambda first, count: make_clients({**config, "first": first, "count": count}),
    )
    answer_jobs(lambda job: _run(fleet, job))


if __name__ == "__main__":
    main()
