"""Conversations with the outstation core in octets made and read by the tests alone (tests/dnp3_octets.py).

What is expected is worked out from IEEE 1815-2012; nothing here is encoded or decoded by the code under test.
"""

from __future__ import annotations

import struct

import pytest
from tests.dnp3_octets import confirm, frame
from tests.dnp3_session import AI, BI, BO, CLASS_123, CROB, CT, DBI, STAMP, Peer, points

from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.outstation.settings import Trigger, UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointType


def test_the_application_sequence_rolls_over():
    peer = Peer(points(AI, 100), max_tx_fragment=249)
    for number in range(40):
        (first,) = peer.ask(number % 16, 1, "1e 01 06")
        sequence = number % 16
        fragments = [first]
        while not fragments[-1][0] & 0x40:
            assert fragments[-1][0] & 0x2F == 0x20 | sequence  # wants a confirm
            fragments += peer.send(confirm(sequence))
            sequence = (sequence + 1) % 16
        assert [one[0] & 0x0F for one in fragments] == [(number + at) % 16 for at in range(3)]
        assert [one[0] & 0xC0 for one in fragments] == [0x80, 0, 0x40]
        assert all(len(one) <= 249 for one in fragments)


@pytest.mark.parametrize("lost", range(5))
@pytest.mark.parametrize("what", ["fragment", "confirm"])
def test_a_fragment_or_its_confirm_is_lost(lost, what):
    """Events whose confirm did not arrive come again, in order; those confirmed never do."""
    peer = Peer(points(AI, 50, event_class=1, event_variation=3), max_tx_fragment=249)
    for value in (7, 8):
        peer.now += 1
        for index in range(50):
            peer.database.update(peer.now, AI, index, value)
    told, sequence = [], 3
    fragments = peer.ask(sequence, 1, "3c 02 06")
    for number in range(lost + 1):
        events = events_of(fragments[0])
        if number == lost:
            break  # it is lost, or its confirm is
        told += events
        fragments = peer.send(confirm(sequence))
        sequence = (sequence + 1) % 16
    if what == "confirm":
        assert peer.send(confirm((sequence + 5) % 16)) == []  # a wrong one is none
    assert peer.wait(6.0) == []  # it gives up and does not ask
    sequence = 9
    fragments = peer.ask(sequence, 1, "3c 02 06")
    while fragments:
        told += events_of(fragments[0])
        fragments = peer.send(confirm(sequence))
        sequence = (sequence + 1) % 16
    assert told == [(index, value) for value in (7, 8) for index in range(50)]
    assert peer.indications(1, 1, "3c 02 06") & 0x0E == 0


def events_of(fragment: bytes) -> list[tuple[int, int]]:
    """(index, value) of the g32v3 with indices of one octet that a fragment holds."""
    octets, found = fragment[4:], []
    while octets:
        assert octets[:3] == b"\x20\x03\x17"
        for at in range(octets[3]):
            index, _, value = struct.unpack("<BBi", octets[4 + 12 * at : 10 + 12 * at])
            found.append((index, value))
        octets = octets[4 + 12 * octets[3] :]
    return found


@pytest.mark.parametrize(("oldest", "kept"), [(True, range(5, 15)), (False, range(10))])
def test_an_overflow_is_told_until_there_is_room(oldest, kept):
    peer = Peer(points(AI, 1, event_class=2, event_variation=3), event_capacity=10, drop_oldest=oldest)
    for value in range(15):
        peer.database.update(peer.now, AI, 0, value + 100)
    assert peer.indications(0, 23) & 0x0804 == 0x0804
    (answer,) = peer.ask(1, 1, "3c 03 06")
    assert [value for _, value in events_of(answer)] == [value + 100 for value in kept]
    assert answer[3] & 0x08  # still full before the confirm
    assert peer.indications(2, 23) & 0x0800  # given up: still
    peer.ask(3, 1, "3c 03 06")
    peer.send(confirm(3))
    assert peer.indications(4, 23) & 0x0806 == 0


