"""A running server in processes of its own, and a client that sends exactly the bytes a test wants sent."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.identity import format_lfdi, lfdi_from_der
from gridiface.protocols.xmlwire import WireObject, encode
from gridiface.simulation.world import World

MEDIA = "application/sep+xml"
_ANSWER_S = 15.0


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers by lower-case name, body; `closed` where the server ends the connection."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    closed: bool

    @property
    def reason(self) -> int | None:
        """The reasonCode of an Error body; None where the body is something else."""
        found = re.search(rb"<Error[ >].*<reasonCode>(\d+)</reasonCode>", self.body, re.DOTALL)
        return int(found.group(1)) if found else None


class Wire:
    """One keep-alive connection over mutual TLS, opened at the first request and again after it was closed."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port, self._context = port, context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | WireObject | None = None,
        *,
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """One request; a header given as None is left out."""
        sent = encode(body) if isinstance(body, WireObject) else body
        fields: dict[str, str | None] = {"Host": f"127.0.0.1:{self._port}", "Accept": MEDIA}
        if sent is not None:
            fields |= {"Content-Type": MEDIA, "Content-Length": str(len(sent))}
        fields |= headers or {}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
        return await self.raw(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (sent or b""), method)

    async def raw(self, request: bytes, method: str = "") -> Answer:
        """Send these bytes and read one answer."""
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await self.streams()
            writer.write(request)
            try:
                await writer.drain()
                return await self._read(reader, method)
            except OSError:
                await self.close()
                raise

    async def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The open connection."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context, limit=2**22)
        return self._streams

    async def _read(self, reader: asyncio.StreamReader, method: str) -> Answer:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError as gone:
            await self.close()
            raise ConnectionResetError(f"closed after {gone.partial[:80]!r}") from None
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split(" ", 2)[1])
        empty = method == "HEAD" or status in {204, 304}
        body = b"" if empty else await reader.readexactly(int(headers.get("content-length", "0")))
        closed = headers.get("connection", "").lower() == "close"
        if closed:
            await self.close()
        return Answer(status, headers, body, closed)

    async def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            try:
                async with asyncio.timeout(2.0):
                    await streams[1].wait_closed()
            except (OSError, TimeoutError):
                streams[1].transport.abort()


class Site(World):
    """A world with clients of every certificate in its PKI, and a look into devices and database."""

    def __init__(self, *args: Any, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self._wires: list[Wire] = []
        self._asking = asyncio.Lock()

    async def issue(self, *names: str, profile: str = "device") -> list[str]:
        """New certificates NAME.pem in the PKI; their LFDIs."""
        return await asyncio.to_thread(self._issue, names, profile)

    def _issue(self, names: tuple[str, ...], profile: str) -> list[str]:
        authority, now = TestPki.load(self.pki), time.time()
        issued = [authority.issue(profile, name, now=now) for name in names]
        for name, credential in zip(names, issued, strict=True):
            write_credential(self.pki, name, credential)
        return [format_lfdi(lfdi_from_der(credential.der)) for credential in issued]

    def context(self, name: str | None) -> ssl.SSLContext:
        """A client's TLS context with the certificate NAME.pem; None: without any."""
        pairs = [] if name is None else [KeyPair(self.pki / f"{name}.pem", self.pki / f"{name}.key")]
        return client_context("strict", key_pairs=pairs, roots=[self.pki / "serca.pem"])

    def wire(self, name: str | None) -> Wire:
        """A client with the certificate NAME.pem, closed with the site."""
        made = Wire(self.sep2_port, self.context(name))
        self._wires.append(made)
        return made

    async def device(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the process of the SunSpec devices; whoever asks meanwhile waits."""
        async with self._asking:
            await self.devices.send(line)
            return await self.devices.receive()

    async def powers(self) -> list[float]:
        """What each SunSpec device really delivers, W."""
        found = await self.device({"unit": "all", "query": "state"})
        return [state["w"] for state in found["states"]]

    async def status(self) -> dict[str, Any]:
        """The operator's status."""
        return await self.page("/api/v1/status")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read the database beside the running server."""
        place = f"file:{self.folder / 'gridiface.sqlite'}?mode=ro"
        connection = sqlite3.connect(place, uri=True, timeout=5.0)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    async def fleet_is_up(self, count: int | None = None) -> None:
        """Wait until so many devices (all that there are, without a number) have told their state."""
        wanted = self.plan.batteries + self.plan.inverters if count is None else count

        async def up() -> bool:
            return bool((await self.status())["devices"]["online"] >= wanted)

        await until(up, 20.0, f"{wanted} devices are up")

    async def stop(self) -> None:
        """Close the clients, then end the world."""
        await asyncio.gather(*(wire.close() for wire in self._wires))
        await super().stop()


#: A wait that is too long costs nothing where all goes well.
PATIENCE = 3.0


async def until(check: Callable[[], Awaitable[Any]], timeout_s: float, what: str, *, every_s: float = 0.1) -> float:
    """Poll until `check` gives something true; the seconds that took.

    `timeout_s` is what a calm machine needs at most; a busy one is given more.

    Raises:
        AssertionError: it did not in time.
    """
    began = time.monotonic()
    while not await check():
        assert time.monotonic() - began < PATIENCE * timeout_s, f"not after {PATIENCE * timeout_s} s: {what}"
        await asyncio.sleep(every_s)
    return time.monotonic() - began


@pytest.fixture(scope="session")
def thorough() -> None:
    """What takes long and differs little from what runs always asks for this; GRIDIFACE_THOROUGH=1 lets it run."""
    if not os.environ.get("GRIDIFACE_THOROUGH"):
        pytest.skip("set GRIDIFACE_THOROUGH=1 to run it")


@pytest.fixture(scope="session")
def site_class() -> type[Site]:
    """Makes sites: `async with site_class(WorldPlan(...)) as site: await site.start()`."""
    return Site


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Awaitable[float]]:
    """`await eventually(check, seconds, "what is waited for")`."""
    return until


@pytest.fixture(scope="session")
def processes_below() -> Callable[[Path], list[int]]:
    """The processes whose command line, environment or open files name a folder, by /proc."""

    def found(folder: Path) -> list[int]:
        pids = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                told = (entry / "cmdline").read_bytes()
                files = [str(link.readlink()) for link in (entry / "fd").iterdir()]
            except OSError:
                continue
            if str(folder).encode() in told or any(name.startswith(str(folder)) for name in files):
                pids.append(int(entry.name))
        return pids

    return found
