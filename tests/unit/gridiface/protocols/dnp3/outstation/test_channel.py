from gridiface.protocols.dnp3.link import Frame, FrameReader, encode
from gridiface.protocols.dnp3.outstation.channel import MAX_QUEUED_OCTETS
from gridiface.protocols.dnp3.outstation.handler import LinkLost
from gridiface.protocols.dnp3.points import PointType

STATUS_REQUEST = bytes.fromhex("05 64 05 c9 0a 00 01 00 fe da")
CLASS_0 = "c0 01 3c 01 06"


def controls(frames):
    return [frame.control for frame in frames]


def test_01_request_link_status_is_answered_with_link_status(build):
    assert build().raw(STATUS_REQUEST).hex(" ") == "05 64 05 0b 01 00 0a 00 6d ed"


def test_01_from_any_configured_master(build, connect):
    peer = build(masters=(1, 2))
    other = connect(peer.outstation, 2)
    assert controls(peer.link(0xC9)) == controls(other.link(0xC9)) == [0x0B]


def test_02_reset_link_states_is_acknowledged(build):
    assert controls(build().link(0xC0)) == [0x00]


def test_03_test_link_states_follows_the_frame_count_bit(build):
    peer = build()
    assert peer.link(0xF2) == []
    peer.link(0xC0)
    assert controls(peer.link(0xF2)) == controls(peer.link(0xF2)) == controls(peer.link(0xD2)) == [0x00]


def test_04_confirmed_data_are_acknowledged_and_a_retry_is_not_processed_twice(build):
    peer = build()
    payload = bytes.fromhex("c0 c0 17")
    assert peer.link(0xF3, payload) == []
    peer.link(0xC0)
    assert controls(peer.link(0xF3, payload)) == [0x00, 0x44]
    assert controls(peer.link(0xF3, payload)) == [0x00]
    assert controls(peer.link(0xD3, bytes.fromhex("c1 c1 17"))) == [0x00, 0x44]


def test_05_06_frames_with_a_wrong_crc_are_ignored(build):
    peer = build()
    good = peer.frames_of(bytes.fromhex(CLASS_0))
    for at in (8, len(good) - 1):
        damaged = bytearray(good)
        damaged[at] ^= 1
        assert peer.raw(bytes(damaged)) == b""
    assert peer.raw(good)


def test_05_06_whatever_octet_of_a_frame_is_damaged_nothing_of_it_is_answered(build):
    good = build().frames_of(bytes.fromhex("c0 01") + bytes.fromhex("3c 01 06") * 12)  # three blocks
    assert len(good) == 10 + 39 + 6
    for at in range(len(good)):
        peer = build()
        damaged = bytearray(good)
        damaged[at] ^= 0x10
        assert peer.raw(bytes(damaged)) == b""
        # what is damaged in the length takes in what follows, until that does not fit either
        peer.channel.receive(bytes(300), peer.now)
        assert peer.raw(STATUS_REQUEST)


def test_07_resynchronises_after_garbage_in_the_same_read(build):
    answer = bytes.fromhex("05 64 05 0b 01 00 0a 00 6d ed")
    assert build().raw(b"\x05\x64\x0b\xc4garbage" + STATUS_REQUEST + b"\x05\x64" + STATUS_REQUEST) == answer * 2


def test_08_one_octet_at_a_time_and_three_frames_at_once(build):
    peer = build()
    out = b"".join(peer.raw(bytes((octet,))) for octet in STATUS_REQUEST)
    assert len(out) == 10
    assert len(peer.raw(STATUS_REQUEST * 3)) == 30


def test_09_silent_for_foreign_destination_wrong_source_and_dir_0(build):
    peer = build()
    assert peer.link(0xC9, destination=11) == []
    assert peer.link(0xC9, source=77) == []
    assert peer.link(0x49) == []
    for source in range(0xFFF0, 0x10000):
        assert peer.link(0xC9, source=source) == []


def test_unknown_link_functions_are_answered_not_supported(build):
    assert controls(build().link(0xC5)) == [0x0F]


def test_10_a_broadcast_is_never_answered(build):
    peer = build()
    for address in (0xFFFD, 0xFFFE, 0xFFFF):
        assert peer.link(0xC9, destination=address) == []
        assert peer.link(0xC0, destination=address) == []
        assert peer.ask(CLASS_0, address) == []


def test_10_confirmed_user_data_are_broadcast_too_and_acknowledged_by_nobody(build):
    # procedure 8.6.5.2: the restart indication is cleared by a broadcast of link function 3
    peer = build()
    clear = bytes.fromhex("c0 c2 02 50 01 00 07 07 00")
    assert peer.link(0xF3, clear, destination=0xFFFF) == []
    assert peer.one("c3 17")[2] == 0x80  # the link was not reset before: nothing counts frames yet
    assert [frame.control for frame in peer.link(0xC0)] == [0x00]
    assert peer.link(0xF3, clear, destination=0xFFFF) == []
    assert peer.one("c4 17")[2] == 0x01
    assert peer.one("c5 17")[2] == 0x00
    assert peer.link(0xF3, clear, destination=0xFFFF) == []
    assert peer.one("c6 17")[2] == 0x00  # the same frame count bit: a retry


