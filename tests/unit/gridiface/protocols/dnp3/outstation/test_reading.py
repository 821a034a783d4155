import pytest

from gridiface.protocols.dnp3.application import parse_response
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.outstation.attributes import decode_value
from gridiface.protocols.dnp3.points import PointConfig, PointType

AI, BI, CT = PointType.ANALOG_INPUT, PointType.BINARY_INPUT, PointType.COUNTER


def objects(peer, text):
    """The object part of the only response, IIN2 asserted to be clean."""
    response = peer.one(text)
    assert response[3] == 0, response.hex(" ")
    return response[4:].hex(" ")


@pytest.fixture
def peer(build):
    made = build([PointConfig(AI, index, event_class=2) for index in (0, 1, 2, 5)])
    for index in (0, 1, 2, 5):
        made.update(AI, index, index + 0.5, time=0)
    made.one("c0 01 3c 03 06")
    made.silent("c0 00")
    return made


@pytest.mark.parametrize(
    ("variation", "value_of_1"),
    [
        ("01", "01 02 00 00 00"),
        ("02", "01 02 00"),
        ("03", "02 00 00 00"),
        ("04", "02 00"),
        ("05", "01 00 00 c0 3f"),
        ("06", "01 00 00 00 00 00 00 f8 3f"),
        ("00", "01 00 00 c0 3f"),
    ],
)
def test_26_a_variation_asked_for_is_the_one_answered(peer, variation, value_of_1):
    answered = variation if variation != "00" else "05"
    assert objects(peer, f"c0 01 1e {variation} 00 01 01") == f"1e {answered} 00 01 01 {value_of_1}"


@pytest.mark.parametrize(
    ("point_type", "group", "variations"),
    [
        (BI, 1, (1, 2)),
        (PointType.DOUBLE_BIT_INPUT, 3, (1, 2)),
        (PointType.BINARY_OUTPUT, 10, (1, 2)),
        (CT, 20, (1, 2, 5, 6)),
        (PointType.FROZEN_COUNTER, 21, (1, 2, 5, 6, 9, 10)),
        (AI, 30, (1, 2, 3, 4, 5, 6)),
        (PointType.ANALOG_OUTPUT, 40, (1, 2, 3, 4)),
    ],
)
def test_26_of_each_type_the_variation_asked_for_is_answered(build, point_type, group, variations):
    peer = build([PointConfig(point_type, 0)])
    peer.update(point_type, 0, 1)
    for number, variation in enumerate(variations):
        answered = objects(peer, bytes((0xC0 | number, 1, group, variation, 6)))
        assert answered.startswith(f"{group:02x} {variation:02x} 00 00 00 ")


def test_27_ranges_return_exactly_the_points_asked(peer):
    assert objects(peer, "c0 01 1e 04 00 01 02") == "1e 04 00 01 02 02 00 02 00"
    assert objects(peer, "c0 01 1e 04 01 01 00 02 00") == "1e 04 00 01 02 02 00 02 00"


def test_29_all_points_of_a_type(peer):
    assert objects(peer, "c0 01 1e 04 06") == "1e 04 00 00 02 00 00 02 00 02 00 1e 04 00 05 05 06 00"


def test_30_gaps_produce_several_headers(peer):
    assert objects(peer, "c0 01 1e 04 00 00 05").count("1e 04 00") == 2


@pytest.mark.parametrize("text", ["17 02 05 00", "28 02 00 05 00 00 00"])
def test_lists_of_indices(peer, text):
    assert objects(peer, f"c0 01 1e 04 {text}") == "1e 04 00 05 05 06 00 1e 04 00 00 00 00 00"


def test_a_range_partly_outside_returns_what_there_is(peer):
    assert peer.one("c0 01 1e 04 00 05 09")[2:].hex(" ") == "80 04 1e 04 00 05 05 06 00"
    assert peer.one("c0 01 1e 04 00 64 65")[2:].hex(" ") == "80 04"
    assert peer.one("c0 01 1e 04 17 02 05 07")[2:].hex(" ") == "80 04 1e 04 00 05 05 06 00"


