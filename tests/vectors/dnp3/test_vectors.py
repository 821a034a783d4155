"""Plays the recorded exchanges of this folder against an outstation, octet for octet.

A file is a list of exchanges. `#` says in English what is going on, `>` are octets from the master, `<` the octets
that must come back (none: silence), `+ seconds` lets time pass, `= type index value` is a new value of a point (the
event's time is then the outstation's). Files named worked-* hold the frames of the facts this project was written from.
Files named secure-* are sessions of secure authentication with known keys and counting "random" octets; they are
computed by this project's own two ends, for aggressive mode and AES-GMAC are not what the foreign one of
test_opendnp3_secure.py speaks: the primitives are checked against the vectors of their own standards in the unit tests.
"""

from pathlib import Path

import pytest

from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, MacAlgorithm, User
from gridiface.protocols.dnp3.controls import CommandStatus
from gridiface.protocols.dnp3.link import FrameReader, encode
from gridiface.protocols.dnp3.outstation.authentication import OutstationAuthentication
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings, UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

HERE = Path(__file__).parent
NOW = 1_700_000_000.0


class Accepting(OutstationHandler):
    def select(self, request, now):
        return CommandStatus.SUCCESS

    def operate(self, request, now):
        return CommandStatus.SUCCESS

    def restart(self, kind, master, now):
        return 2.0


def points():
    """Three points of each type: inputs with classes, outputs with limits."""
    return [
        *(PointConfig(PointType.BINARY_INPUT, index, event_class=1) for index in range(3)),
        *(PointConfig(PointType.DOUBLE_BIT_INPUT, index, event_class=1) for index in range(3)),
        *(PointConfig(PointType.BINARY_OUTPUT, index, event_class=0) for index in range(3)),
        *(PointConfig(PointType.COUNTER, index, event_class=3) for index in range(3)),
        *(PointConfig(PointType.FROZEN_COUNTER, index, event_class=3) for index in range(3)),
        *(PointConfig(PointType.ANALOG_INPUT, index, event_class=2, deadband=0.5) for index in (0, 1, 300)),
        *(PointConfig(PointType.ANALOG_OUTPUT, index, minimum=-100, maximum=100) for index in range(3)),
    ]


def play(text, outstation):
    """Runs one file's exchanges; yields (English, wanted, got) for each."""
    channel, now, english, got, wanted = outstation.open(NOW), NOW, "", b"", b""
    for line in [*text.splitlines(), "#"]:
        mark, _, rest = line.strip().partition(" ")
        if mark in ("#", ">", "+", "=") and (got or wanted):
            yield english, wanted.hex(" "), got.hex(" ")
            got = wanted = b""
        if mark == "#":
            english = rest
        elif mark == ">":
            channel.receive(bytes.fromhex(rest), now)
            got += channel.to_send(now)
        elif mark == "<":
            wanted += bytes.fromhex(rest)
        elif mark == "+":
            now += float(rest)
            channel.handle_timer(now)
            got += channel.to_send(now)
        elif mark == "=":
            name, index, value = rest.rsplit(" ", 2)
            outstation.database.update(now, PointType(name), int(index), float(value))
            got += channel.to_send(now)


def counting():
    """A stand-in for the random generator: 0, 1, 2, ..."""
    state = [0]

    def octets(count):
        state[0] += count
        return bytes((state[0] - count + number) & 0xFF for number in range(count))

    return octets


def authentication(name):
    """The outstation's end for the files named secure-*: user 1, update key 00 01 .. 0f."""
    if not name.startswith("secure"):
        return {}
    algorithm = MacAlgorithm.AES_GMAC_12 if "gmac" in name else MacAlgorithm.HMAC_SHA_256_16
    settings = AuthenticationSettings(mac=algorithm)
    return {1: OutstationAuthentication(settings, [User(1, "common", bytes(range(16)))], counting())}


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_recorded_exchange(path):
    unsolicited = UnsolicitedSettings() if "unsolicited" in path.stem else None
    outstation = Outstation(
        OutstationSettings(10, self_address=True),
        [AssociationSettings(1, unsolicited=unsolicited, need_time="need-time" in path.stem)],
        Database(points()),
        Accepting(),
        {252: "gridiface"},
        NOW,
        authentication(path.stem),
    )
    steps = list(play(path.read_text(), outstation))
    assert steps
    for english, wanted, got in steps:
        assert got == wanted, english


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_every_recorded_frame_is_whole(path):
    for line in path.read_text().splitlines():
        mark, _, rest = line.partition(" ")
        if mark in ("<", ">") and "damaged" not in path.stem:
            octets = bytes.fromhex(rest)
            assert b"".join(encode(frame) for frame in FrameReader().feed(octets)) == octets
