"""What seldom happens between a master and the outstation core, in octets of the tests' own (tests/dnp3_octets.py).

Held reads, self-address, odd ranges, long requests, requests while a confirm is awaited, and two masters.
What is expected is worked out from IEEE 1815-2012.
"""

from __future__ import annotations

import struct

import pytest
from tests.dnp3_octets import confirm, frame, request, segments, unframed
from tests.dnp3_session import AI, AO, BI, BO, CLASS_123, CROB, CT, NOW, Doing, Peer, points

from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings, UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

FC, VT = PointType.FROZEN_COUNTER, PointType.VIRTUAL_TERMINAL
NO_FUNCTION, UNKNOWN, PARAMETER, RESTART, NEED_TIME = 0x0100, 0x0200, 0x0400, 0x0080, 0x0010
ERRORS = NO_FUNCTION | UNKNOWN | PARAMETER


def told_peer(**more) -> Peer:
    """A peer whose null report is confirmed, with reports of class 1 on and one of them awaiting its confirm."""
    peer = Peer([*points(BI, 4, event_class=1), *points(AO, 2)], unsolicited=UnsolicitedSettings(**more))
    (null,) = peer.hear()
    peer.send(confirm(null[0] & 15, unsolicited=True))
    peer.ask(1, 20, "3c 02 06")
    peer.database.update(peer.now, BI, 0, 1)
    (report,) = peer.hear()
    assert report[:2] == bytes([0xF0 | (null[0] + 1) % 16, 130])
    peer.report = report
    return peer


def test_a_read_waits_for_the_confirm_of_a_report_and_others_do_not():
    peer = told_peer()
    assert peer.ask(2, 1, CLASS_123) == []
    assert peer.one(3, 5, CROB.replace("0c 01 17 01 00", "29 02 17 01 01").split(" 03 01 64")[0] + " 07 00 00") == (
        "29 02 17 01 01 07 00 00"
    )
    assert peer.ask(4, 1, CLASS_123) == []
    (answer,) = peer.send(confirm(peer.report[0] & 15, unsolicited=True))
    assert (answer[0] & 0x0F, answer[1], answer[4:]) == (4, 129, b""), "the event was told: nothing is left"


def test_a_read_that_waits_is_answered_with_the_events_when_no_confirm_comes():
    peer = told_peer(retries=0, confirm_timeout=5.0)
    assert peer.ask(2, 1, CLASS_123) == []
    answers = peer.wait(5)
    assert [one[1] for one in answers] == [129]
    assert answers[0][4:] == peer.report[4:], "the same event"


def test_a_newer_read_takes_the_place_of_the_one_that_waits():
    peer = told_peer()
    assert peer.ask(2, 1, CLASS_123) == []
    assert peer.ask(3, 1, "0a 02 06") == []
    answers = peer.send(confirm(peer.report[0] & 15, unsolicited=True))
    assert [one[0] & 0x0F for one in answers] == [3]


def test_confirms_of_the_other_kind_or_number_confirm_nothing():
    peer = told_peer()
    number = peer.report[0] & 15
    for wrong in (
        confirm(number),
        confirm((number + 1) % 16, unsolicited=True),
        confirm((number - 1) % 16, unsolicited=True),
    ):
        assert peer.send(wrong) == []
    assert peer.wait(5) == [peer.report], "identical, with the same number"
    assert peer.send(confirm(number, unsolicited=True)) == []
    assert peer.one(2, 1, CLASS_123) == ""


@pytest.mark.parametrize("on", [True, False])
def test_the_self_address_is_answered_from_the_own_one_where_it_is_on(on):
    outstation = Outstation(OutstationSettings(10, self_address=on), [AssociationSettings(1)], Database(points(AI, 1)))
    channel = outstation.open(NOW)
    for octets in (frame(b"", 0xC9, 0xFFFC), frame(bytes([0xC0, 0xC1, 1]) + bytes.fromhex("1e 01 06"), 0xC4, 0xFFFC)):
        channel.receive(octets, NOW)
    found = [(control, to, source) for control, to, source, _ in unframed(channel.to_send(NOW))]
    assert found == ([(0x0B, 1, 10), (0x44, 1, 10)] if on else [])