def test_a_datagram_that_ends_within_a_frame_swallows_no_other(build):
    peer = build()
    whole = peer.frames_of(bytes.fromhex("c0 01") + bytes.fromhex("3c 01 06") * 70)
    peer.channel.receive(whole[:40], peer.now, datagram=True)
    peer.channel.receive(peer.frames_of(bytes.fromhex("c1 17")), peer.now, datagram=True)
    assert [item[:2].hex() for item in peer.fragments(peer.channel.to_send(peer.now))] == ["c181"]


def test_self_address_is_answered_from_the_real_one_when_switched_on(build):
    assert build().link(0xC9, destination=0xFFFC) == []
    (frame,) = build(outstation={"self_address": True}).link(0xC9, destination=0xFFFC)
    assert (frame.source, frame.destination) == (10, 1)


def test_11_a_request_of_2048_octets_in_many_segments(build):
    peer = build()
    header = bytes.fromhex("1e 00 28") + (1000).to_bytes(2, "little") + bytes(2000)
    request = bytes.fromhex("c0 01") + header + bytes.fromhex("3c 01 06") * 13
    assert len(request) <= 2048
    assert peer.ask(request)[0][:2].hex() == "a081"


def test_14_a_request_above_the_limit_is_dropped_and_the_next_is_answered(build):
    peer = build()
    peer.silent(bytes.fromhex("c0 01") + bytes.fromhex("3c 01 06") * 700)
    assert peer.one("c1 17")


def test_12_segments_of_two_masters_on_one_connection_are_not_mixed(build, connect):
    peer = build(masters=(1, 2))
    peer.channel.close()
    both = connect(peer.outstation, masters=(1, 2))
    segment = {1: bytes.fromhex("c0 17"), 2: bytes.fromhex("c9 17")}
    for master, octets in segment.items():
        both.channel.receive(encode(Frame(0xC4, peer.address, master, bytes((0x40 | 3,)) + octets[:1])), both.now)
    for master, octets in segment.items():
        both.channel.receive(encode(Frame(0xC4, peer.address, master, bytes((0x80 | 4,)) + octets[1:])), both.now)
    answers = FrameReader().feed(both.channel.to_send(both.now))
    assert [(frame.destination, frame.payload[1]) for frame in answers] == [(1, 0xC0), (2, 0xC9)]


def test_57_a_silent_peer_is_probed_and_given_up(build):
    peer = build(outstation={"keep_alive": 30.0, "link_timeout": 5.0})
    peer.link(0xC9)
    assert peer.channel.next_timer() == peer.now + 30
    peer.advance(29.9)
    assert peer.frames == []
    peer.advance(0.1)
    assert controls(peer.frames) == [0x49]
    assert peer.channel.next_timer() == peer.now + 5
    peer.advance(5)
    assert peer.channel.lost
    assert LinkLost(0) in peer.notices()


def test_57_any_octet_from_the_peer_ends_the_probe(build):
    peer = build(outstation={"keep_alive": 30.0})
    peer.advance(30)
    peer.link(0x0B | 0x80)
    peer.advance(20)
    assert not peer.channel.lost


def test_57_after_a_dead_peer_the_next_connection_loses_nothing(build, connect):
    peer = build(outstation={"keep_alive": 30.0, "link_timeout": 5.0})
    for index in (0, 1, 2):
        peer.update(PointType.BINARY_INPUT, index, 1)
    body = peer.one("c0 01 3c 02 06")[4:]  # its confirm never comes
    peer.advance(30)
    peer.advance(5)
    assert peer.channel.lost
    peer.channel.close()
    peer.update(PointType.BINARY_INPUT, 3, 1)
    again = connect(peer.outstation, now=peer.now)
    report = again.one("c0 01 3c 02 06")
    assert report[4:7] == body[:3]
    assert report[7] == 4
    again.silent("c0 00")
    assert len(again.buffer) == 0


def test_no_keep_alive_means_no_timer(build):
    assert build(outstation={"keep_alive": None}).channel.next_timer() is None


def test_what_waits_for_a_peer_that_does_not_read_is_bounded(build):
    peer = build()
    for number in range(4000):
        peer.channel.receive(peer.frames_of(bytes((0xC0 | number & 15,)) + bytes.fromhex(CLASS_0)[1:]), peer.now)
    assert peer.channel._queued < MAX_QUEUED_OCTETS + 4096


def test_a_closed_channel_sends_nothing(build):
    peer = build()
    peer.channel.receive(STATUS_REQUEST, peer.now)
    peer.channel.close()
    assert peer.channel.to_send(peer.now) == b""
    assert peer.outstation.channels == ()


def test_nothing_received_is_nothing(build):
    peer = build()
    peer.channel.receive(b"", peer.now)
    assert peer.channel.to_send(peer.now) == b""


def test_a_clock_that_is_set_is_no_silence(build):
    peer = build(outstation={"keep_alive": 30.0, "link_timeout": 5.0})
    for seconds in (3600, -7200):
        peer.now += seconds
        peer.outstation.clock_set(seconds, peer.now)
        assert peer.channel.next_timer() == peer.now + 30.0
        peer.channel.handle_timer(peer.now)
        assert not peer.channel.lost


def test_a_selection_does_not_outlive_the_clock_by_which_it_was_made(build):
    select = "c0 03 29 02 17 01 00 05 00 00"
    peer = build()
    assert peer.one(select)[-1] == 0
    peer.now -= 3600
    peer.outstation.clock_set(-3600, peer.now)
    assert peer.one("c1 04" + select[5:])[-1] == 2  # NO_SELECT