def test_double_bit_inputs():
    peer = Peer(points(DBI, 5, event_class=1))
    for index, state in enumerate((0, 1, 2, 3, 2)):
        peer.database.update(peer.now, DBI, index, state)
    assert peer.one(1, 1, "03 01 00 00 04") == "03 01 00 00 04 e4 02"  # 3, 2, 1, 0 and then 2, from the low bits on
    assert peer.one(2, 1, "03 02 00 01 03") == "03 02 00 01 03 41 81 c1"
    (answer,) = peer.ask(3, 1, "04 01 06")
    assert answer[4:].hex(" ") == "04 01 17 05 00 01 01 41 02 81 03 c1 04 81"
    (answer,) = peer.ask(4, 1, "04 02 07 01")
    assert answer[4:].hex(" ") == "04 02 17 01 00 01 " + STAMP.hex(" ")
    (answer,) = peer.ask(5, 1, "04 03 07 02")  # relative to the common time (g51v1) ahead
    assert answer[4:].hex(" ") == "33 01 07 01 " + STAMP.hex(" ") + " 04 03 17 02 00 01 00 00 01 41 00 00"


def test_reports_wait_for_a_count_or_an_age():
    triggers = {1: Trigger(3, 5.0), 2: Trigger(2, 0.0), 3: Trigger(1, 0.0)}
    peer = Peer(
        [*points(BI, 9, event_class=1), *points(AI, 9, event_class=2)],
        unsolicited=UnsolicitedSettings(triggers=triggers),
    )
    (null,) = peer.hear()
    assert null.hex(" ") == "f0 82 80 00"
    peer.send(confirm(0, unsolicited=True))
    peer.ask(1, 20, CLASS_123)
    peer.database.update(peer.now, BI, 0, 1)
    assert peer.hear() == []
    assert peer.wait(3.0) == []
    peer.database.update(peer.now, BI, 1, 1)
    assert peer.wait(1.9) == []
    (aged,) = peer.wait(0.1)  # the older one is five seconds old
    assert (aged[0], aged[1], aged[4:8].hex(" ")) == (0xF1, 130, "02 02 17 02")
    peer.send(confirm(1, unsolicited=True))
    for index in range(2):
        peer.database.update(peer.now, BI, index, 0)
        assert peer.hear() == []
    peer.database.update(peer.now, BI, 2, 1)
    (counted,) = peer.hear()  # the third of them, at once
    assert (counted[0], counted[4:8].hex(" ")) == (0xF2, "02 02 17 03")
    peer.send(confirm(2, unsolicited=True))
    peer.database.update(peer.now, AI, 0, 1)
    assert peer.wait(3600) == []  # a count and no age: it waits for the second
    peer.database.update(peer.now, AI, 1, 1)
    assert len(peer.hear()) == 1


def test_reports_are_repeated_then_rest_for_the_offline_interval():
    settings = UnsolicitedSettings(confirm_timeout=2.0, retries=2, offline_interval=60.0)
    peer = Peer(points(BI, 1, event_class=1), unsolicited=settings)
    assert len(peer.hear()) == 1  # the null report
    peer.send(confirm(0, unsolicited=True))
    peer.ask(1, 20, "3c 02 06")
    peer.database.update(peer.now, BI, 0, 1)
    (report,) = peer.hear()
    for _ in range(2):
        assert peer.wait(1.9) == []
        assert peer.wait(0.1) == [report]
    assert peer.wait(2.0) == []
    assert peer.wait(59.9) == []
    (again,) = peer.wait(0.1)
    assert again[0] & 0x0F == (report[0] + 1) & 0x0F  # a new one, of the same event
    assert again[4:] == report[4:]
    assert peer.send(confirm(report[0] & 0x0F, unsolicited=True)) == []  # late for the old one: nothing
    assert peer.wait(2.0) == [again]
    peer.send(confirm(again[0] & 0x0F, unsolicited=True))
    assert peer.wait(600) == []


def test_confirmed_user_data_by_the_frame_count_bit():
    """Clause 9.2.6: nothing counts before a reset; then FCB 1, 0, 1...; a repeat is acknowledged, not processed."""
    peer = Peer(points(AI, 1))

    def data(sequence, control, transport):
        return peer.send(frame(bytes([0xC0 | transport, 0xC0 | sequence, 23]), control))

    assert data(1, 0xF3, 0) == []
    assert peer.link == []  # no acknowledgement before the reset
    assert peer.send(frame(control=0xC0)) == []
    assert peer.link == [0x00]
    assert len(data(1, 0xF3, 1)) == 1
    assert peer.link == [0x00] * 2
    assert data(1, 0xF3, 1) == []  # the same bit: a repeat
    assert peer.link == [0x00] * 3
    assert len(data(2, 0xD3, 2)) == 1
    assert data(3, 0xD3, 3) == []  # other data under the old bit are a repeat, too
    assert len(data(3, 0xF3, 3)) == 1
    peer.link.clear()
    for control, answer in ((0xF2, [0x00]), (0xD2, [0x00]), (0xC9, [0x0B]), (0xC7, [0x0F]), (0xE9, [0x0B])):
        peer.link.clear()
        peer.send(frame(control=control))
        assert peer.link == answer, hex(control)
    for spoilt in (0xD9, 0xD0, 0xC3, 0xC2):  # FCV where it has no place, or none where it has
        peer.link.clear()
        assert peer.send(frame(b"\xc0\xc9\x17", spoilt)) == []
        assert peer.link == [], hex(spoilt)
    peer.send(frame(control=0xC0))
    assert len(data(5, 0xF3, 4)) == 1  # after a reset the next bit is 1 again