@pytest.mark.parametrize(
    ("objects", "answer", "iin"),
    [
        ("1e 04 01 00 00 ff ff", "1e 04 00 00 02 0a 00 0b 00 0c 00", PARAMETER),
        ("1e 04 00 02 ff", "1e 04 00 02 02 0c 00", PARAMETER),
        ("1e 04 00 03 ff", "", PARAMETER),
        ("1e 04 01 ff ff ff ff", "", PARAMETER),
        ("1e 04 00 02 01", "", PARAMETER),
        ("1e 04 01 00 01 00 00", "", PARAMETER),
        ("1e 04 07 02", "", PARAMETER),
        ("1e 04 17 03 01 01 01", "1e 04 00 01 01 0b 00 1e 04 00 01 01 0b 00 1e 04 00 01 01 0b 00", 0),
        ("1e 04 28 02 00 00 00 09 00", "1e 04 00 00 00 0a 00", PARAMETER),
        ("1e 04 17 02 01", "", PARAMETER),
        ("1e 04 5b 01", "", PARAMETER),
        ("1e 04 86", "", PARAMETER),
        ("1e 04 39", "", PARAMETER),
        ("1e 04", "", PARAMETER),
        ("1e 09 06", "", UNKNOWN),
        ("63 01 06", "", UNKNOWN),
        ("1e 04 06 63 01 06", "", UNKNOWN),
        ("3c 05 06", "", UNKNOWN),
        ("70 01 06", "", UNKNOWN),
        ("0a 02 06", "", UNKNOWN),
        (
            "1e 00 06 3c 02 06 3c 01 06",
            " ".join(["1e 05 00 00 02 01 00 00 20 41 01 00 00 30 41 01 00 00 40 41"] * 2),
            0,
        ),
        ("", "", 0),
        ("1e 04 06", "1e 04 00 00 02 0a 00 0b 00 0c 00", 0),
    ],
)
def test_odd_ranges_counts_and_objects_of_a_read(objects, answer, iin):
    peer = Peer(points(AI, 3))
    for index in range(3):
        peer.database.update(peer.now, AI, index, 10 + index)
    (found,) = peer.ask(1, 1, objects)
    assert struct.unpack("<H", found[2:4])[0] & ERRORS == iin
    assert found[4:].hex(" ") == answer


@pytest.mark.parametrize(
    ("function", "objects", "iin"),
    [
        (15, "", NO_FUNCTION),
        (16, "", NO_FUNCTION),
        (19, "", NO_FUNCTION),
        (34, "", NO_FUNCTION),
        (99, "", NO_FUNCTION),
        (128, "", NO_FUNCTION),
        (255, "1e", NO_FUNCTION),
        (25, "", NO_FUNCTION),
        (20, "3c 02 06", NO_FUNCTION),
        (2, "0c 01 06", UNKNOWN),
        (2, "70 03 00 00 00 61 62 63", PARAMETER),
        (2, "6e 03 00 00 00 61 62 63", PARAMETER),
        (2, "", PARAMETER),
        (2, "50 01 00 07 07 00 1e 01 06", UNKNOWN),
        (7, "1e 00 06", UNKNOWN),
        (7, "14 01 06", UNKNOWN),
        (22, "1e 00 06", PARAMETER),
        (22, "3c 02 06 1e 01 06", UNKNOWN),
        (22, "3c 02 06 32 00 06", UNKNOWN),
        (22, "3c 02 06", PARAMETER),
        (3, "", PARAMETER),
        (3, "0a 02 06", UNKNOWN),
        (3, "0c 01 06", PARAMETER),
    ],
)
def test_what_cannot_be_done_is_told_by_its_indication_and_changes_nothing(function, objects, iin):
    peer = Peer([*points(CT, 1), *points(FC, 1), *points(AI, 1), *points(BO, 1)])
    told = peer.indications(1, function, objects)
    assert told & ERRORS == iin
    assert told & RESTART, "IIN1.7 was not cleared by half a request"
    assert not peer.handler.done


