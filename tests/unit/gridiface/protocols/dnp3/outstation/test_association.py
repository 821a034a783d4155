import pytest

from gridiface.protocols.dnp3.outstation.handler import ConfirmTimedOut, RequestRefused
from gridiface.protocols.dnp3.outstation.settings import UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

AI, BI = PointType.ANALOG_INPUT, PointType.BINARY_INPUT


def thousand():
    return [PointConfig(AI, index, event_class=2) for index in range(1000)]


def test_15_the_sequence_of_the_request_is_echoed(build):
    peer = build()
    for sequence in range(16):
        assert peer.one(bytes((0xC0 | sequence, 23)))[0] == 0xC0 | sequence


def test_15_a_long_response_comes_in_fragments_each_after_a_confirm(build):
    peer = build(thousand())
    controls = [peer.one("cf 01 3c 01 06")[0]]
    while not controls[-1] & 0x40:
        controls.append(peer.one(bytes((0xC0 | controls[-1] & 15, 0)))[0])
    assert controls == [0xAF, 0x20, 0x41]


def test_15_no_fragment_follows_without_the_right_confirm(build):
    peer = build(thousand())
    peer.one("c0 01 3c 01 06")
    peer.silent("c1 00")
    peer.silent("d0 00")
    peer.silent("c0 00 00")
    assert peer.one("c0 00")[0] == 0x21


def test_a_fragment_is_no_longer_than_configured(build):
    peer = build(thousand(), max_tx_fragment=249)
    found, sequence = peer.one("c0 01 3c 01 06"), 0
    lengths = [len(found)]
    while not found[0] & 0x40:
        found = peer.one(bytes((0xC0 | sequence, 0)))
        sequence = found[0] & 15
        lengths.append(len(found))
    assert max(lengths) <= 249
    assert len(lengths) > 20


def test_16_an_unknown_function_is_answered_with_the_sequence_of_the_request(build):
    peer = build()
    peer.clear_restart()
    assert peer.hex("c5 55") == "c5 81 00 01"
    for function in (15, 16, 17, 18, 19, 34, 100, 128):
        assert peer.one(bytes((0xC6, function)))[2:] == b"\x00\x01"


def test_17_18_error_indications(build):
    peer = build()
    peer.clear_restart()
    assert peer.hex("c0 01 63 00 06") == "c0 81 00 02"
    assert peer.hex("c1 01 1e 09 06") == "c1 81 00 02"
    assert peer.hex("c2 01 1e 00 00 05 03") == "c2 81 00 04"
    assert peer.hex("c3 01 1e 00 00 05") == "c3 81 00 04"
    assert peer.hex("c4 01 1e 00 33 05") == "c4 81 00 04"
    assert {type(notice) for notice in peer.notices()} > {RequestRefused}


def test_22_a_repeated_request_gets_the_same_answer_and_is_not_executed_again(build):
    peer = build()
    command = "c5 05 29 02 17 01 00 64 00 00"
    assert peer.hex(command) == peer.hex(command)
    assert len(peer.handler.operated) == 1
    peer.one("c6" + command[2:])
    assert len(peer.handler.operated) == 2


def test_22_a_repeated_request_without_acknowledgement_is_not_executed_again(build):
    peer = build()
    for _ in range(2):
        peer.silent("c5 06 29 02 17 01 00 64 00 00")
    assert len(peer.handler.operated) == 1


def test_22_a_repeated_read_is_built_anew(build):
    peer = build()
    first = peer.one("c5 01 1e 01 00 00 00")
    peer.update(AI, 0, 7)
    assert peer.one("c5 01 1e 01 00 00 00") != first


def test_23_requests_with_wrong_control_bits_are_discarded(build):
    peer = build()
    for control in (0x00, 0x40, 0x80, 0xE0, 0xF0, 0xD0):
        peer.silent(bytes((control, 23)))
    peer.silent("c0")
    assert peer.one("c0 17")


def test_33_events_stay_until_the_matching_confirm(build):
    peer = build()
    peer.clear_restart()
    peer.update(BI, 3, 1)
    first = peer.one("c1 01 3c 02 06")
    assert first[0] == 0xE1
    peer.silent("c2 00")
    peer.silent("d1 00")
    assert peer.one("c2 01 3c 02 06")[2:] == first[2:]
    peer.silent("c2 00")
    assert peer.hex("c3 01 3c 02 06") == "c3 81 00 00"


