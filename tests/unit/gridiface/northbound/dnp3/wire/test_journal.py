"""The frame log as text and as pcap."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from gridiface.northbound.dnp3.wire.journal import Journal, describe
from gridiface.protocols.dnp3.link import Frame, FrameReader, encode

PEER = ("192.0.2.7", 40_000)
READ = encode(Frame(0xC4, 10, 1, bytes.fromhex("c0 c3 01 3c 02 06 3c 01 06")))
ANSWER = encode(Frame(0x44, 1, 10, bytes.fromhex("c0 e3 81 92 00")))


def test_frames_are_told_in_words():
    journal = Journal(10)
    journal.note(1.5, PEER, READ, received=True)
    journal.note(1.6, PEER, ANSWER[:7], received=False)
    journal.note(1.7, PEER, ANSWER[7:], received=False)
    assert list(journal.lines()) == [
        "1970-01-01T00:00:01.500Z <- 192.0.2.7:40000 1>10 segment 0 first last: seq 3 READ g60v2 x0, g60v1 x0",
        "1970-01-01T00:00:01.700Z -> 192.0.2.7:40000 10>1 segment 0 first last: "
        "seq 3 C RESPONSE IIN[CLASS_1_EVENTS, NEED_TIME, DEVICE_RESTART]",
    ]


def test_link_frames_and_what_is_broken():
    assert describe(Frame(0xC9, 10, 1)) == "1>10 link REQUEST_LINK_STATUS"
    assert describe(Frame(0x0B, 1, 10)) == "10>1 link LINK_STATUS"
    assert describe(Frame(0xC7, 10, 1)) == "1>10 link function 7"
    assert describe(Frame(0xC4, 10, 1)) == "1>10 empty user data"
    assert "malformed" in describe(Frame(0xC4, 10, 1, bytes.fromhex("c0 c0 01 3c 01 00")))
    assert describe(Frame(0xC4, 10, 1, bytes.fromhex("85 00 00"))) == "1>10 segment 5 last, 2 octets"


@given(control=st.integers(0, 255), payload=st.binary(max_size=60))
def test_any_frame_can_be_described(control, payload):
    assert describe(Frame(control, 10, 1, payload)).startswith("1>10")


def test_the_oldest_goes():
    journal = Journal(2)
    for number in range(4):
        journal.note(number, PEER, READ, received=True)
    assert [item.at for item in journal] == [2, 3]
    journal.clear()
    assert len(journal) == 0
    off = Journal(0)
    off.note(0, PEER, READ, received=True)
    assert len(off) == 0


def test_the_pcap_holds_every_octet_with_true_sequence_numbers():
    journal = Journal(10)
    journal.note(1.25, PEER, READ, received=True)
    journal.note(1.5, PEER, ANSWER, received=False)
    journal.note(2.0, PEER, READ, received=True)
    journal.note(3.0, ("::1", 5), READ, received=True, datagram=True)
    octets = journal.pcap()
    assert struct.unpack_from("<I", octets) == (0xA1B2C3D4,)
    at, sequences, found = 24, [], b""
    while at < len(octets):
        seconds, _, size, whole = struct.unpack_from("<IIII", octets, at)
        packet = octets[at + 16 : at + 16 + size]
        assert size == whole
        if packet[23] == 6:
            sequences.append(struct.unpack_from(">II", packet, 38))
            found += packet[54:]
        else:
            assert packet[42:] == READ
        at += 16 + size
        assert seconds
    assert sequences == [(1, 1), (1, 1 + len(READ)), (1 + len(READ), 1 + len(ANSWER))]
    assert len(FrameReader().feed(found)) == 3