def test_31_one_bad_header_refuses_the_whole_request(peer):
    peer.update(AI, 0, 100)
    assert peer.one("c0 01 3c 03 06 1e 01 06 63 00 06")[2:].hex(" ") == "84 02"
    assert peer.buffer.waiting(2) == 1


@pytest.mark.parametrize(
    "text",
    ["3c 01 00 00 01", "3c 02 00 00 01", "1e 05 07 01", "20 00 00 00 01", "32 01 07 02", "50 01 00 00 10",
     "50 01 07 01", "00 f2 07 01", "00 f2 00 01 01"],
)  # fmt: skip
def test_18_qualifiers_that_do_not_fit(build, text):
    assert build(attributes={242: "1"}).one("c0 01" + text)[3] == 0x04


@pytest.mark.parametrize(
    "text",
    ["3c 05 06", "3c 00 06", "20 09 06", "16 03 06", "14 03 06", "6e 05 06", "6f 05 06",
     "32 02 07 01", "50 02 06", "00 f3 00 00 00", "0c 01 06", "34 01 06", "22 04 06"],
)  # fmt: skip
def test_17_objects_that_are_not_there(build, text):
    assert build(attributes={242: "1"}).one("c0 01" + text)[3] == 0x02


def test_17_types_without_points_are_unknown(peer):
    assert peer.one("c0 01 01 02 06")[3] == 0x02
    assert peer.one("c0 01 22 00 06")[3] == 0x00


def test_17_beside_a_type_without_points_the_others_are_answered(build):
    peer = build([PointConfig(AI, 0, event_class=2, static_variation=2)])
    peer.update(AI, 0, 7)
    groups = (2, 4, 22, 23, 32, 11, 42, 1, 3, 20, 21, 30, 10, 40)  # as procedure 8.20.2 asks
    response = peer.one(bytes((0xC0, 1)) + b"".join(bytes((group, 0, 6)) for group in groups))
    assert (response[0] & 0x20, response[3]) == (0x20, 0x02)
    assert response[4:7].hex(" ") == "20 07 17"
    assert response.hex(" ").endswith("1e 02 00 00 00 01 07 00")
    assert peer.one("c1 01 01 00 00 00 05 1e 02 00 00 00")[3:].hex(" ") == "02 1e 02 00 00 00 01 07 00"
    only = build([PointConfig(BI, 0)])
    assert only.one("c0 01 22 00 06 01 00 06")[3:].hex(" ") == "02 01 02 00 00 00 02"


def test_24_class_0_returns_every_point_in_its_variation(build):
    peer = build(
        [
            PointConfig(BI, 0, event_class=1, static_variation=1),
            PointConfig(PointType.DOUBLE_BIT_INPUT, 0),
            PointConfig(PointType.BINARY_OUTPUT, 0),
            PointConfig(CT, 0, static_variation=6),
            PointConfig(PointType.FROZEN_COUNTER, 0, static_variation=9),
            PointConfig(AI, 0, static_variation=2),
            PointConfig(AI, 1, in_class_0=False),
            PointConfig(PointType.ANALOG_OUTPUT, 0),
            PointConfig(PointType.OCTET_STRING, 0),
        ]
    )
    peer.update(BI, 0, 1)
    assert objects(peer, "c0 01 3c 01 06") == (
        "01 01 00 00 00 01 03 02 00 00 00 02 0a 02 00 00 00 02 14 06 00 00 00 00 00"
        " 15 09 00 00 00 00 00 00 00 1e 02 00 00 00 02 00 00 28 03 00 00 00 02 00 00 00 00"
    )