@pytest.mark.parametrize(("to", "confirmed"), [(0xFFFD, False), (0xFFFE, True), (0xFFFF, False)])
def test_a_broadcast_is_told_by_the_next_response(to, confirmed):
    peer = Peer(points(CT, 1), need_time=True)
    write = bytes.fromhex("c0 c7 02 32 01 07 01") + STAMP
    assert peer.send(frame(write, 0xC4, to=to)) == []
    (answer,) = peer.ask(1, 23)
    assert answer[2] & 0x11 == 0x01  # told; and the time was taken
    assert bool(answer[0] & 0x20) is confirmed
    if confirmed:
        (answer,) = peer.ask(2, 23)
        assert answer[0] & 0x20
        assert answer[2] & 1
        peer.send(confirm(1))  # of the one before: too late
        (answer,) = peer.ask(3, 23)
        assert answer[2] & 1
        peer.send(confirm(3))
    assert not peer.indications(4, 23) & 1


def test_freezes_with_and_without_an_answer():
    peer = Peer([*points(CT, 3, event_class=1), *points(PointType.FROZEN_COUNTER, 3, event_class=3)])
    for index in range(3):
        peer.database.update(peer.now, CT, index, 1000 + index)
    assert peer.one(1, 7, "14 00 00 00 01") == ""
    assert peer.one(2, 1, "15 01 00 00 01") == "15 01 00 00 01 01 e8 03 00 00 01 e9 03 00 00"
    assert peer.one(3, 1, "15 05 00 00 00") == "15 05 00 00 00 01 e8 03 00 00 " + STAMP.hex(" ")
    assert peer.one(4, 1, "15 09 00 01 01") == "15 09 00 01 01 e9 03 00 00"
    (answer,) = peer.ask(5, 1, "17 02 06")
    assert answer[4:].hex(" ") == "17 02 17 02 00 01 e8 03 01 01 e9 03"
    peer.send(confirm(5))
    assert peer.ask(6, 10, "14 00 06") == []  # freeze and clear, not answered
    assert peer.one(7, 1, "14 05 00 00 02") == "14 05 00 00 02 " + "00 00 00 00 " * 2 + "00 00 00 00"
    assert peer.one(8, 1, "15 0a 00 00 02") == "15 0a 00 00 02 e8 03 e9 03 ea 03"
    assert peer.indications(9, 7, "1e 00 06") & 0x0300  # no analog input freezes here
    assert peer.indications(10, 9, "14 01 06") & 0x0200  # named by variation 0 only
    assert peer.indications(11, 7, "14 00 00 05 09") & 0x0400  # there is none


def test_octet_strings():
    strings = points(PointType.OCTET_STRING, 2, event_class=2)
    peer = Peer(strings)
    assert peer.one(1, 2, "6e 03 00 01 01 61 62 63") == ""
    assert peer.handler.done == [b"abc"]
    peer.database.set_octets(peer.now, 1, b"abc")
    assert peer.one(2, 1, "6e 00 00 01 01") == "6e 03 00 01 01 61 62 63"
    (answer,) = peer.ask(3, 1, "6f 00 06")
    assert answer[4:].hex(" ") == "6f 03 17 01 01 61 62 63"
    assert "6e" not in peer.one(4, 1, "3c 01 06").split(" ")  # not in class 0


