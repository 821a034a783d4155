"""Runs one simulated inverter: `python -m gridiface.simulation.inverter`.

Its configuration is the first line of standard input (JSON, see config.InverterConfig). It prints {"ready": true,
"lfdi": ...} when the server lists it and its DER is found, then answers {"query": "state"} lines; it ends when its
standard input closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.identity import format_lfdi, lfdi_from_der, sfdi_from_lfdi
from gridiface.protocols.sep2.client import Outgoing
from gridiface.protocols.sep2.exchange import Reply
from gridiface.simulation.inverter.behaviour import Inverter
from gridiface.simulation.inverter.config import InverterConfig
from gridiface.simulation.lines import input_lines, say
from gridiface.streams.bodies import BodyTooLarge, whole_body

_LONGEST_SLEEP_S = 1.0
_MAX_BODY = 4 * 1024 * 1024


class Shell:
    """The sockets and the clock of one inverter."""

    def __init__(self, inverter: Inverter, session: aiohttp.ClientSession) -> None:
        self._inverter = inverter
        self._session = session
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            now = time.time()
            self._inverter.advance(now)
            if self._inverter.registered:
                self.ready.set()
            for outgoing in self._inverter.client.next_requests(now):
                task = asyncio.create_task(self._exchange(outgoing))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            self._wake.clear()
            wait = min(_LONGEST_SLEEP_S, max(0.0, self._inverter.next_timer(now) - time.time()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def _exchange(self, outgoing: Outgoing) -> None:
        asked = outgoing.request
        url = f"https://{self._inverter.config.server}{asked.target}"
        headers = {name: value for name, value in asked.headers.items() if name != "host"}
        try:
            async with self._session.request(
                asked.method, url, data=asked.body or None, headers=headers, allow_redirects=False
            ) as answer:
                body = await whole_body(answer.content, _MAX_BODY)
                reply = Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, body)
        except (aiohttp.ClientError, BodyTooLarge, TimeoutError, OSError, ssl.SSLError):
            self._inverter.client.on_failure(outgoing.number, time.time())
        else:
            self._inverter.client.on_reply(outgoing.number, reply, time.time())
        self._wake.set()


def _state(inverter: Inverter) -> dict[str, Any]:
    return {
        "lfdi": inverter.lfdi,
        "w": inverter.unit.w,
        "soc": inverter.unit.soc,
        "demand_w": inverter.unit.demand.power_w,
        "readings": inverter.told.readings,
        "refused_writes": inverter.told.refused_writes,
        "controls": inverter.told.controls,
    }


async def serve() -> int:
    """Run until the standard input closes; the exit code."""
    lines = input_lines()
    config = InverterConfig.model_validate_json(await lines.get() or "")
    pair = KeyPair(config.certificate, config.key)
    context = client_context(config.tls_profile, key_pairs=[pair], roots=[config.roots])  # type: ignore[arg-type]  # checked by client_context
    leaf = x509.load_pem_x509_certificates(config.certificate.read_bytes())[0]
    lfdi = lfdi_from_der(leaf.public_bytes(Encoding.DER))
    inverter = Inverter(config, lfdi=format_lfdi(lfdi), sfdi=sfdi_from_lfdi(lfdi))
    connector = aiohttp.TCPConnector(ssl=context, limit=1, keepalive_timeout=300)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as session:
        shell = Shell(inverter, session)
        running = asyncio.create_task(shell.run())
        announced = asyncio.create_task(_announce(shell, inverter))
        try:
            while (line := await lines.get()) is not None:
                if line.strip():
                    say(_state(inverter))
        finally:
            announced.cancel()
            running.cancel()
            await asyncio.gather(announced, running, return_exceptions=True)
    return 0


async def _announce(shell: Shell, inverter: Inverter) -> None:
    await shell.ready.wait()
    say({"ready": True, "lfdi": inverter.lfdi})


if __name__ == "__main__":
    raise SystemExit(asyncio.run(serve()))