def test_a_packed_variation_gives_way_to_flags_that_must_be_told(build):
    peer = build([PointConfig(BI, index, static_variation=1) for index in range(9)])
    for index in range(9):
        peer.update(BI, index, index & 1)
    assert objects(peer, "c0 01 01 00 06") == "01 01 00 00 08 aa 00"
    peer.update(BI, 8, 1, flags=Flags.ONLINE | Flags.COMM_LOST)
    assert objects(peer, "c0 01 01 01 00 07 08") == "01 02 00 07 08 81 85"
    assert objects(peer, "c0 01 01 01 00 00 07") == "01 01 00 00 07 aa"


def test_25_classes_come_oldest_first_and_want_a_confirm(build):
    peer = build()
    for index in (4, 2, 9):
        peer.update(BI, index, 1, time=index)
    response = peer.one("c0 01 3c 02 06")
    assert response[0] == 0xE0
    assert response[4:].hex(" ") == (
        "02 02 17 03 04 81 04 00 00 00 00 00 02 81 02 00 00 00 00 00 09 81 09 00 00 00 00 00"
    )


def test_an_integrity_poll_has_events_first_then_static_values(build):
    peer = build([PointConfig(AI, 0, event_class=2), PointConfig(BI, 0, event_class=1)])
    peer.update(AI, 0, 1.0, time=1)
    peer.update(BI, 0, 1, time=2)
    peer.update(AI, 0, 2.0, time=3)
    body = objects(peer, "c0 01 3c 02 06 3c 03 06 3c 04 06 3c 01 06")
    assert body == (
        "02 02 17 01 00 81 02 00 00 00 00 00"
        " 20 07 17 02 00 01 00 00 80 3f 01 00 00 00 00 00 00 01 00 00 00 40 03 00 00 00 00 00"
        " 01 02 00 00 00 81 1e 05 00 00 00 01 00 00 00 40"
    )


def test_28_a_count_limits_the_events_and_leaves_the_rest(build):
    peer = build()
    for index in (0, 1, 2):
        peer.update(BI, index, 1, time=0)
    assert objects(peer, "c0 01 3c 02 07 02").startswith("02 02 17 02 00 81")
    peer.silent("c0 00")
    assert objects(peer, "c1 01 02 01 08 05 00") == "02 01 17 01 02 81"


def test_an_event_is_written_once_however_often_it_is_asked_for(build):
    peer = build()
    peer.update(BI, 0, 1, time=0)
    assert objects(peer, "c0 01 02 01 06 3c 02 06 02 02 06") == "02 01 17 01 00 81"


@pytest.mark.parametrize(
    ("point_type", "value", "text", "expected"),
    [
        (BI, 1, "02 01", "02 01 17 01 00 81"),
        (BI, 1, "02 02", "02 02 17 01 00 81 05 00 00 00 00 00"),
        (BI, 1, "02 03", "33 01 07 01 05 00 00 00 00 00 02 03 17 01 00 81 00 00"),
        (PointType.DOUBLE_BIT_INPUT, 2, "04 01", "04 01 17 01 00 81"),
        (PointType.BINARY_OUTPUT, 1, "0b 02", "0b 02 17 01 00 81 05 00 00 00 00 00"),
        (CT, 70_000, "16 02", "16 02 17 01 00 01 70 11"),
        (CT, 7, "16 05", "16 05 17 01 00 01 07 00 00 00 05 00 00 00 00 00"),
        (CT, 7, "16 01", "16 01 17 01 00 01 07 00 00 00"),
        (PointType.FROZEN_COUNTER, 7, "17 06", "17 06 17 01 00 01 07 00 05 00 00 00 00 00"),
        (AI, 1.5, "20 01", "20 01 17 01 00 01 02 00 00 00"),
        (AI, 1.5, "20 02", "20 02 17 01 00 01 02 00"),
        (AI, 1.5, "20 03", "20 03 17 01 00 01 02 00 00 00 05 00 00 00 00 00"),
        (AI, 1.5, "20 04", "20 04 17 01 00 01 02 00 05 00 00 00 00 00"),
        (AI, 1.5, "20 05", "20 05 17 01 00 01 00 00 c0 3f"),
        (AI, 1.5, "20 06", "20 06 17 01 00 01 00 00 00 00 00 00 f8 3f"),
        (AI, 1.5, "20 08", "20 08 17 01 00 01 00 00 00 00 00 00 f8 3f 05 00 00 00 00 00"),
        (PointType.ANALOG_OUTPUT, 1.5, "2a 07", "2a 07 17 01 00 01 00 00 c0 3f 05 00 00 00 00 00"),
    ],
)
def test_26_events_come_in_the_variation_asked_for(build, point_type, value, text, expected):
    peer = build()
    peer.update(point_type, 0, value, time=5)
    assert objects(peer, f"c0 01 {text} 06") == expected