def test_33_events_come_again_after_a_timeout_and_after_a_new_connection(build, connect):
    peer = build(confirm_timeout=5.0)
    peer.update(BI, 3, 1)
    body = peer.one("c1 01 3c 02 06")[4:]
    peer.advance(5)
    assert ConfirmTimedOut(1, unsolicited=False) in peer.notices()
    peer.silent("c1 00")
    assert peer.one("c2 01 3c 02 06")[4:] == body
    peer.channel.close()
    again = connect(peer.outstation, now=peer.now)
    assert again.one("c0 01 3c 02 06")[4:] == body


def test_a_new_request_ends_a_series_that_waits(build):
    peer = build(thousand())
    for index in range(300):
        peer.update(AI, index, index + 1)
    peer.one("c0 01 3c 03 06")
    assert peer.hex("c1 17").startswith("c1 81")
    peer.silent("c0 00")
    assert len(peer.buffer) == 300
    assert peer.buffer.waiting(2) == 300


def test_21_class_bits_tell_what_remains_after_this_response(build):
    peer = build()
    peer.clear_restart()
    peer.update(BI, 0, 1)
    peer.update(BI, 1, 1)
    assert peer.hex("c1 17").startswith("c1 81 02 00")
    assert peer.hex("c2 01 3c 02 07 01").startswith("e2 81 02 00")
    peer.silent("c2 00")
    assert peer.hex("c3 01 3c 02 07 01").startswith("e3 81 00 00")
    peer.silent("c3 00")
    assert peer.hex("c4 17").startswith("c4 81 00 00")


@pytest.mark.parametrize(
    "text",
    ["c0 0f 29 02 17 01 00 0a 00 00", "c0 10 5a 01 5b 01 02 00 41 42", "c0 19 46", "c0 14 14 00 00 00 03", "c0 20 ff"],
)
def test_16_of_a_function_that_is_not_there_the_objects_are_not_looked_at(build, text):
    # what it carries may well be unknown; without unsolicited reporting, files and authentication their functions are
    assert build().one(text)[2:].hex() == "8001"


def test_10_a_broadcast_is_told_in_the_next_response(build):
    for address, control in ((0xFFFD, 0xC1), (0xFFFF, 0xC1), (0xFFFE, 0xE1)):
        peer = build()
        peer.silent("c0 02 50 01 00 07 07 00", address)
        response = peer.one("c1 17")
        assert (response[0], response[2]) == (control, 0x01), hex(address)


def test_10_for_fffe_the_indication_stays_until_the_confirm(build):
    peer = build()
    peer.silent("c0 02 50 01 00 07 07 00", 0xFFFE)
    assert peer.one("c1 01 1e 01 00 00 00")[2] == 0x01
    assert peer.one("c2 17")[2] == 0x01
    peer.silent("c2 00")
    assert peer.hex("c3 01 50 01 00 07 07") == "c3 81 00 00 50 01 00 07 07 00"


def test_10_a_broadcast_executes_what_may_be_broadcast_only(build):
    peer = build()
    peer.silent("c0 05 29 02 17 01 00 64 00 00", 0xFFFF)
    peer.silent("c1 06 29 02 17 01 00 64 00 00", 0xFFFF)
    assert len(peer.handler.operated) == 1


def test_10_a_broadcast_that_is_not_executed_is_told_all_the_same(build):
    peer = build()
    peer.clear_restart()
    peer.silent("c0 01 3c 01 06", 0xFFFF)
    assert peer.one("c1 17")[2] == 0x01
    assert peer.one("c2 17")[2] == 0x00


def test_10_what_is_asked_after_the_same_broadcast_is_no_repeat_of_it(build):
    peer = build(unsolicited=UnsolicitedSettings())
    confirmed = peer.pending()[0]
    peer.silent(bytes((0xD0 | confirmed[0] & 15, 0)))
    peer.silent("c0 14 3c 02 06", 0xFFFF)
    assert peer.hex("c0 14 3c 02 06") == "c0 81 81 00"


