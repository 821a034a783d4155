"""The link for each carrier: TCP and TLS by the package's own link, serial frames by a pymodbus client behind it.

Owned here: the only use of pymodbus, and the sharing of its connections. Not owned: messages (modbus_pdu, plan) and
retries (the dispatcher).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import DecodePDU, ModbusPDU

from gridiface.errors import DeviceRejected, DeviceTimeout, LocalProtocolError, RemoteProtocolError
from gridiface_southbound.modbus.config import ModbusConfig
from gridiface_southbound.modbus.rtu import Hearing
from gridiface_southbound.modbus_connection import Reply
from gridiface_southbound.modbus_link import Link
from gridiface_southbound.modbus_pdu import Request, from_unit, reply_data
from gridiface_southbound.modbus_sharing import tcp_link
from gridiface_southbound.silence import Silence, noted

Client = AsyncModbusTcpClient | AsyncModbusSerialClient


def link_for(config: ModbusConfig) -> Link:
    """The link that a device's configuration asks for; needs a running loop, does no I/O but reading TLS files.

    Raises:
        DeviceRejected: the TLS files cannot be used, or another device uses the serial line with other settings.
    """
    if config.carrier in ("tcp", "tls"):
        return tcp_link(config)
    silence = Silence() if config.shared else None
    link = PymodbusLink(
        _client_maker(config), config.place, connect_timeout_s=config.connect_timeout_s, silence=silence
    )
    link.pause_s = config.pause
    if not config.shared:
        return link
    lines = _shared.setdefault(asyncio.get_running_loop(), {})
    key = (config.carrier, config.place)
    line = lines.setdefault(key, _Line(link, config.line))
    if line.settings != config.line:
        raise DeviceRejected(
            f"{config.place} is in use with {line.settings}, and this device wants {config.line}: "
            "all devices on a line have the same baudrate, parity and stop_bits"
        )
    # The one that needs the longest silence hears the requests to the others, too.
    line.link.pause_s = max(line.link.pause_s, config.pause)
    return SharedLine(lines, key)


class PymodbusLink:
    """A pymodbus client as a link: one request at a time, no retries, reconnection when it is next needed.

    After a time-out, a cancellation or an answer that does not fit the connection is closed: serial frames carry no
    transaction number, so a late answer could be taken for the next one's.

    Args:
        silence: of the units on the line, where several share it.
    """

    def __init__(
        self,
        client: Callable[[], Client],
        place: str,
        *,
        connect_timeout_s: float,
        silence: Silence | None = None,
    ) -> None:
        self._make = client
        self._place = place
        self._connect_timeout_s = connect_timeout_s
        self._silence = silence
        #: As `Link.connects`.
        self.connects = 0
        #: Least time between an answer, or a connect, and the next request, seconds.
        self.pause_s = 0.0
        self._quiet_since = float("-inf")
        self._client: Client | None = None
        self._turn = asyncio.Lock()
        self._decoder = DecodePDU(is_server=True)

    @property
    def connected(self) -> bool:
        """Whether a connection is open now."""
        return self._client is not None and bool(self._client.connected)

    async def exchange(self, unit: int, requests: Sequence[Request], *, timeout_s: float) -> list[Reply]:
        """As `Link.exchange`; `timeout_s` counts for each request, without the wait for a turn."""
        async with self._turn:
            if self._silence is not None:
                timeout_s = self._silence.time_for(unit, timeout_s, asyncio.get_running_loop().time())
            try:
                await self._ready()
                return await noted(self._silence, unit, self._replies(unit, requests, timeout_s), from_unit)
            except BaseException:
                self._drop()
                raise

    async def _replies(self, unit: int, requests: Sequence[Request], timeout_s: float) -> list[Reply]:
        replies: list[Reply] = []
        for request in requests:
            # Who closes the connection after each answer does so in the silence, too.
            await self._ready()
            await self._keep_quiet()
            client = await self._ready()
            replies.append(await self._ask(client, unit, request, timeout_s))
            self._quiet_since = asyncio.get_running_loop().time()
        return replies

    async def _ready(self) -> Client:
        client = self._client
        return client if client is not None and client.connected else await self._connect()

    async def close(self) -> None:
        """Close the connection. Twice is once."""
        self._drop()
        # One turn of the loop lets the transport release its socket.
        await asyncio.sleep(0)

    async def _connect(self) -> Client:
        self._drop()
        self.connects += 1
        self._client = client = self._make()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                opened = await client.connect()
        except TimeoutError as error:
            raise DeviceTimeout(f"{self._place} took no connection in {self._connect_timeout_s} s") from error
        except (OSError, ModbusException, ValueError) as error:
            raise DeviceTimeout(f"{self._place} cannot be reached: {error}") from error
        if not opened:
            raise DeviceTimeout(f"{self._place} cannot be reached")
        self._quiet_since = asyncio.get_running_loop().time()
        return client

    async def _keep_quiet(self) -> None:
        """The silence before a request: pymodbus keeps none, and what follows at once belongs to the frame before."""
        left = self._quiet_since + self.pause_s - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    async def _ask(self, client: Client, unit: int, request: Request, timeout_s: float) -> Reply:
        message = self._decoder.decode(request.pdu)
        if message is None:
            raise LocalProtocolError(f"function {request.pdu[0]} is not known to the carrier")
        message.dev_id = unit
        task = asyncio.current_task()
        told_to_end = 0 if task is None else task.cancelling()
        try:
            async with asyncio.timeout(timeout_s):
                answer: ModbusPDU = await client.execute(no_response_expected=False, request=message)
        except TimeoutError as error:
            raise DeviceTimeout(f"{self._place} unit {unit} did not answer in time") from error
        except (ModbusException, OSError) as error:
            raise DeviceTimeout(f"{self._place} unit {unit}: {error}") from error
        except asyncio.CancelledError:
            if task is not None and task.cancelling() > told_to_end:
                raise
            raise DeviceTimeout(f"{self._place}: the connection was closed before the answer") from None
        if task is not None and task.cancelling() > told_to_end:
            # Python 3.11's wait_for, in pymodbus, swallows a cancellation that comes with the answer.
            raise asyncio.CancelledError
        try:
            return reply_data(request, bytes((answer.function_code,)) + answer.encode())
        except RemoteProtocolError as error:
            raise DeviceRejected(error.reason) from None

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        transport = client.ctx.transport
        client.close()
        if isinstance(transport, asyncio.Transport):
            with contextlib.suppress(OSError):
                transport.abort()


class _Line:
    """A shared connection and how many use it."""

    def __init__(self, link: PymodbusLink, settings: str) -> None:
        self.link = link
        self.settings = settings
        self.users = 0


class SharedLine:
    """One user's handle on a shared pymodbus connection; the last one to close it closes the connection."""

    def __init__(self, lines: dict[tuple[str, str], _Line], key: tuple[str, str]) -> None:
        self._lines = lines
        self._key = key
        self._line: _Line | None = lines[key]
        lines[key].users += 1

    @property
    def connected(self) -> bool:
        """As `Link.connected`."""
        return self._line is not None and self._line.link.connected

    @property
    def connects(self) -> int:
        """As `Link.connects`."""
        return 0 if self._line is None else self._line.link.connects

    async def exchange(self, unit: int, requests: Sequence[Request], *, timeout_s: float) -> list[Reply]:
        """As `Link.exchange`."""
        if self._line is None:
            raise DeviceTimeout("the link was closed")
        return await self._line.link.exchange(unit, requests, timeout_s=timeout_s)

    async def close(self) -> None:
        """Give the connection back; twice is once."""
        line, self._line = self._line, None
        if line is None:
            return
        line.users -= 1
        if not line.users:
            self._lines.pop(self._key, None)
            await line.link.close()


#: The shared connections of each running loop.
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], _Line]] = WeakKeyDictionary()


def _client_maker(config: ModbusConfig) -> Callable[[], Client]:
    """Makes a client that neither retries nor reconnects by itself."""
    patience = config.connect_timeout_s + config.timeout_s
    if config.carrier == "serial":
        return lambda: AsyncModbusSerialClient(
            config.serial_port,
            baudrate=config.baudrate,
            parity=config.parity,
            stopbits=config.stop_bits,
            reconnect_delay=0,
            timeout=patience,
            retries=0,
            trace_packet=Hearing(),
        )
    return lambda: AsyncModbusTcpClient(
        config.host,
        port=config.tcp_port,
        framer=FramerType.RTU,
        reconnect_delay=0,
        timeout=patience,
        retries=0,
        trace_packet=Hearing(),
    )