def test_relative_times_start_anew_when_they_would_not_fit(build):
    peer = build()
    for index, (time, synchronised) in enumerate([(1000, True), (66_535, True), (66_536, True), (66_537, False)]):
        peer.update(BI, index, 1, time=time, synchronised=synchronised)
    assert objects(peer, "c0 01 02 03 06") == (
        "33 01 07 01 e8 03 00 00 00 00 02 03 17 02 00 81 00 00 01 81 ff ff"
        " 33 01 07 01 e8 03 01 00 00 00 02 03 17 01 02 81 00 00"
        " 33 02 07 01 e9 03 01 00 00 00 02 03 17 01 03 81 00 00"
    )


def test_indices_above_255_take_16_bits(build):
    peer = build([PointConfig(AI, 300, event_class=1), PointConfig(AI, 1, event_class=1)])
    peer.update(AI, 1, 1)
    assert objects(peer, "c0 01 20 02 06") == "20 02 28 01 00 01 00 01 01 00"
    peer.silent("c0 00")
    assert objects(peer, "c1 01 1e 02 00 01 01") == "1e 02 00 01 01 01 01 00"
    assert objects(peer, "c2 01 1e 02 01 2c 01 2c 01") == "1e 02 01 2c 01 2c 01 02 00 00"


def test_octet_strings_and_their_events(build):
    peer = build()
    peer.database.set_octets(peer.now, 1, b"abc")
    assert objects(peer, "c0 01 6e 00 00 00 02") == "6e 01 00 00 00 00 6e 03 00 01 01 61 62 63 6e 01 00 02 02 00"
    assert objects(peer, "c1 01 6f 00 06") == "6f 03 17 01 01 61 62 63"


def test_frozen_values_and_times(build):
    peer = build([PointConfig(PointType.FROZEN_COUNTER, 0), PointConfig(PointType.FROZEN_ANALOG_INPUT, 0)])
    peer.update(PointType.FROZEN_COUNTER, 0, 9, time=3)
    assert objects(peer, "c0 01 15 00 06") == "15 05 00 00 00 01 09 00 00 00 03 00 00 00 00 00"
    assert objects(peer, "c0 01 15 0a 06") == "15 0a 00 00 00 09 00"
    assert objects(peer, "c0 01 1f 04 06") == "1f 04 00 00 00 02 00 00 00 00 00 00 00 00"


def test_dead_bands_are_read_in_every_variation(build):
    peer = build([PointConfig(AI, 0, deadband=2.0), PointConfig(AI, 1, deadband=3.0, deadband_variation=1)])
    assert objects(peer, "c0 01 22 00 06") == "22 03 00 00 00 00 00 00 40 22 01 00 01 01 03 00"
    assert objects(peer, "c0 01 22 01 06") == "22 01 00 00 01 02 00 03 00"
    assert objects(peer, "c0 01 22 02 00 01 01") == "22 02 00 01 01 03 00 00 00"