def test_10_a_repeat_over_a_broadcast_is_not_executed_again(build):
    peer = build()
    answer = peer.one("c3 05 29 02 17 01 00 64 00 00")
    peer.silent("c0 18", 0xFFFF)
    assert peer.one("c3 05 29 02 17 01 00 64 00 00") == answer
    assert len(peer.handler.operated) == 1


def test_10_a_broadcast_ends_a_selection_and_a_held_read(build):
    peer = build(unsolicited=UnsolicitedSettings())
    (null,) = peer.pending()
    peer.one("c3 03 29 02 17 01 00 64 00 00")
    peer.silent("c4 01 3c 01 06")
    peer.silent("c0 01 3c 01 06", 0xFFFF)
    peer.silent(bytes((0xD0 | null[0] & 15, 0)))
    assert peer.one("c4 04 29 02 17 01 00 64 00 00")[-1] == 2


def test_38_events_come_in_order_with_their_times(build):
    peer = build(thousand(), event_capacity=30_000)
    peer.clear_restart()
    for number in range(2000):
        peer.update(AI, number % 1000, number + 1, time=1_700_000_000_000 + number)
    seen, response = [], peer.one("c0 01 3c 03 06")
    while True:
        body = response[4:]
        count = int.from_bytes(body[3:5], "little")
        assert body[:3].hex() == "200728"
        for at in range(5, 5 + 13 * count, 13):
            seen.append(int.from_bytes(body[at + 7 : at + 13], "little") - 1_700_000_000_000)
        if response[0] & 0x40:
            peer.silent(bytes((0xC0 | response[0] & 15, 0)))
            break
        response = peer.one(bytes((0xC0 | response[0] & 15, 0)))
    assert seen == list(range(2000))
    assert len(peer.buffer) == 0


def test_56_two_masters_have_buffers_and_sequences_of_their_own(build, connect):
    peer = build(masters=(1, 2))
    other = connect(peer.outstation, 2)
    peer.update(BI, 0, 1)
    body = peer.one("c0 01 3c 02 06")[4:]
    peer.silent("c0 00")
    assert other.one("c9 01 3c 02 06")[4:] == body
    assert len(other.buffer) == 1
    assert len(peer.buffer) == 0


def test_52_a_restart_request_puts_every_association_back(build, connect):
    peer = build(masters=(1, 2))
    other = connect(peer.outstation, 2)
    peer.handler.restart_seconds = 1.5
    peer.clear_restart()
    other.clear_restart()
    assert peer.hex("c1 0d") == "c1 81 00 00 34 02 07 01 dc 05"
    assert peer.one("c2 17")[2] == other.one("c2 17")[2] == 0x80


def test_events_of_an_object_too_long_for_any_fragment_do_not_stop_the_rest(build):
    peer = build(
        [PointConfig(PointType.OCTET_STRING, 0, event_class=1), PointConfig(BI, 0, event_class=1)],
        max_tx_fragment=249,
    )
    peer.database.set_octets(peer.now, 0, bytes(255))
    assert peer.one("c0 01 3c 02 06")[0] & 0x40


def test_10_an_unsolicited_report_tells_of_a_broadcast_too(build):
    for address, again in ((0xFFFD, 0x00), (0xFFFF, 0x00), (0xFFFE, 0x01)):
        peer = build(unsolicited=UnsolicitedSettings())
        (null,) = peer.pending()
        peer.silent(bytes((0xD0 | null[0] & 15, 0)))
        assert peer.one("c0 14 3c 02 06")[3] == 0
        peer.silent("c1 02 50 01 00 07 07 00", address)
        peer.update(BI, 0, 1)
        (report,) = peer.pending()
        assert report[2] & 0x01, hex(address)
        assert peer.one("c2 17")[2] & 0x01 == again  # FFFE: until it is confirmed
        peer.silent("c2 00") if again else None
        peer.silent(bytes((0xD0 | report[0] & 15, 0)))
        assert peer.one("c3 17")[2] & 0x01 == 0


def test_10_a_report_sent_before_the_broadcast_does_not_end_the_indication(build):
    peer = build(unsolicited=UnsolicitedSettings())
    (null,) = peer.pending()
    peer.silent("c1 02 50 01 00 07 07 00", 0xFFFE)
    peer.silent(bytes((0xD0 | null[0] & 15, 0)))
    assert peer.one("c2 17")[2] & 0x01
