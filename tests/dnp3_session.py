"""A master of octets (tests/dnp3_octets.py) in conversation with the outstation core, with a clock of its own."""

from __future__ import annotations

import struct

from tests.dnp3_octets import Joiner, request, unframed

from gridiface.protocols.dnp3.controls import CommandStatus
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

NOW = 1_700_000_000.0
STAMP = struct.pack("<Q", 1_700_000_000_000)[:6]
BI, DBI, BO = PointType.BINARY_INPUT, PointType.DOUBLE_BIT_INPUT, PointType.BINARY_OUTPUT
CT, AI, AO = PointType.COUNTER, PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT
CLASS_123 = "3c 02 06 3c 03 06 3c 04 06"
CROB = "0c 01 17 01 00 03 01 64 00 00 00 64 00 00 00 00"


class Doing(OutstationHandler):
    """Does what it is told and counts it."""

    def __init__(self) -> None:
        self.done: list[object] = []

    def select(self, request, now):
        return CommandStatus.SUCCESS

    def operate(self, request, now):
        self.done.append(request.command)
        return CommandStatus.SUCCESS

    def write_octets(self, index, octets, master, now):
        self.done.append(octets)
        return True


class Peer:
    """A master of octets: what it sends, and the fragments that come back."""

    def __init__(self, points, now=NOW, attributes=None, **settings) -> None:
        self.now, self.handler = now, Doing()
        self.database = Database(points)
        self.outstation = Outstation(
            OutstationSettings(10), [AssociationSettings(1, **settings)], self.database, self.handler, attributes, now
        )
        self.channel = self.outstation.open(now)
        self.joiner = Joiner()
        self.transport = 0
        self.link: list[int] = []

    def hear(self) -> list[bytes]:
        """Fragments that the outstation sends now; what it says of the link is in `link`."""
        found = []
        for control, to, source, user in unframed(self.channel.to_send(self.now)):
            assert (to, source) == (1, 10)
            if control != 0x44:
                self.link.append(control)
                continue
            whole = self.joiner.take(user)
            found += [] if whole is None else [whole]
        return found

    def send(self, octets: bytes) -> list[bytes]:
        self.channel.receive(octets, self.now)
        return self.hear()

    def ask(self, sequence: int, function: int, objects: str = "") -> list[bytes]:
        self.transport += 1
        return self.send(request(sequence, function, objects, self.transport))

    def one(self, sequence: int, function: int, objects: str = "") -> str:
        """Octets behind the indications of the only answer, as hex."""
        (answer,) = self.ask(sequence, function, objects)
        assert (answer[0] & 0x0F, answer[1]) == (sequence, 129)
        return answer[4:].hex(" ")

    def indications(self, sequence: int, function: int, objects: str = "") -> int:
        (answer,) = self.ask(sequence, function, objects)
        return struct.unpack("<H", answer[2:4])[0]

    def wait(self, seconds: float) -> list[bytes]:
        self.now += seconds
        self.channel.handle_timer(self.now)
        return self.hear()


def points(kind, count, **more):
    return [PointConfig(kind, index, **more) for index in range(count)]