def test_55_device_attributes(build):
    peer = build([PointConfig(AI, 4, event_class=1)], attributes={242: "1.0", 252: "gridiface"})
    assert objects(peer, "c0 01 00 fc 00 00 00") == "00 fc 00 00 00 01 09 67 72 69 64 69 66 61 63 65"
    assert objects(peer, "c1 01 00 e9 00 00 00") == "00 e9 00 00 00 02 01 01"
    everything = objects(peer, "c2 01 00 fe 00 00 00")
    assert everything.endswith("00 fc 00 00 00 01 09 67 72 69 64 69 66 61 63 65")
    assert "00 f2 00 00 00 01 03 31 2e 30" in everything
    listed = bytes.fromhex(objects(peer, "c3 01 00 ff 06"))
    assert listed[:7].hex(" ") == f"00 ff 00 00 00 fe {len(listed) - 7:02x}"
    assert bytes((252, 0)) in listed


def attributes_of(fragments):
    """Value by variation of all attributes in some fragments."""
    found = {}
    for fragment in fragments:
        for header in parse_response(fragment).headers:
            for _, octets in header.objects():
                found[header.variation] = decode_value(octets)[1]
    return found


def test_55_all_attributes_are_listed_and_true(build):
    peer = build(
        attributes={242: "1.0", 247: "north" * 40, 252: "gridiface"},
        max_tx_fragment=249,
        max_rx_fragment=700,
        max_controls=5,
    )
    fragments = peer.ask("c0 01 00 fe 00 00 00")
    while not fragments[-1][0] & 0x40:
        fragments += peer.ask(bytes((0xC0 | fragments[-1][0] & 15, 0)))
    assert len(fragments) > 1
    said = attributes_of(fragments)
    assert (said[240], said[241], said[216]) == (249, 700, 5)
    by_type = {221: 219, 224: 222, 229: 227, 233: 231, 236: 234, 239: 237}  # number of points: supports events
    for number, supports in by_type.items():
        assert (said[number], said[number - 1], said[supports]) == (10, 12, 1)
    assert (said[225], said[226], said[230]) == (1, 1, 1)
    assert (said[242], said[247], said[252]) == ("1.0", "north" * 40, "gridiface")
    listed = attributes_of([peer.one("c7 01 00 ff 00 00 00")])[255]
    assert list(listed[::2]) == sorted(said)
    assert {number for number, writable in zip(listed[::2], listed[1::2], strict=True) if writable} == {247}
    for variation in said:  # each by itself is the same
        assert attributes_of([peer.one(bytes((0xC0, 1, 0, variation, 0, 0, 0)))])[variation] == said[variation]


def test_sets_of_attributes_that_are_not_there_are_told(build):
    peer = build(attributes={252: "g"})
    assert peer.hex("c0 01 00 fc 00 00 02") == "c0 81 80 04 00 fc 00 00 00 01 01 67"
    assert peer.hex("c1 01 00 fc 00 01 02") == "c1 81 80 04"


def test_the_time_is_read_as_the_master_set_it(build):
    peer = build(now=1000.0)
    assert objects(peer, "c0 01 32 01 07 01") == "32 01 07 01 40 42 0f 00 00 00"
    peer.one("c1 02 32 01 07 01 d0 07 00 00 00 00")
    peer.now += 1
    assert objects(peer, "c2 01 32 00 06") == "32 01 07 01 b8 0b 00 00 00 00"


def test_indications_are_read_as_bits(build):
    peer = build()
    assert objects(peer, "c0 01 50 01 06") == "50 01 00 00 0f 80 00"
    assert objects(peer, "c0 01 50 01 00 07 08") == "50 01 00 07 08 01"


def test_commands_are_reported_as_events(build):
    peer = build(
        [
            PointConfig(PointType.BINARY_OUTPUT, 0, command_event_class=1),
            PointConfig(PointType.ANALOG_OUTPUT, 0, command_event_class=1, maximum=5.0),
        ],
        now=0.0,
    )
    peer.one("c0 05 0c 01 17 01 00 03 01 00 00 00 00 00 00 00 00 00")
    peer.one("c1 05 29 02 17 01 00 09 00 00")
    assert objects(peer, "c2 01 0d 00 06") == "0d 02 17 01 00 80 00 00 00 00 00 00"
    assert objects(peer, "c3 01 2b 00 06") == "2b 03 17 01 00 0c 09 00 00 00 00 00 00 00 00 00"
