"""File transfer block by block, in octets made and read by the tests alone (tests/dnp3_octets.py).

Layouts and status codes are those of IEEE 1815-2012 Annex A.35, the order of blocks that of clause 4.4.3.
"""

from __future__ import annotations

import struct

import pytest
from tests.dnp3_octets import Joiner, request, unframed

from gridiface.protocols.dnp3.files import FileInfo, FileMode, FileStatus, FileStore
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

READ, WRITE, OPEN, CLOSE, DELETE, ABORT = 1, 2, 25, 26, 27, 30
SUCCESS, DENIED, NOT_FOUND, LOCKED, INVALID_HANDLE = 0, 1, 3, 4, 6
NOT_OPENED, EXPIRED, FATAL, SEQUENCE = 16, 17, 19, 20
LAST = 0x8000_0000
UNKNOWN_SIZE = 0xFFFF_FFFF


class Kept(FileStore):
    """Files in memory."""

    def __init__(self) -> None:
        self.files = {"log": bytes(range(25)), "old": b"x"}

    def info(self, name):
        return FileInfo(name, len(self.files[name])) if name in self.files else None

    def allow(self, name, mode, key, master):
        return FileStatus.PERMISSION_DENIED if name == "secret" else FileStatus.SUCCESS

    def read(self, name):
        return self.files.get(name)

    def write(self, name, octets, mode):
        self.files[name] = (self.files.get(name, b"") if mode is FileMode.APPEND else b"") + octets
        return FileStatus.SUCCESS

    def delete(self, name):
        return FileStatus.NOT_FOUND if self.files.pop(name, None) is None else FileStatus.SUCCESS


class Peer:
    """A master of files: one object out, one object back."""

    def __init__(self) -> None:
        self.now, self.number, self.joiner, self.store = 1.7e9, 0, Joiner(), Kept()
        database = Database([PointConfig(PointType.BINARY_INPUT, 0)])
        self.outstation = Outstation(
            OutstationSettings(10), [AssociationSettings(1)], database, now=self.now, files=self.store
        )
        self.channel = self.outstation.open(self.now)

    def send(self, octets: bytes) -> bytes:
        self.channel.receive(octets, self.now)
        whole = [self.joiner.take(user) for *_, user in unframed(self.channel.to_send(self.now))]
        (answer,) = [one for one in whole if one is not None]
        assert (answer[0], answer[1]) == (0xC0 | self.number % 16, 129)
        return answer

    def ask(self, function: int, variation: int, data: bytes) -> tuple[int, bytes]:
        """Variation and octets of the one object that comes back; free-format, qualifier 5B."""
        self.number += 1
        head = bytes([70, variation, 0x5B, 1]) + struct.pack("<H", len(data))
        answer = self.send(request(self.number % 16, function, head + data, self.number))
        assert answer[3] & 0x0F == 0
        assert answer[2] & 0x07 == 0
        assert answer[4] == 70
        assert answer[6:8] == b"\x5b\x01"
        assert struct.unpack("<H", answer[8:10])[0] == len(answer) - 10
        return answer[5], answer[10:]

    def command(self, function: int, name: str, mode: int = 0, size: int = 0, block: int = 10) -> tuple[int, ...]:
        """Open or delete by g70v3; g70v4: handle, size, block size, request, status."""
        fixed = struct.pack("<HHIHHIIHHH", 26, len(name), 0, 0, 0, 0, size, mode, block, 77)
        variation, octets = self.ask(function, 3, fixed + name.encode())
        assert variation == 4
        return struct.unpack("<IIHHB", octets)

    def opened(self, name: str, mode: int = 1, size: int = 0) -> int:
        handle, _, _, _, status = self.command(OPEN, name, mode, size)
        assert handle
        assert status == SUCCESS
        return handle

    def end(self, function: int, handle: int) -> int:
        """Status of a close or abort (g70v4 both ways)."""
        variation, octets = self.ask(function, 4, struct.pack("<IIHHB", handle, 0, 0, 78, 0))
        got, _, _, about, status = struct.unpack("<IIHHB", octets)
        assert (variation, got, about) == (4, handle, 78)
        return status

    def read(self, handle: int, number: int) -> tuple[bool, bytes] | int:
        """(last, octets) of a block (g70v5), or its status (g70v6)."""
        variation, octets = self.ask(READ, 5, struct.pack("<II", handle, number))
        got, block = struct.unpack("<II", octets[:8])
        assert (got, block & ~LAST) == (handle, number)
        if variation == 6:
            return octets[8]
        assert variation == 5
        return bool(block & LAST), octets[8:]

    def write(self, handle: int, number: int, data: bytes, *, last: bool = False) -> int:
        """Status of a block that was written (g70v6)."""
        variation, octets = self.ask(WRITE, 5, struct.pack("<II", handle, number | LAST * last) + data)
        got, block, status = struct.unpack("<IIB", octets)
        assert (variation, got, block & ~LAST) == (6, handle, number)
        return status


@pytest.fixture
def peer():
    return Peer()