def test_device_attributes_one_by_one_all_and_as_a_list():
    peer = Peer(points(BI, 3), attributes={252: "gridiface", 203: 1.5, 242: "1"})
    assert peer.one(1, 1, "00 fc 00 00 00") == "00 fc 00 00 00 01 09 " + b"gridiface".hex(" ")
    assert peer.one(2, 1, "00 cb 06") == "00 cb 00 00 00 04 04 00 00 c0 3f"
    listed = bytes.fromhex(peer.one(3, 1, "00 ff 00 00 00"))
    assert listed[:6] == bytes([0, 255, 0, 0, 0, 254])
    assert listed[6] == len(listed) - 7
    variations = {listed[at]: listed[at + 1] for at in range(7, len(listed), 2)}
    everything, found = bytes.fromhex(peer.one(4, 1, "00 fe 00 00 00")), {}
    while everything:
        head, length = everything[:5], everything[6]
        assert (head[0], head[2:5]) == (0, bytes(3))
        found[head[1]] = everything[5], everything[7 : 7 + length]
        everything = everything[7 + length :]
    assert set(found) == set(variations)
    assert found[239] == (2, b"\x03")  # three binary inputs, 0 to 2
    assert found[238] == (2, b"\x02")
    assert [variations[203] & 1, variations[242] & 1] == [1, 0]  # which a master may write
    assert peer.indications(5, 1, "00 c8 00 00 00") & 0x0200
    assert peer.indications(6, 2, "00 f2 00 00 00 01 01 32") & 0x0400


@pytest.mark.parametrize("bit", range(16))
@pytest.mark.parametrize("value", [0, 1])
def test_which_indications_are_written(bit, value):
    peer = Peer(points(BI, 1))
    indications = peer.indications(1, 2, f"50 01 00 {bit:02x} {bit:02x} {value:02x}")
    assert bool(indications & 0x0400) is not ((bit, value) == (7, 0))
    assert bool(indications & 0x0080) is not ((bit, value) == (7, 0))


MISMATCHES = [
    ("the next number", [(2, 4, CROB)], 0),
    ("over the end of the numbers", [(2, 4, CROB)], 0),
    ("the same number", [(1, 4, CROB)], 2),
    ("a number left out", [(3, 4, CROB)], 2),
    ("another time", [(2, 4, CROB.replace("64", "65", 1))], 2),
    ("another code", [(2, 4, CROB.replace("00 03 01", "00 04 01"))], 2),
    ("the other qualifier", [(2, 4, CROB.replace("17 01 00", "28 01 00 00 00"))], 2),
    ("the status octet does not count", [(2, 4, CROB[:-2] + "7f")], 0),
    ("a read between", [(2, 1, "3c 01 06"), (3, 4, CROB)], 2),
    ("selected again", [(2, 3, CROB), (3, 4, CROB)], 0),
    ("operated twice", [(2, 4, CROB), (3, 4, CROB)], 2),
]


@pytest.mark.parametrize(("name", "requests", "status"), MISMATCHES, ids=[row[0] for row in MISMATCHES])
def test_operate_must_be_what_was_selected(name, requests, status):
    peer = Peer(points(BO, 1))
    shift = 14 if name.startswith("over") else 0
    assert peer.one(1 + shift, 3, CROB) == CROB
    for sequence, function, objects in requests:
        answer = peer.ask((sequence + shift) % 16, function, objects)[0]
    assert answer[-1] == status
    assert answer[4:-1].hex(" ") == requests[-1][2][:-3]
    assert len(peer.handler.done) == (1 if status == 0 or name == "operated twice" else 0)


@pytest.mark.parametrize(("after", "status"), [(10.0, 0), (10.1, 1)])
def test_a_selection_lasts_its_time(after, status):
    peer = Peer(points(BO, 1), select_timeout=10.0)
    peer.ask(1, 3, CROB)
    peer.now += after
    assert peer.ask(2, 4, CROB)[0][-1] == status
    assert peer.ask(2, 4, CROB)[0][-1] == status  # repeated: the same answer, nothing done again
    assert len(peer.handler.done) == (not status)


def test_flags_of_an_analog_input_octet_by_octet():
    peer = Peer(points(AI, 1))
    for flag in (1, 2, 4, 8, 16, 32, 64):
        peer.database.update(peer.now, AI, 0, 300.0, flag)
        assert peer.one(1, 1, "1e 02 00 00 00") == f"1e 02 00 00 00 {flag:02x} 2c 01"
    peer.database.update(peer.now, AI, 0, 40000.0, Flags.ONLINE)
    assert peer.one(2, 1, "1e 02 00 00 00") == "1e 02 00 00 00 21 ff 7f"  # the bound, over range
    assert peer.one(3, 1, "1e 04 00 00 00") == "1e 04 00 00 00 ff 7f"
    assert peer.one(4, 1, "1e 06 00 00 00") == "1e 06 00 00 00 01 " + struct.pack("<d", 40000).hex(" ")
