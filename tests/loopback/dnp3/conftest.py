"""A small asyncio TCP shell around the DNP3 cores, and a recorder of what passed, for tests over real sockets."""

import asyncio
import contextlib
import struct
import time

import pytest
from tests.waiting import PATIENCE_S

from gridiface.protocols.dnp3.controls import CommandStatus
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler


class Recorder:
    """Keeps every octet that passed, in order, and writes it as a pcap that decoders of DNP3 open."""

    def __init__(self):
        self.packets = []

    def note(self, octets, *, from_master):
        if octets:
            self.packets.append((time.time(), from_master, bytes(octets)))

    def write_pcap(self, path):
        """Ethernet, IPv4 and TCP headers are made up; checksums are left 0, sequence numbers are true."""
        sent = {True: 1, False: 1}
        with path.open("wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
            for when, from_master, octets in self.packets:
                for at in range(0, len(octets), 60_000):
                    self._write(file, when, from_master, octets[at : at + 60_000], sent)

    @staticmethod
    def _write(file, when, from_master, octets, sent):
        ends = [b"\x7f\0\0\x02", b"\x7f\0\0\x01"]
        ports = [40_000, 20_000]
        if not from_master:
            ends.reverse()
            ports.reverse()
        tcp = struct.pack(">HHIIBBHHH", *ports, sent[from_master], sent[not from_master], 0x50, 0x18, 65_535, 0, 0)
        sent[from_master] += len(octets)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(octets), 0, 0, 64, 6, 0) + ends[0] + ends[1]
        packet = bytes(12) + b"\x08\0" + ip + tcp + octets
        file.write(struct.pack("<IIII", int(when), int(when % 1 * 1e6), len(packet), len(packet)) + packet)


class OutstationProtocol(asyncio.Protocol):
    """One connection of an outstation: octets in, octets out, one write per turn, timers from the core."""

    def __init__(self, server):
        self.server = server
        self.timer = None
        self.armed_for = 0.0

    def connection_made(self, transport):
        self.transport = transport
        self.channel = self.server.outstation.open(time.time())
        self.server.connections.add(self)
        self.pump()

    def data_received(self, data):
        now = time.time()
        self.server.recorder.note(data, from_master=True)
        self.channel.receive(data, now)
        self.pump(now)

    def connection_lost(self, error):
        self.server.connections.discard(self)
        self.channel.close()
        if self.timer is not None:
            self.timer.cancel()

    def pump(self, now=None):
        now = time.time() if now is None else now
        octets = self.channel.to_send(now)
        if octets:
            self.server.recorder.note(octets, from_master=False)
            self.transport.write(octets)
        due = self.channel.next_timer()
        if due is None or (self.timer is not None and self.armed_for <= due):
            return  # a timer that rings early does no harm; setting one anew for each message would cost
        if self.timer is not None:
            self.timer.cancel()
        self.armed_for = due
        self.timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self.on_timer)

    def on_timer(self):
        self.timer = None
        self.channel.handle_timer(time.time())
        self.pump()


class Server:
    """An outstation listening on a free port of the loopback."""

    def __init__(self, outstation):
        self.outstation = outstation
        self.recorder = Recorder()
        self.connections = set()
        self.port = 0

    def pump(self):
        for connection in list(self.connections):
            connection.pump()


class AcceptingHandler(OutstationHandler):
    def __init__(self):
        self.operated = []

    def select(self, request, now):
        return CommandStatus.SUCCESS

    def operate(self, request, now):
        self.operated.append(request)
        return CommandStatus.SUCCESS


class MasterProtocol(asyncio.Protocol):
    """One connection of a master core."""

    def __init__(self, master):
        self.master = master
        self.timer = None
        self.events = []
        self.changed = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self.master.connected(time.time())
        self.pump()

    def data_received(self, data):
        self.master.receive(data, time.time())
        self.pump()

    def connection_lost(self, error):
        if self.timer is not None:
            self.timer.cancel()
        self.master.disconnected(time.time())
        self.fetch()

    def pump(self):
        now = time.time()
        octets = self.master.to_send(now)
        if octets:
            self.transport.write(octets)
        self.fetch()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        due = self.master.next_timer()
        if due is not None:
            self.timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self.on_timer)

    def on_timer(self):
        self.timer = None
        self.master.handle_timer(time.time())
        self.pump()

    def fetch(self):
        while (event := self.master.next_event()) is not None:
            self.events.append(event)
            self.changed.set()

    async def until(self, found, seconds=PATIENCE_S):
        """Waits for found(events) to be true; its value."""
        async with asyncio.timeout(seconds):
            while not (value := found(self.events)):
                self.changed.clear()
                await self.changed.wait()
            return value


@pytest.fixture
def accepting():
    return AcceptingHandler()


@pytest.fixture
def serve():
    """An async context manager: an outstation served on the loopback."""

    @contextlib.asynccontextmanager
    async def serving(outstation):
        server = Server(outstation)
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: OutstationProtocol(server), "127.0.0.1", 0)
        server.port = listener.sockets[0].getsockname()[1]
        try:
            yield server
        finally:
            listener.close()
            for connection in list(server.connections):
                connection.transport.abort()
            await listener.wait_closed()

    return serving


@pytest.fixture
def dial():
    """An async context manager: a master core connected to a port of the loopback."""

    @contextlib.asynccontextmanager
    async def dialling(master, port):
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(lambda: MasterProtocol(master), "127.0.0.1", port)
        try:
            yield protocol
        finally:
            transport.abort()
            await asyncio.sleep(0)

    return dialling