def test_a_file_is_read_to_its_last_block(peer):
    handle, size, block, about, status = peer.command(OPEN, "log", 1)
    assert (size, block, about, status) == (25, 10, 77, SUCCESS)
    assert [peer.read(handle, number) for number in range(3)] == [
        (False, bytes(range(10))),
        (False, bytes(range(10, 20))),
        (True, bytes(range(20, 25))),
    ]
    assert peer.end(CLOSE, handle) == SUCCESS
    assert peer.read(handle, 0) == NOT_OPENED
    assert peer.end(CLOSE, handle) == INVALID_HANDLE


def test_blocks_are_read_in_order_and_the_newest_again(peer):
    handle = peer.opened("log")
    assert peer.read(handle, 1) == SEQUENCE
    first = peer.read(handle, 0)
    assert peer.read(handle, 0) == first
    assert peer.read(handle, 2) == SEQUENCE
    assert peer.read(handle, 1) == (False, bytes(range(10, 20)))
    assert peer.read(handle, 0) == SEQUENCE  # two back
    assert peer.read(handle, 2) == peer.read(handle, 2) == (True, bytes(range(20, 25)))
    assert peer.read(handle, 3) == SEQUENCE  # behind the last is none


@pytest.mark.parametrize(("mode", "before"), [(2, b""), (3, b"x")], ids=["write", "append"])
def test_a_file_is_written_block_by_block_and_taken_when_it_is_closed(peer, mode, before):
    handle = peer.opened("old", mode, size=15)
    assert peer.write(handle, 1, b"abc") == SEQUENCE
    assert peer.write(handle, 0, b"0123456789") == SUCCESS
    assert peer.write(handle, 0, b"0123456789") == SUCCESS  # it is told again, and counts once
    assert peer.write(handle, 0, b"9876543210") == SEQUENCE  # that is another block
    assert peer.write(handle, 2, b"abc") == SEQUENCE
    assert peer.write(handle, 1, b"abcde", last=True) == SUCCESS
    assert peer.write(handle, 2, b"more") == SEQUENCE
    assert peer.store.files["old"] == b"x"
    assert peer.end(CLOSE, handle) == SUCCESS
    assert peer.store.files["old"] == before + b"0123456789abcde"


def test_a_request_sent_again_with_the_same_octets_is_done_once(peer):
    handle = peer.opened("new", 2, UNKNOWN_SIZE)
    peer.number = 5
    block = struct.pack("<II", handle, 0) + b"abc"
    write = request(5, WRITE, b"\x46\x05\x5b\x01" + struct.pack("<H", len(block)) + block, 5)
    assert peer.send(write) == peer.send(write)
    assert peer.write(handle, 1, b"def", last=True) == SUCCESS
    peer.number = 7
    closing = request(7, CLOSE, b"\x46\x04\x5b\x01\x0d\x00" + struct.pack("<IIHHB", handle, 0, 0, 78, 0), 7)
    assert peer.send(closing) == peer.send(closing)  # not once closed and once an invalid handle
    assert peer.store.files["new"] == b"abcdef"


def test_a_write_that_stops_in_the_middle_or_is_aborted_leaves_the_old_file(peer):
    for function, status in ((CLOSE, FATAL), (ABORT, SUCCESS)):
        handle = peer.opened("old", 2, UNKNOWN_SIZE)
        assert peer.write(handle, 0, b"half") == SUCCESS
        assert peer.end(function, handle) == status
        assert peer.write(handle, 1, b"more") == NOT_OPENED
        assert peer.end(function, handle) == INVALID_HANDLE
    assert peer.store.files["old"] == b"x"


def test_delete(peer):
    handle = peer.opened("old")
    assert peer.command(DELETE, "old")[-1] == LOCKED  # somebody reads it
    peer.end(CLOSE, handle)
    assert peer.command(DELETE, "old") == (0, 0, 0, 77, SUCCESS)
    assert peer.command(DELETE, "old")[-1] == NOT_FOUND
    assert peer.command(DELETE, "secret")[-1] == DENIED
    assert peer.command(OPEN, "old", 1)[-1] == NOT_FOUND
    assert list(peer.store.files) == ["log"]


def test_a_handle_expires_when_nobody_uses_it(peer):
    """Each use lets it live on; what was written into it is dropped."""
    reading, writing = peer.opened("log"), peer.opened("old", 2, UNKNOWN_SIZE)
    assert peer.write(writing, 0, b"half") == SUCCESS
    for number in range(3):
        peer.now += 100
        assert peer.read(reading, number) not in (EXPIRED, NOT_OPENED, SEQUENCE)
    assert peer.write(writing, 1, b"more", last=True) == EXPIRED
    assert peer.end(CLOSE, writing) == INVALID_HANDLE
    peer.now += 121
    assert peer.read(reading, 2) == EXPIRED
    assert peer.read(reading + 50, 0) == NOT_OPENED  # there never was such a one
    assert peer.store.files["old"] == b"x"
    assert peer.opened("old", 2)  # and is no longer locked