def test_a_virtual_terminal_takes_what_is_written_and_tells_what_it_says():
    peer = Peer(points(VT, 1, event_class=1))
    peer.handler.terminal_input = lambda index, octets, master, now: peer.handler.done.append(octets) or True
    assert not peer.indications(1, 2, "70 03 00 00 00 61 62 63") & ERRORS
    assert peer.handler.done == [b"abc"]
    peer.database.set_octets(peer.now, 0, b"ok", VT)
    assert peer.one(2, 1, "71 00 06") == "71 02 17 01 00 6f 6b"


@pytest.mark.parametrize("size", [1, 15, 16, 17, 100, 249])
def test_a_request_of_the_largest_size_in_segments_of_any(size):
    """2,048 octets, the limit: what is longer by one is dropped in silence, and the next request is answered."""
    peer = Peer(points(AI, 1), max_rx_fragment=2048)
    heads, odd = divmod(2048 - 2, 3)
    whole = bytes([0xC1, 1]) + bytes.fromhex("1e 00 06") * (heads - 1) + bytes.fromhex("1e 00 17 01 00 ")[: 3 + odd]
    assert len(whole) == 2048
    found = []
    for part in segments(whole, 7, size):
        found += peer.send(frame(part))
    assert len(found) == 1, "an answer, though one of errors: it has too many headers"
    for part in segments(whole + b"\0", 7, size):
        assert peer.send(frame(part)) == []
    peer.joiner._next = None
    (answer,) = peer.send(request(2, 1, "1e 04 06", 33))
    assert answer[0] & 0x0F == 2


@pytest.mark.parametrize("change", ["lost", "doubled", "swapped", "foreign", "begun anew"])
def test_segments_that_are_not_in_order(change):
    """Clause 8.2: a gap ends the fragment, an exact repeat of the last segment is dropped, FIR begins anew."""
    peer = Peer([*points(AI, 1), *points(BO, 1)])
    parts = segments(bytes([0xC1, 5]) + bytes.fromhex(CROB), 60, 5)
    frames = [frame(part) for part in parts]
    match change:
        case "lost":
            del frames[1]
        case "doubled":
            frames.insert(2, frames[1])
        case "swapped":
            frames[1], frames[2] = frames[2], frames[1]
        case "foreign":
            frames.insert(2, frame(parts[1], source=2))
        case _:
            frames[2:2] = [frames[0], frames[1]]
    found = [answer for octets in frames for answer in peer.send(octets)]
    whole = change not in ("lost", "swapped")
    assert (len(found), len(peer.handler.done)) == (whole, whole)
    peer.joiner._next = None
    peer.send(request(2, 1, "1e 04 06", 33))


def waiting_peer() -> tuple[Peer, bytes]:
    """A peer whose poll of three events awaits its confirm (sequence 5)."""
    peer = Peer([*points(BI, 4, event_class=1), *points(BO, 1)])
    for index in range(3):
        peer.database.update(peer.now, BI, index, 1)
    (answer,) = peer.ask(5, 1, "3c 02 06")
    assert answer[0] == 0xE5
    return peer, answer


def test_a_poll_repeated_while_its_confirm_is_awaited_is_built_anew():
    peer, first = waiting_peer()
    peer.database.update(peer.now, BI, 3, 1)
    (again,) = peer.ask(5, 1, "3c 02 06")
    assert again[:2] == first[:2]
    assert again[4:] == first[4:6] + bytes([0x17, 4]) + first[8:] + again[-8:], "the same three, and the fourth"
    peer.send(confirm(5))
    assert peer.one(6, 1, "3c 02 06") == ""


def test_another_request_gives_up_the_answer_whose_confirm_is_awaited():
    peer, first = waiting_peer()
    assert peer.one(6, 5, CROB) == CROB
    assert peer.send(confirm(5)) == []
    (again,) = peer.ask(7, 1, "3c 02 06")
    assert again[4:] == first[4:], "the late confirm was of an answer that was given up: all events are there"


def test_no_confirm_in_time_and_the_events_stay_first():
    peer, first = waiting_peer()
    peer.wait(6)
    peer.send(confirm(5))
    peer.now += 1
    peer.database.update(peer.now, BI, 3, 1)
    (again,) = peer.ask(6, 1, "3c 02 06")
    assert again[8 : len(first)] == first[8:]
    assert again[2] & 0x02 == 0, "all of them are in it"


