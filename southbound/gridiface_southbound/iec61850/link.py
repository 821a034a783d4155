"""One association with a device: the MMS client core on a connection. Owns the connection, its users and time-outs.

Not owned: what is asked (model, reports, driver). A link that failed is closed for good; a new one is made. Several
devices of one server may share it: requests carry numbers, so nobody waits for another's answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout, LocalProtocolError, RemoteProtocolError
from gridiface.protocols.mms import association
from gridiface.protocols.mms.acse import Title
from gridiface.protocols.mms.association import Addresses
from gridiface.protocols.mms.client import Answered, Associated, Client, Ended, Event, Reported
from gridiface.protocols.mms.control import Awaited, Operation, Outcome, Result
from gridiface.protocols.mms.pdu import Initiate, Report
from gridiface.protocols.mms.services import Request
from gridiface.streams.receiving import Receiver
from gridiface_southbound.iec61850.config import Iec61850Config, LinkKey
from gridiface_southbound.points.secrets import secret_in, tls_context

_log = logging.getLogger(__name__)

#: Time for an orderly end; a device that does not answer is left.
_CLOSING_S = 0.5


#: Takes each report that comes.
Listener = Callable[[Report], None]


class Link(Receiver):
    """One association, made by `link_for`. `connect` first, `leave` last; the last user to leave ends it.

    Args:
        config: a driver's.

    Raises:
        DeviceRejected: a file of the configuration cannot be used.
    """

    def __init__(self, config: Iec61850Config) -> None:
        self.listeners: list[Listener] = []
        self._config = config
        self._opening = asyncio.Lock()
        self._client = Client(_settings(config))
        self._transport: asyncio.Transport | None = None
        self._associated: asyncio.Future[Initiate] | None = None
        self._waiting: dict[int, asyncio.Future[Result]] = {}
        self._operations: list[tuple[Operation, asyncio.Event]] = []
        self._ended = asyncio.Event()
        self._closing = False
        self._why = "not connected"

    @property
    def ended(self) -> bool:
        """Whether it is over for good, or about to be."""
        return self._ended.is_set() or self._closing

    @property
    def usable(self) -> bool:
        """Whether requests can be made."""
        return self._client.is_open and not self._ended.is_set()

    @property
    def max_octets(self) -> int:
        """The longest message that was agreed on."""
        terms = self._client.terms
        return 65_000 if terms is None or terms.max_octets is None else terms.max_octets

    async def connect(self) -> None:
        """Connect and associate, where another user has not done so already.

        Raises:
            DeviceTimeout: nobody answers.
            DeviceRejected: TLS or the association was refused.
        """
        async with self._opening:
            if self.ended:
                raise DeviceTimeout(f"the association is lost: {self._why}")
            if not self.usable:
                await self._associate()

    async def _associate(self) -> None:
        config = self._config
        place = f"{config.host}:{config.tcp_port}"
        loop = asyncio.get_running_loop()
        context = tls_context(config.ca_file, config.cert_file, config.key_file) if config.tls else None
        self._associated = associated = loop.create_future()
        try:
            async with asyncio.timeout(config.connect_timeout_s):
                await loop.create_connection(
                    lambda: self,
                    config.host,
                    config.tcp_port,
                    ssl=context,
                    server_hostname=None if context is None else config.server_name or config.host,
                )
                await associated
        except asyncio.CancelledError:
            # another user may wait for it: what is half open is nobody's
            self._lose("called off")
            raise
        except ssl.SSLError as error:
            raise DeviceRejected(f"TLS with {place} failed: {error}") from error
        except (OSError, TimeoutError) as error:
            self._lose("no answer")
            raise DeviceTimeout(f"{place} cannot be reached: {str(error) or 'no answer'}") from error
        finally:
            if associated.done() and not associated.cancelled():
                associated.exception()  # who opens it knows already, and nobody else waits

    async def ask(self, request: Request) -> Result:
        """One request to its answer.

        Raises:
            DeviceTimeout: no association, or no answer; then the association is ended.
            DeviceRejected: the request cannot be made of this device.
        """
        if not self.usable:
            raise DeviceTimeout(f"the association is lost: {self._why}")
        try:
            invoke = self._client.request(request)
        except LocalProtocolError as error:
            raise DeviceRejected(str(error)) from error
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[invoke] = future
        self._flush()
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await future
        except TimeoutError:
            self._lose(f"no answer to {type(request).__name__} within {self._config.timeout_s:g} s")
            raise DeviceTimeout(self._why) from None
        except asyncio.CancelledError:
            self._client.cancel(invoke)
            self._flush()
            raise
        finally:
            self._waiting.pop(invoke, None)

    async def operate(self, operation: Operation) -> Outcome:
        """One control to its end.

        Raises:
            DeviceTimeout: no answer, or no termination; whether it acted is unknown.
            DeviceRejected: the value does not fit the device's type.
        """
        told = asyncio.Event()
        running = operation, told
        self._operations.append(running)
        try:
            step = operation.begin()
            while not isinstance(step, Outcome):
                if step is Awaited.TERMINATION:
                    step = await self._termination(operation, told)
                else:
                    step = operation.answered(await self.ask(step))
        except LocalProtocolError as error:
            raise DeviceRejected(str(error)) from error
        except asyncio.CancelledError:
            self._let_go(operation)
            raise
        finally:
            self._operations.remove(running)
        return step

    async def leave(self, listener: Listener) -> None:
        """One user less; twice is once; never raises."""
        if listener in self.listeners:
            self.listeners.remove(listener)
        if not self.listeners:
            self._closing = True
            await self._close()

    async def _close(self) -> None:
        """End the association in order, at once where the device does not answer."""
        if self._transport is None:
            return
        if self.usable:
            self._client.conclude()
            self._flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_S):
                    await self._ended.wait()
        self._lose("closed")

    async def _termination(self, operation: Operation, told: asyncio.Event) -> Request | Awaited | Outcome:
        try:
            async with asyncio.timeout(self._config.termination_timeout_s):
                await told.wait()
        except TimeoutError:
            self._let_go(operation)
            raise DeviceTimeout(f"{operation.control.reference}: no command termination") from None
        if self._ended.is_set():
            raise DeviceTimeout(f"the association is lost: {self._why}")
        return operation.terminated()

    def _let_go(self, operation: Operation) -> None:
        """An object that we selected is not left blocked; nobody waits for the answer."""
        cancellation = operation.cancellation() if operation.control.model.selects else None
        if cancellation is not None and self.usable:
            with contextlib.suppress(LocalProtocolError):
                self._client.request(cancellation)
            self._flush()

    # asyncio -------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """TCP, or TLS, is there: associate."""
        self._transport = transport
        own = transport.get_extra_info("socket")
        if own is not None:
            with contextlib.suppress(OSError):
                own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.connect()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Octets of the device."""
        try:
            self._client.receive(data)
        except RemoteProtocolError as error:
            _log.info("%s:%d: %s", self._config.host, self._config.tcp_port, error.reason)
        self._flush()
        while (event := self._client.next_event()) is not None:
            self._take(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lose("the connection is lost" if exc is None else f"the connection is lost: {exc}")

    def _take(self, event: Event) -> None:
        match event:
            case Associated():
                if self._associated is not None and not self._associated.done():
                    self._associated.set_result(event.terms)
            case Answered():
                future = self._waiting.get(event.invoke)
                if future is not None and not future.done():
                    future.set_result(event.result)
            case Reported():
                self._hear(event.report)
            case Ended():
                self._lose(event.why, DeviceRejected)

    def _hear(self, report: Report) -> None:
        for operation, told in self._operations:
            if operation.reported(report):
                told.set()
        for listener in tuple(self.listeners):
            try:
                listener(report)
            except RemoteProtocolError as error:
                _log.info("%s:%d: %s", self._config.host, self._config.tcp_port, error.reason)

    def _flush(self) -> None:
        octets = self._client.to_send()
        if octets and self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)

    def _lose(self, why: str, kind: type[DeviceError] = DeviceTimeout) -> None:
        """The end: whoever waits is told; `kind` is what an association that was not yet open fails with."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._why = why
        self._client.abort(why)
        self._flush()
        if self._transport is not None:
            # what was written is on its way; a device that reads nothing must not hold us
            self._transport.abort()
        if self._associated is not None and not self._associated.done():
            self._associated.set_exception(kind(why))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(DeviceTimeout(why))
        for _, told in self._operations:
            told.set()


#: The associations that are shared, of each running loop.
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[LinkKey, Link]] = WeakKeyDictionary()


def link_for(config: Iec61850Config, listener: Listener) -> Link:
    """The association that a device's configuration asks for, with one user more; raises as `Link`."""
    if not config.shared_connection:
        link = Link(config)
    else:
        links = _shared.setdefault(asyncio.get_running_loop(), {})
        known = links.get(config.link_key)
        link = Link(config) if known is None or known.ended else known
        links[config.link_key] = link
    link.listeners.append(listener)
    return link


def _settings(config: Iec61850Config) -> association.Settings:
    password = None if config.password_file is None else secret_in(config.password_file).encode()
    remote = Addresses(
        bytes.fromhex(config.transport_selector),
        bytes.fromhex(config.session_selector),
        bytes.fromhex(config.presentation_selector),
        Title(config.ap_title, config.ae_qualifier),
    )
    return association.Settings(remote=remote, password=password)