def test_of_two_masters_each_has_its_own_dialogue():
    """Selections, restarts, events and classes are an association's own; a point that is frozen is so for both."""
    handler = Doing()
    database = Database([*points(BI, 2, event_class=1), *points(BO, 1), PointConfig(CT, 0), PointConfig(FC, 0)])
    outstation = Outstation(OutstationSettings(10), [AssociationSettings(1), AssociationSettings(2)], database, handler)
    channel = outstation.open(NOW)

    def ask(master: int, sequence: int, function: int, objects: str = "") -> bytes:
        user = bytes([0xC0 | sequence, 0xC0 | sequence, function]) + bytes.fromhex(objects)
        channel.receive(frame(user, source=master), NOW)
        ((_, to, _, answer),) = unframed(channel.to_send(NOW))
        assert to == master
        return answer[1:]

    assert ask(1, 1, 3, CROB)[-1] == 0
    assert ask(2, 2, 4, CROB)[-1] == 2, "not selected by this master"
    assert ask(1, 2, 4, CROB)[-1] == 0, "and the other's attempt broke nothing"
    assert len(handler.done) == 1
    assert not ask(1, 3, 2, "50 01 00 07 07 00")[2] & 0x80
    assert ask(2, 3, 1, "50 01 06")[2] & 0x80
    assert not ask(2, 4, 22, "3c 01 06 01 00 00 00 00")[3] & 0x07  # for master 2 point 0 has no events
    database.update(NOW, BI, 0, 1)
    database.update(NOW, BI, 1, 1)
    assert ask(1, 4, 1, "3c 02 06")[4:8].hex(" ") == "02 02 17 02"
    assert ask(2, 5, 1, "3c 02 06")[4:8].hex(" ") == "02 02 17 01"
    assert ask(2, 5, 1, "3c 02 06")[4:8].hex(" ") == "02 02 17 01", "its own are not confirmed by the other"
    database.update(NOW, CT, 0, 9)
    assert not ask(1, 5, 7, "14 00 06")[3] & 0x07
    assert ask(2, 6, 1, "15 01 06")[4:].hex(" ") == "15 01 00 00 00 01 09 00 00 00"


@pytest.mark.parametrize(
    ("code", "count", "status", "done"),
    [
        (0x03, 1, 0, 1),
        (0x03, 0, 0, 0),
        (0x41, 1, 0, 1),
        (0x81, 255, 0, 1),
        (0x23, 1, 0, 1),
        (0x01, 1, 0, 1),
        (0x02, 1, 0, 1),
        (0x04, 1, 0, 1),
        (0x00, 1, 0, 1),
        (0x13, 1, 4, 0),
        (0xC1, 1, 4, 0),
        (0x05, 1, 4, 0),
        (0x0F, 1, 4, 0),
    ],
)
def test_control_codes(code, count, status, done):
    """Operation types above 4, the withdrawn queue bit and the reserved trip-close code are not supported."""
    peer = Peer(points(BO, 1))
    body = f"0c 01 17 01 00 {code:02x} {count:02x} 64 00 00 00 c8 00 00 00"
    assert peer.one(1, 5, f"{body} 7f") == f"{body} {status:02x}"
    assert len(peer.handler.done) == done


def test_all_objects_of_a_control_request_and_one_too_many():
    peer = Peer([*points(BO, 3), *points(AO, 3)], max_controls=3)
    objects = (
        "0c 01 28 02 00 00 00 03 01 00 00 00 00 00 00 00 00 00 02 00 04 01 00 00 00 00 00 00 00 00 00"
        " 29 04 17 01 01 00 00 00 00 00 00 f0 3f 00 29 01 17 01 02 01 00 00 00 00"
    )
    answer = bytes.fromhex(peer.one(1, 5, objects))
    expected = bytearray.fromhex(objects)
    expected[-1] = 8
    assert answer == expected, "octet for octet but the status of what was too much (8)"
    assert len(peer.handler.done) == 3
    assert peer.one(2, 3, objects)[-2:] == "08"
    assert bytes.fromhex(peer.one(3, 4, objects))[-1] == 2, "one that failed unselects all"
    assert len(peer.handler.done) == 3
